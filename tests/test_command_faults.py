"""Faults of the real command line: whichever system call fails, or is the last one before a kill, nothing is lost.

What tests/test_faults.py does within Python, where it works on every system, is done here to whole processes: sysvenv
as it is typed, its helpers and its successors, pip under the hook. After each fault: the tree is exactly the old or the
new one, the next command recovers by itself and says so, the way back works, and ``verify`` finds nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import tripwire
from effort import Effort
from fingerprint import Fingerprint
from scenes import SYSVENV, Answer, Scene
from tally import Count
from tripwire import ALL, CROSSING, GROWING, KILL, KILL_ONE, LINKING, Tripped, Wire

from store import trees
from sysvenv import history
from sysvenv.errors import SysvenvError
from sysvenv.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.skipif(bool(tripwire.missing()), reason=tripwire.missing())]

DONE, TOLD = 0, 1
OURS = re.compile(r'File ".*/(sysvenv|store)/')
"""In a traceback of ours; pip prints its own when a call of its own fails."""
MOST = 60
"""So many points where there are thousands."""
SHOWN = 8
"""So many bad points are told in full."""
NEXT = ("snapshot", "next", "--force")
"""The next command: one that must always work."""


class Operation(NamedTuple):
    """A command under test."""

    start: str
    """The home it starts from."""
    command: tuple[str, ...]
    reverse: tuple[str, ...] = ()
    """What takes it back; nothing where it changes no tree."""
    next: tuple[str, ...] = NEXT
    anew: bool = False
    """Whether it makes the new state, each time another, of thousands of calls; then a sample has to do."""


OPERATIONS = {
    "undo": Operation("two", ("undo",), ("redo",)),
    "undo of two": Operation("two", ("undo", "2"), ("redo", "2")),
    "undo of an edit": Operation("edited", ("undo",), ("redo",)),
    "redo": Operation("undone", ("redo",), ("undo",)),
    "restore": Operation("edited", ("restore", "@1"), ("undo",)),
    "snapshot": Operation("edited", ("snapshot", "named", "--force")),
    "clean": Operation("two", ("clean",), ("undo",), anew=True),
    "clean to the baseline": Operation("two", ("clean", "--keep-baseline"), ("undo",)),
    "init": Operation("bare", ("init",), next=("init",)),
}
FAULTS = {
    "kill": Wire(KILL),
    "ENOSPC": Wire("ENOSPC", calls=GROWING, lasting=True),
    "EDQUOT": Wire("EDQUOT", calls=GROWING, lasting=True),
    "EIO": Wire("EIO"),
    "EMLINK": Wire("EMLINK", calls=LINKING),
    "EXDEV": Wire("EXDEV", calls=CROSSING),
    "EPERM": Wire("EPERM"),
    "EROFS": Wire("EROFS", calls=ALL, lasting=True),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The home, as in a play: put back for every take."""
    made = Scene(Path(os.path.realpath(tmp_path_factory.mktemp("scene"))))
    made.play()
    return made


class Bad(Exception):
    """A promise that was not kept."""


class Take:
    """One operation, and what it does when nothing goes wrong."""

    def __init__(self, scene: Scene, operation: Operation) -> None:
        self.scene, self.operation = scene, operation
        scene.lay(operation.start)
        self.old = scene.seen()
        self.whole = self.broken(Wire())
        assert self.whole.code == DONE, self.whole
        self.new = scene.seen()
        self.judge(self.whole)

    def broken(self, wire: Wire) -> Tripped:
        """Carry it out over a tripwire."""
        return self.scene.broken([SYSVENV, *self.operation.command], wire)

    def total(self, wire: Wire) -> int:
        """How many calls the wire can meet."""
        return sum(call.split()[0] in wire.calls for call in self.whole.calls)

    def judge(self, outcome: Tripped) -> None:
        """What must hold after a fault. Raises Bad."""
        scene, operation = self.scene, self.operation
        found = scene.seen()
        told(outcome)
        if found != self.old and not self.is_new(found):
            raise Bad(f"neither the old state nor the new one: {difference(found, self.old, self.new)}")
        if outcome.code == DONE and not self.is_new(found):
            raise Bad("it said it was done, and was not")
        if scene.root.joinpath("history/HEAD").exists():
            well(scene.sysvenv("status"), "status")
        interrupted = is_behind(scene)
        answer = well(scene.sysvenv(*operation.next), "the next command")
        if interrupted and "interrupted" not in answer.text:
            raise Bad(f"the next command finished an exchange and did not say so: {answer}")
        self.stands(found, "the next command")
        if not (self.is_new(found) and operation.reverse) and outcome.code != DONE:
            well(scene.sysvenv(*operation.command), "the same once more")
            if not self.is_new(scene.seen()):
                raise Bad(f"the same once more led to another state: {difference(scene.seen(), self.new)}")
        if operation.reverse:
            well(scene.sysvenv(*operation.reverse), "the way back")
            self.stands(self.old, "the way back")
        well(scene.sysvenv("verify"), "verify")

    def is_new(self, found: Fingerprint) -> bool:
        """Whether a tree is what the operation leads to; a venv that is made anew each time has other mtimes."""
        return found == self.new or (self.operation.anew and without_times(found) == without_times(self.new))

    def stands(self, expected: Fingerprint, after: str) -> None:
        """The tree is what it should be."""
        found = self.scene.seen()
        if found != expected:
            raise Bad(f"{after} led to another state: {difference(found, expected)}")


