"""What history costs: disk and memory after adoption, 50 operations and 100 snapshots."""

from __future__ import annotations

import os

from benchmarks import filesystems, stacks
from benchmarks.filesystems import allocated
from benchmarks.homes import Home, Venv, remove
from benchmarks.pairs import CommandFailed
from benchmarks.scenarios import growth
from benchmarks.synthetic import wheels
from benchmarks.workplace import Workplace

_OPERATIONS = 50
_SNAPSHOTS = 100


def run(place: Workplace) -> None:
    """The ML venv, adopted with the default guard and with `text`; the adoption beside a full copy; memory."""
    template = stacks.stack_venv(place, "ml")
    venv = allocated(template)
    place.results.amount("disk/ml-venv", venv)
    home, plain = Home(place, place.path("homes", "adopted")), Venv(place, place.path("plain", "adopted"))
    home.copy(template)
    growth.adoption(place, "ml", home, plain)
    remove(plain.root)
    home.call(*growth.install(place))
    if place.first is None:
        growth.remember(place, "ml", home)
    remove(home.home)
    shares = _shares_blocks(place)
    accumulate(place, template, venv, "disk/reflinks" if shares else "disk", guard="all")
    if not shares:
        accumulate(place, template, venv, "disk/text", guard="text")
    farms(place, template, venv)
    if shares:
        a_copy(place, template, venv)


def accumulate(place: Workplace, template: str, venv: int, name: str, guard: str) -> None:
    """Adopt, install 50 packages one after the other, take 100 snapshots; how much disk there is beside the venv."""
    place.say(f'cost with store.guard = "{guard}"')
    home = Home(place, place.path("homes", f"cost-{guard}"))
    home.copy(template)
    home.do("config", "store.guard", guard)
    blocks_before = filesystems.used(place.root)

    def beside() -> int:
        if name == "disk/reflinks":  # st_blocks counts a shared block for each file that shares it
            return filesystems.used(place.root) - blocks_before
        return allocated(home.home) - allocated(home.root)

    home.do("init")
    house = place.path("fifty", "")
    requirements = wheels(house, "fifty", packages=_OPERATIONS + 1, files_each=10, seed=5)
    home.call(*stacks.install(house, requirements[-1]))  # the first operation lays out the spare
    note(place, f"{name}/adopted", beside(), venv)
    for requirement in requirements[:_OPERATIONS]:
        home.call(*stacks.install(house, requirement))
    note(place, f"{name}/50-operations", beside(), venv)
    for number in range(_SNAPSHOTS):
        home.do("snapshot", f"number-{number}")
    note(place, f"{name}/100-snapshots", beside(), venv)
    remove(home.home)


def farms(place: Workplace, template: str, venv: int) -> None:
    """The same states kept as full copies, and as farms of hardlinks, whose directories alone take blocks."""
    copy, farm = place.path("farm", "copy"), place.path("farm", "links")
    place.run(["cp", "-a", template, copy])
    place.run(["cp", "-al", copy, farm])
    os.sync()
    one = allocated(os.path.dirname(farm)) - allocated(copy)
    for states, name in ((1, "adopted"), (_OPERATIONS, "50-operations")):
        place.results.amount(f"disk/full copies/{name}, %", 100 * states)
        place.results.amount(f"disk/cp -al farms/{name}, %", 100 * states * one / venv)
    remove(os.path.dirname(farm))


def a_copy(place: Workplace, template: str, venv: int) -> None:
    """What a copy takes that shares all blocks: inodes, names, and the small files that are kept within an inode."""
    copy, before = place.path("shared", "copy"), filesystems.used(place.root)
    place.run(["cp", "-a", "--reflink=always", template, copy])
    place.results.amount("disk/a reflinked copy, %", 100 * (filesystems.used(place.root) - before) / venv)
    remove(copy)


def note(place: Workplace, name: str, extra: int, venv: int) -> None:
    """Keep a number of bytes as a percentage of the venv."""
    place.results.ratio(name, 100 * extra / venv)


def _shares_blocks(place: Workplace) -> bool:
    """Whether the file system can give two files the same blocks."""
    source, target = place.path("reflink", "source"), place.path("reflink", "target")
    with open(source, "wb") as file:
        file.write(b"x" * 8192)
    try:
        place.run(["cp", "--reflink=always", source, target])
    except CommandFailed:
        return False
    return True
