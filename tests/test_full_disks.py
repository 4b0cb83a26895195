"""Disks that are really full: no bytes, no inodes, or a few; on each filesystem that can be made here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_disk
from effort import Effort
from scenes import SYSVENV, Scene
from takes import DONE, OPERATIONS, PIPS, Bad, Take, judge_pip
from tally import Count
from tripwire import Tripped

pytestmark = [pytest.mark.faults, pytest.mark.root]

NAMES = ["undo", "undo of an edit", "redo", "restore", "snapshot", "clean to the baseline"]
BYTES = [0, *(1 << power for power in range(12, 24))]
INODES = [0, 1, 2, 4, 8, 16, 32, 64, 128]
SURE = {"undo", "redo"}
"""What works with nothing left at all: the reserve is for them."""


@pytest.fixture(scope="module", params=["ext4", "xfs", "btrfs"])
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Scene]]:
    """A scene whose home lies on a small disk of its own."""
    kind = request.param
    if why := small_disk.missing(kind):
        pytest.skip(why)
    place = Path(os.path.realpath(tmp_path_factory.mktemp(kind)))
    with small_disk.mounted(kind, place, *(["-N", "2000"] if kind == "ext4" else [])) as directory:
        scene = Scene(place, directory / "home")
        scene.play()
        yield kind, scene


def try_all(
    disk: tuple[str, Scene], name: str, amounts: list[int], fill: Callable[[Path, int], None]
) -> tuple[int, list[str], int]:
    """With more and more left, until it works: points, the bad ones, and how much it took."""
    kind, scene = disk
    directory = scene.root.parent
    take = Take(scene, OPERATIONS[name])
    bad = []
    for tried, left in enumerate(amounts, start=1):
        scene.lay(take.operation.start)
        fill(directory, left)
        answer = scene.run([SYSVENV, *take.operation.command])
        small_disk.empty(directory)
        try:
            take.judge(Tripped(answer.code, (), answer.output, answer.errors))
        except Bad as error:
            bad.append(f"{kind}, {left} left, {name}: {error}")
        if answer.code == DONE:
            return tried, bad, left
    return len(amounts), [*bad, f"{kind}: {name} never worked"], -1


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_loses_nothing(disk: tuple[str, Scene], effort: Effort, count: Count, name: str) -> None:
    """0, 4 K, 8 K ... bytes left: done, or a sentence and nothing lost; and it works once there is space."""
    tried, bad, enough = try_all(disk, name, BYTES, small_disk.fill)
    if name in SURE and enough > 0:
        bad.append(f"{name} took {enough} bytes on {disk[0]}, although there is a reserve")
    count(name, f"full {disk[0]}", tried, len(bad))
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("name", NAMES)
def test_no_inodes_left_loses_nothing(disk: tuple[str, Scene], count: Count, name: str) -> None:
    """0, 1, 2 ... inodes left, on the filesystem that has a fixed number of them."""
    if disk[0] != "ext4":
        pytest.skip("makes inodes as they are needed")
    tried, bad, enough = try_all(disk, name, INODES, small_disk.fill_inodes)
    if name in SURE and enough > 0:
        bad.append(f"{name} took {enough} inodes, although there is a reserve")
    count(name, "no inodes", tried, len(bad))
    assert not bad, "\n".join(bad)


def test_pip_on_a_full_disk(disk: tuple[str, Scene], effort: Effort, count: Count) -> None:
    """pip fails or not, as it does without us; one undo takes back what it did."""
    kind, scene = disk
    start, words = PIPS["pip install"]
    scene.lay(start)
    old = scene.seen()
    bad = []
    tried = 0
    for left in BYTES[:: (1 if kind == "ext4" else 3) * (3 if effort.is_plain else 1)]:
        scene.lay(start)
        small_disk.fill(scene.root.parent, left)
        answer = scene.run(scene.pip(*words))
        small_disk.empty(scene.root.parent)
        tried += 1
        try:
            judge_pip(scene, Tripped(answer.code, (), answer.output, answer.errors), old)
        except Bad as error:
            bad.append(f"{kind}, {left} left: {error}")
    count("pip install", f"full {kind}", tried, len(bad))
    assert not bad, "\n".join(bad)
