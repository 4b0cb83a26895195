"""The world of the model: a tiny home, everything that can happen to it, and a plain copy of what must come of it.

The copy is a dictionary of path -> what is there for each operation of history. It knows nothing of stores, links,
indexes or swaps; store/FORMAT.md says in words what it does in code.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

from fingerprint import Fingerprint, fingerprint
from injected import KILLED, Faults, run
from tiny import ONE, PIP, SITE, TWO, Tiny

from store.verify import EDITED, UNGUARDED, verify
from sysvenv import snapshots
from sysvenv.errors import NotFound
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import collect, label, record, recover, rewind
from sysvenv.operations.record import Outcome
from sysvenv.retention import Limits

VERSIONS = {"1.0": ONE, "2.0": TWO, "3.0": {**TWO, "demo/third.py": "x = 3\n", "demo/deep/deeper/down.py": "x = 4\n"}}
DATA = b"models/"
"""Below it, and in notes.txt, is what belongs to the user and no state."""
OLD_ENOUGH = 100
"""A crash may hit any of an operation's first calls, of which there are about so many."""


@dataclass(frozen=True)
class Made:
    """An operation of history."""

    parent: int
    before: Fingerprint
    """What it found, so what undo leads to."""
    after: Fingerprint
    """What it left when it was recorded, so what restore leads to."""


@dataclass
class Model:
    """What must be true."""

    live: Fingerprint
    stands: Fingerprint
    """The state the environment was last known to be in."""
    at: int = 0
    made: dict[int, Made] = field(default_factory=dict)
    undone: list[tuple[int, Fingerprint]] = field(default_factory=list)
    """What redo brings back, the next one first."""
    pending: int | None = None
    """The pip that was interrupted and is not recorded yet."""
    snapshots: dict[str, Fingerprint] = field(default_factory=dict)

    def copy(self) -> Model:
        """A copy whose containers are its own."""
        return replace(self, made=copy(self.made), undone=copy(self.undone), snapshots=copy(self.snapshots))

    @property
    def recorded(self) -> set[int]:
        """The operations history tells of."""
        return self.made.keys() | ({self.pending} if self.pending is not None else set())

    @property
    def next(self) -> int:
        return max(self.made) + 1

    @property
    def drifted(self) -> bool:
        """Whether something changed since that is no bytecode."""
        return environment(self.live) != environment(self.stands)

    def settle(self) -> None:
        """What every operation but undo and redo does first: what changed without pip becomes an operation."""
        if self.drifted:
            self.conclude(self.next if self.pending is None else self.pending)
        self.stands, self.pending = self.live, None

    def conclude(self, number: int) -> None:
        """What is there becomes the outcome of an operation on top of where history stands."""
        self.made[number] = Made(self.at, self.stands, self.live)
        self.at, self.stands, self.undone = number, self.live, []

    def switch(self, target: Fingerprint) -> None:
        """restore and clean."""
        self.settle()
        if target != self.stands:
            self.live = target
            self.conclude(self.next)

    def undo(self, steps: int) -> bool:
        """Whether there are as many; then they are taken back."""
        back: list[int] = []
        at = self.at
        while len(back) + self.drifted < steps and at in self.made and self.made[at].parent >= 0:
            back.append(at)
            at = self.made[at].parent
        if len(back) + self.drifted < steps:
            return False
        taken: list[tuple[int, Fingerprint]] = []
        kept = [] if self.drifted else self.undone
        left = self.live
        if self.drifted:
            number = self.next if self.pending is None else self.pending
            self.made[number] = Made(self.at, self.stands, self.live)
            taken.append((number, left))
            left = self.stands
        for number in back:
            taken.append((number, left))
            left = self.made[number].before
        self.undone = [*reversed(taken), *kept]
        self.at, self.live, self.stands, self.pending = at, left, left, None
        return True

    def redo(self, steps: int) -> bool:
        """Likewise; not where something was changed since."""
        if self.drifted or self.pending is not None or len(self.undone) < steps:
            return False
        self.at, self.live = self.undone[steps - 1]
        self.stands, self.undone = self.live, self.undone[steps:]
        return True

    def prune(self, entries: int) -> None:
        """gc: the oldest operations go until no more than that are left, but for those that are needed."""
        needed = {self.at, max(self.recorded), *(number for number, _ in self.undone)}
        excess = len(self.recorded) - entries
        for number in sorted(self.recorded - needed)[: max(excess, 0)]:
            del self.made[number]