def told(outcome: Tripped) -> None:
    """An exit code of the documented ones, a sentence, no traceback."""
    if OURS.search(outcome.errors) or "should not happen" in outcome.errors:
        raise Bad(f"a bug: {outcome.errors}")
    if outcome.code not in (DONE, TOLD, -9):
        raise Bad(f"exit code {outcome.code}: {outcome.errors}")
    if outcome.code == TOLD and "sysvenv: " not in outcome.errors:
        raise Bad(f"it failed without a word: {outcome.errors}")


def well(answer: Answer, what: str) -> Answer:
    """A command that had to succeed did."""
    if answer.code != DONE or "Traceback" in answer.text:
        raise Bad(f"{what}: exit code {answer.code}: {answer.text}")
    return answer


def is_behind(scene: Scene) -> bool:
    """Whether a swap was cut off before history knew of it."""
    home = Home.at(str(scene.root))
    marker = trees.read_marker(os.fsencode(home.venv))
    try:
        head = history.read_head(home)
        return bool(marker and marker.position and head and marker.position["sequence"] > head.sequence)
    except SysvenvError:
        return False


def difference(found: Fingerprint, *expected: Fingerprint) -> str:
    """The paths in which a tree differs from each of those expected."""
    parts = []
    for each in expected:
        paths = sorted(path for path in found.keys() | each.keys() if found.get(path) != each.get(path))
        parts.append(f"{len(paths)} paths ({b', '.join(paths[:4]).decode(errors='replace')})")
    return " and ".join(parts)


def points(total: int, operation: str, kind: str, effort: Effort, most: int = 0) -> Iterator[int]:
    yield from effort.chosen(total, operation + kind, most)


def concluded(count: Count, operation: str, kind: str, tried: int, bad: list[str]) -> None:
    """Counted for the table, and an error if anything was bad."""
    count(operation, kind, tried, len(bad))
    assert not bad, "\n".join([f"{len(bad)} of {tried} bad", *bad[:SHOWN]])


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_loses_nothing(scene: Scene, effort: Effort, count: Count, name: str, kind: str) -> None:
    """Each call of each command, killed before it or failing at it: the old state or the new one, and the way on."""
    take, wire = Take(scene, OPERATIONS[name]), FAULTS[kind]
    total = take.total(wire)
    assert total or kind in ("EMLINK", "EXDEV")
    tried, bad = 0, []
    for at in points(total, name, kind, effort, MOST if take.operation.anew else 0):
        scene.lay(take.operation.start)
        outcome = take.broken(wire._replace(at=at))
        tried += 1
        try:
            take.judge(outcome)
        except (Bad, tripwire.Hangs) as error:
            calls = [call for call in outcome.calls if call.split()[0] in wire.calls]
            bad.append(
                f"{name}, {kind} at call {at} of {total} ({calls[at - 1] if at <= len(calls) else '-'}): {error}"
            )
    concluded(count, name, kind, tried, bad)


