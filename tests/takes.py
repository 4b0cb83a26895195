"""Takes: one operation of the real command line, what it does when all goes well, and the judge of what it left."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from fingerprint import Fingerprint
from scenes import SYSVENV, Answer, Scene
from tripwire import Tripped, Wire

from store import trees
from sysvenv.errors import SysvenvError
from sysvenv.head import read_head
from sysvenv.home import Home

DONE, TOLD = 0, 1
OURS = re.compile(r'File ".*/(sysvenv|store)/')
"""In a traceback of ours; pip prints its own when a call of its own fails."""
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
    keeps: tuple[str, ...] = ()
    """States that can still be restored, whatever becomes of it."""
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
    "gc": Operation("long", ("gc", "--max-entries", "1"), keeps=("baseline", "named", "@5")),
}
PIPS = {
    "pip install": ("one", ["install", "--no-deps", "demo==2.0", "other"]),
    "pip uninstall": ("two", ["uninstall", "--yes", "demo", "other"]),
}


class Bad(Exception):
    """A promise that was not kept."""


class Take:
    """One operation, and what it does when nothing goes wrong."""

    def __init__(self, scene: Scene, operation: Operation) -> None:
        self.scene, self.operation = scene, operation
        scene.lay(operation.start)
        self.old = scene.seen()
        self.kept = {name: restored(scene, name) for name in operation.keeps}
        self.whole = self.broken(Wire())
        assert self.whole.code == DONE, self.whole
        self.new = scene.seen()
        self.judge(self.whole)

    def broken(self, wire: Wire) -> Tripped:
        """Carry it out over a tripwire, from the start."""
        self.scene.lay(self.operation.start)
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
        for name, state in self.kept.items():
            if restored(scene, name) != state:
                raise Bad(f"{name} is another state: {difference(scene.seen(), state)}")
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
        said = "; ".join(line for line in answer.text.splitlines() if line and not line.startswith("ok "))
        raise Bad(f"{what}: exit code {answer.code}: {said}")
    return answer


def restored(scene: Scene, name: str) -> Fingerprint:
    """The environment in another state."""
    well(scene.sysvenv("restore", name), f"restore {name}")
    return scene.seen()


def is_behind(scene: Scene) -> bool:
    """Whether a swap was cut off before history knew of it."""
    home = Home.at(str(scene.root))
    marker = trees.read_marker(os.fsencode(home.venv))
    try:
        head = read_head(home)
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


def judge_pip(scene: Scene, outcome: Tripped, old: Fingerprint) -> None:
    """Whatever became of it: one undo, if it has changed anything at all."""
    if OURS.search(outcome.errors) or "internal error" in outcome.errors:
        raise Bad(f"a bug: {outcome.errors}")
    well(scene.sysvenv("status"), "status")
    if bare(scene.seen()) != bare(old):
        well(scene.sysvenv("undo"), "undo")
        stands_at(scene, old)
    else:
        well(scene.sysvenv(*NEXT), "the next command")
        if bare(scene.seen()) != bare(old):
            raise Bad(f"the next command changed the environment: {difference(scene.seen(), old)}")
    well(scene.sysvenv("verify"), "verify")


def bare(tree: Fingerprint) -> Fingerprint:
    """What makes an operation: not bytecode."""
    return {path: seen for path, seen in tree.items() if b"__pycache__" not in path.split(b"/")}


def stands_at(scene: Scene, old: Fingerprint) -> None:
    """undo led to where pip began."""
    found = scene.seen()
    if found != old:
        raise Bad(f"undo led to another state: {difference(found, old)}")


def without_times(tree: Fingerprint) -> Fingerprint:
    """Kinds, modes, contents and targets; no bytecode, as that has the time of its source in it."""
    return {path: (seen[0], seen[1] if seen[0] == "file" else "", seen[-1]) for path, seen in bare(tree).items()}