class World:
    """The home and its model, side by side. Each action is given a number, from which it takes all its choices."""

    def __init__(self, place: Path) -> None:
        self.home = Tiny(place)
        self.home.begin()
        self.steps: list[str] = []
        live, self.data = self._seen()
        self.model = Model(live, live, 0, {0: Made(-1, {}, live)}, snapshots={"baseline": live})
        self.interrupted = 0

    # --- what changes the tree without us

    def edit(self, number: int) -> None:
        """Write into a file: `echo >> file`."""
        with open(self._file(number), "a") as file:
            file.write(f"# edit {number}\n")
        self._changed()

    def truncate(self, number: int) -> None:
        """Empty a file in place."""
        os.truncate(self._file(number), 0)
        self._changed()

    def replace(self, number: int) -> None:
        """Save a file anew, as most editors do."""
        path = self._file(number)
        path.with_name("saved.tmp").write_text(f"saved = {number}\n")
        os.replace(path.with_name("saved.tmp"), path)
        self._changed()

    def rewrite_bytecode(self, number: int) -> None:
        """Python compiles again: no operation."""
        for path in self.home.site.glob("demo/__pycache__/*.pyc"):
            path.unlink()
            path.write_text(f"bytecode {number}")
        self._changed()

    def delete(self, number: int) -> None:
        """Remove a file."""
        self._file(number).unlink()
        self._changed()

    def create(self, number: int) -> None:
        """Add a module, or one in a package of its own."""
        name = random.Random(number).choice(["mine.py", "yours.py", "package/__init__.py", "package/inner/deep.py"])
        path = self.home.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine = {number}\n")
        self._changed()

    def chmod(self, number: int) -> None:
        """Change a mode."""
        self._file(number).chmod(random.Random(number).choice([0o600, 0o644, 0o755, 0o444]))
        self._changed()

    def touch(self, number: int) -> None:
        """Change a time."""
        os.utime(self._file(number), ns=(number * 10**9, number * 10**9 + 1))
        self._changed()

    def retarget(self, number: int) -> None:
        """Make a link, or let it lead elsewhere."""
        link = self.home.root / "venv/bin/tool"
        link.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(link):
            link.unlink()
        os.symlink(f"python{number % 3}", link)
        self._changed()

    def write_data(self, number: int) -> None:
        """The user's own files, in the venv by chance."""
        chance = random.Random(number)
        path = self.home.root / "venv" / chance.choice(["notes.txt", "models/a.bin", "models/deep/b.bin"])
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and chance.random() < 0.5:
            path.unlink()
        path.write_text(f"data {number}\n")
        self._changed()

    def remove_all(self, number: int) -> None:
        """`rm -rf venv`, now and then."""
        if number % 4 == 0 and os.path.isdir(self.home.venv):
            shutil.rmtree(self.home.venv)
            self._changed()

    # --- pip

    def install(self, number: int) -> None:
        """A recorded pip: installs or changes the version."""
        version = list(VERSIONS)[number % len(VERSIONS)]
        self._pip(lambda: self.home.install(version, VERSIONS[version]), Outcome(0))

    def uninstall(self, number: int) -> None:
        """A recorded pip that removes the package."""
        self._pip(self._remove_demo, Outcome(0))

    def fail(self, number: int) -> None:
        """A recorded pip that gives up or is interrupted, in the middle."""
        outcome = Outcome(1) if number % 2 else Outcome(130, 2)
        self._pip(lambda: (self.home.site / "half_of_it.py").write_text(f"half = {number}\n"), outcome)

    def _has_python(self) -> bool:
        """Without one, no pip runs."""
        return os.path.lexists(self.home.root / "venv/bin/python") and self.home.site.is_dir()

    def _remove_demo(self) -> None:
        for path in self.home.site.glob("demo*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _pip(self, work: Callable[[], object], outcome: Outcome) -> None:
        if not self._has_python():
            return
        recording = record.begin(self.home.context, None, PIP, {})
        self.model.settle()
        recording.meanwhile()
        work()
        self._changed()
        recording.finish(outcome, None)
        self.model.settle()

    # --- sysvenv

    def undo(self, number: int) -> None:
        """One step mostly, sometimes more; too many are refused and nothing is done."""
        steps = random.Random(number).choice([1, 1, 1, 2, 3])
        self._agrees(lambda: rewind.undo(self.home.context, steps), self.model.undo(steps))

    def redo(self, number: int) -> None:
        steps = random.Random(number).choice([1, 1, 1, 2, 3])
        self._agrees(lambda: rewind.redo(self.home.context, steps), self.model.redo(steps))

    def restore(self, number: int) -> None:
        """A snapshot or the state of an operation."""
        targets = {f"@{each}": made.after for each, made in self.model.made.items()} | self.model.snapshots
        name = random.Random(number).choice(sorted(targets))
        self._agrees(lambda: rewind.restore(self.home.context, name), True)
        self.model.switch(targets[name])
        if self.model.live == targets[name] and self._here()[0] == self.model.next:
            self.model.conclude(self.model.next)  # the same files by content, mode and time, but other inodes

    def clean(self, number: int) -> None:
        self._agrees(lambda: rewind.clean(self.home.context, keep_baseline=True), True)
        self.model.switch(self.model.snapshots["baseline"])

    def snapshot(self, number: int) -> None:
        """Name the present state; a name may move on."""
        name = f"snapshot-{number % 3}"
        label.snapshot(self.home.context, name, force=True)
        self.model.settle()
        self.model.snapshots[name] = self.model.stands

    def forget_snapshot(self, number: int) -> None:
        """Drop a name."""
        names = sorted(self.model.snapshots.keys() - {"baseline"})
        if names:
            name = names[number % len(names)]
            label.delete_snapshot(self.home.context, name)
            del self.model.snapshots[name]

    def gc(self, number: int) -> None:
        """Give back what nothing needs, mostly with fewer operations kept than there are."""
        entries = random.Random(number).choice([1, 4, 15, 60])
        collect.collect(self.home.context, Limits(entries=entries))
        self.model.prune(entries)

    def _agrees(self, command: Callable[[], object], possible: bool) -> None:
        try:
            command()
        except NotFound:
            assert not possible, "refused, although it is possible"
        else:
            assert possible, "done, although it is not possible"

    # --- and in the middle of it, the end

    def crash(self, number: int) -> None:
        """One of these, killed before one of its calls; then the next command recovers: the old state or the new."""
        chance = random.Random(number)
        at = chance.randrange(1, OLD_ENOUGH)
        before = self.model.copy()
        settled = self.model.copy()
        settled.settle()
        others: list[Model] = []
        stood = self._state()
        after = self.model.copy()
        word = chance.choice(["undo", "redo", "restore", "snapshot", "gc", *(["pip"] if self._has_python() else [])])
        if word in ("undo", "redo"):
            (after.undo if word == "undo" else after.redo)(1)
            command: Callable[[Tiny, Faults], object] = lambda home, _: getattr(rewind, word)(home.context)  # noqa: E731
        elif word == "restore":
            target = chance.choice(sorted(after.made))
            after.switch(after.made[target].after)
            if after.at == settled.at:
                others = [settled.copy()]
                others[0].conclude(settled.next)  # see restore
            command = lambda home, _: rewind.restore(home.context, f"@{target}")  # noqa: E731
        elif word == "snapshot":
            after = settled
            command = lambda home, _: label.snapshot(home.context, "crashed", force=True)  # noqa: E731
        elif word == "gc":
            entries = chance.choice([1, 4, 15])
            after.prune(entries)
            command = lambda home, _: collect.collect(home.context, Limits(entries=entries))  # noqa: E731
        else:
            command = self._crashing_pip(chance)
        code, _ = run(self.home, command, "kill", at)
        self.interrupted += code == KILLED
        self.steps.append(f"  ({word}, call {at}: exit code {code})")
        recover.enter(self.home.context, "the next command").leave()
        possible = [before, settled] if self._state() == stood else [settled, before]  # new bytecode is adopted, or not
        if word == "pip":
            others = self._after_pip(settled)
        self._settle_for([*possible, *others, after], word)

    def _crashing_pip(self, chance: random.Random) -> Callable[[Tiny, Faults], object]:
        version = chance.choice(list(VERSIONS))

        def pip(home: Tiny, faults: Faults) -> None:
            recording = record.begin(home.context, None, PIP, {})
            recording.meanwhile()
            faults.armed = False
            home.install(version, VERSIONS[version])
            faults.armed = True
            recording.finish(Outcome(0), None)

        return pip

    def _settle_for(self, possible: list[Model], word: str) -> None:
        """Find out which of the states there may be after a crash it is."""
        live, _ = self._seen()
        for model in possible:
            if (model.live, model.pending) == (live, self._pending()) and self._here() == self._place(model):
                self.model = model
                break
        else:
            said = "\n".join(f"{self._place(model)}\n{_difference(live, model.live)}" for model in possible)
            raise AssertionError(f"a kill in {word} left neither the old state nor the new one: {self._here()}\n{said}")
        if "crashed" in snapshots.names(self.home.home):
            label.delete_snapshot(self.home.context, "crashed")

    def _after_pip(self, settled: Model) -> list[Model]:
        """A pip that was cut off has changed something, or not; it was recorded, or is to be."""
        begun, recorded = settled.copy(), settled.copy()
        begun.live = recorded.live = self._seen()[0]
        begun.pending = self._pending()
        recorded.settle()
        return [begun, recorded]

    def _pending(self) -> int | None:
        pending = History(self.home.home).pending()
        return pending.number if pending else None

    def _state(self) -> str:
        """The name of the state that is recorded."""
        head = read_head(self.home.home)
        return head.manifest if head else ""

    # --- the judge

    def check(self) -> None:
        """What is there is what must be there."""
        live, data = self._seen()
        assert live == self.model.live, _difference(live, self.model.live)
        assert data == self.data, _difference(data, self.data)
        assert self._here() == self._place(self.model)

    def check_store(self) -> None:
        """Nothing that is kept is damaged."""
        with recover.enter(self.home.context, "check") as session:
            faults = [fault for fault in verify(session.store, []).faults if fault.what not in (EDITED, UNGUARDED)]
        assert not faults
        assert History(self.home.home).all()[1] == []

    def _here(self) -> tuple[object, ...]:
        """Where history stands, what redo brings back, and what is recorded."""
        head = read_head(self.home.home)
        assert head is not None
        return head.operation, [undone.operation for undone in head.undone], History(self.home.home).numbers()

    def _place(self, model: Model) -> tuple[object, ...]:
        """The same of a model."""
        return model.at, [number for number, _ in model.undone], sorted(model.recorded)

    def _changed(self) -> None:
        self.model.live, self.data = self._seen()

    def _seen(self) -> tuple[Fingerprint, Fingerprint]:
        """The environment's files and links, and the directories in which an installer leaves nothing; the user's."""
        found = fingerprint(self.home.venv) if os.path.isdir(self.home.venv) else {}
        parents = {os.path.dirname(path) for path in found}
        kept = {path: seen for path, seen in found.items() if seen[0] != "directory" or path not in parents}
        mine = {path for path in kept if (path + b"/").startswith(DATA) or path == b"notes.txt"}
        return {p: seen for p, seen in kept.items() if p not in mine}, {
            p: kept[p] for p in mine if kept[p][0] == "file"
        }

    def _file(self, number: int) -> Path:
        """One of the environment's files; one is made, where there is none."""
        start = os.fsencode(SITE) + b"/"
        paths = sorted(p for p, seen in self.model.live.items() if p.startswith(start) and seen[0] == "file")
        paths = [path for path in paths if b"__pycache__" not in path]
        if not paths:
            self.create(0)
            return self.home.site / "mine.py" if (self.home.site / "mine.py").exists() else self._file(number)
        return Path(self.home.venv, os.fsdecode(random.Random(number).choice(paths)))


def environment(tree: Fingerprint) -> Fingerprint:
    """What makes an operation: not bytecode."""
    return {path: seen for path, seen in tree.items() if b"__pycache__" not in path.split(b"/")}


def _difference(found: Fingerprint, expected: Fingerprint) -> str:
    paths = sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
    return "\n".join(f"{path!r}: {found.get(path)} instead of {expected.get(path)}" for path in paths[:6])


ACTIONS: dict[str, Callable[[World, int], None]] = {
    name: getattr(World, name)
    for name in (
        "edit", "truncate", "replace", "rewrite_bytecode", "delete", "create", "chmod", "touch", "retarget",
        "write_data", "remove_all", "install", "uninstall", "fail", "undo", "redo", "restore", "clean", "snapshot",
        "forget_snapshot", "gc", "crash",
    )
}  # fmt: skip
LIKELY = {"undo": 5, "redo": 4, "install": 3, "restore": 2, "crash": 2}
"""How many times as often as the others."""