@pytest.mark.parametrize("name", ["undo of an edit", "restore", "clean to the baseline"])
def test_recovery_may_be_killed_too(scene: Scene, effort: Effort, count: Count, name: str) -> None:
    """A command that finishes what was interrupted is killed at each of its calls: the one after it finishes both."""
    take = Take(scene, OPERATIONS[name])
    total = take.total(Wire(KILL))
    tried, bad = 0, []
    for first in effort._replace(calls=min(effort.calls or 12, 12)).chosen(total, name):
        scene.lay(take.operation.start)
        take.broken(Wire(KILL, first))
        scene.keep("interrupted")
        recovery = scene.broken([SYSVENV, *NEXT], Wire())
        for second in points(len(recovery.calls), name, str(first), effort):
            scene.lay("interrupted")
            scene.broken([SYSVENV, *NEXT], Wire(KILL, second))
            tried += 1
            try:
                take.judge(Tripped(-9, (), "", ""))
            except (Bad, tripwire.Hangs) as error:
                bad.append(f"{name}, killed at call {first}, recovery at {second} of {len(recovery.calls)}: {error}")
    concluded(count, f"recovery of {name}", "kill", tried, bad)


PIPS = {
    "pip install": ("one", ["install", "--no-deps", "demo==2.0", "other"]),
    "pip uninstall": ("two", ["uninstall", "--yes", "demo", "other"]),
}
PIP_FAULTS = {KILL_ONE: Wire(KILL_ONE), **FAULTS}


@pytest.mark.parametrize("kind", PIP_FAULTS)
@pytest.mark.parametrize("name", PIPS)
def test_one_undo_takes_a_broken_pip_back(scene: Scene, effort: Effort, count: Count, name: str, kind: str) -> None:
    """pip, its recorder or both are killed, or a call of either fails: one undo, and all is as it was before pip."""
    start, words = PIPS[name]
    scene.lay(start)
    old = scene.seen()
    whole = scene.broken(scene.pip(*words), Wire())
    assert whole.code == DONE, whole
    wire = PIP_FAULTS[kind]
    total = sum(call.split()[0] in wire.calls for call in whole.calls)
    judge_pip(scene, whole, old)
    tried, bad = 0, []
    for at in points(total, name, kind, effort):
        scene.lay(start)
        outcome = scene.broken(scene.pip(*words), wire._replace(at=at))
        tried += 1
        try:
            judge_pip(scene, outcome, old)
            if at % 10 == 0:
                well(scene.run(scene.pip(*words)), "the same once more")
                well(scene.sysvenv("undo"), "undo of the same once more")
                stands_at(scene, old)
        except (Bad, tripwire.Hangs) as error:
            calls = [call for call in outcome.calls if call.split()[0] in wire.calls]
            bad.append(
                f"{name}, {kind} at call {at} of {total} ({calls[at - 1] if at <= len(calls) else '-'}): {error}"
            )
    concluded(count, name, kind, tried, bad)


def judge_pip(scene: Scene, outcome: Tripped, old: Fingerprint) -> None:
    """Whatever became of it: one undo, if it has changed anything at all."""
    if OURS.search(outcome.errors) or "internal error" in outcome.errors:
        raise Bad(f"a bug: {outcome.errors}")
    well(scene.sysvenv("status"), "status")
    if without_bytecode(scene.seen()) != without_bytecode(old):
        well(scene.sysvenv("undo"), "undo")
        stands_at(scene, old)
    else:
        well(scene.sysvenv(*NEXT), "the next command")
        if without_bytecode(scene.seen()) != without_bytecode(old):
            raise Bad(f"the next command changed the environment: {difference(scene.seen(), old)}")
    well(scene.sysvenv("verify"), "verify")


def stands_at(scene: Scene, old: Fingerprint) -> None:
    """undo led to where pip began."""
    found = scene.seen()
    if found != old:
        raise Bad(f"undo led to another state: {difference(found, old)}")


def without_times(tree: Fingerprint) -> Fingerprint:
    """Kinds, modes, contents and targets."""
    return {path: tuple(seen[:1] if seen[0] == "link" else seen[:2]) + seen[-1:] for path, seen in tree.items()}


def without_bytecode(tree: Fingerprint) -> Fingerprint:
    """What makes an operation."""
    return {path: seen for path, seen in tree.items() if b"__pycache__" not in path.split(b"/")}
