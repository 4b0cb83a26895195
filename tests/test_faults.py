"""Faults: whichever system call fails, or is the last one before a kill, the old state or the new one stands whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from effort import Effort
from fingerprint import Fingerprint, fingerprint
from injected import DONE, KILLED, SURPRISED, TOLD, Faults, Operation, run
from tiny import ONE, PIP, TWO, Tiny

from store.verify import EDITED, UNGUARDED, verify
from sysvenv import snapshots
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import bring, label, record, recover, rewind, share
from sysvenv.operations.record import Outcome

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("unflushed")]

SAMPLE = 6
"""How many of an operation's calls are tried with each fault when not all are."""


def install_two(home: Tiny, faults: Faults) -> None:
    """A recorded pip. What pip itself does is not counted; it runs whole."""
    recording = record.begin(home.context, None, PIP, {})
    recording.meanwhile()
    faults.armed = False
    home.install("2.0", TWO)
    faults.armed = True
    recording.finish(Outcome(0), None)


def edit(home: Tiny) -> None:
    """Edit in place and save anew: what snapshots share, and what they do not."""
    for name in ("demo/__init__.py", "by_hand.py"):
        with open(home.site / name, "a") as file:
            file.write("# edited\n")
    (home.site / "demo" / "by_hand.py").write_text("new\n")


OPERATIONS: dict[str, tuple[str, Operation]] = {
    "undo": ("at two", lambda home, _: rewind.undo(home.context)),
    "undo of two": ("at two", lambda home, _: rewind.undo(home.context, 2)),
    "undo of an edit": ("edited", lambda home, _: rewind.undo(home.context)),
    "redo": ("undone", lambda home, _: rewind.redo(home.context)),
    "restore": ("edited", lambda home, _: rewind.restore(home.context, "@1")),
    "snapshot": ("edited", lambda home, _: label.snapshot(home.context, "named")),
    "record": ("at one", install_two),
    "import": ("undone", lambda home, _: bring.bring(home.context, str(home.root / "two.sysvenv"), "came")),
}


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tiny]:
    """The homes operations start from: @1 has demo 1, @2 has demo 2, redo leads to @2, and @2 with edits."""
    place = tmp_path_factory.mktemp("starts")
    one = Tiny(place / "at one")
    one.begin()
    one.pip("1.0", ONE)
    two = one.copy(place / "at two")
    two.pip("2.0", TWO)
    undone = two.copy(place / "undone")
    rewind.undo(undone.context)
    share.share(undone.context, "@2", str(undone.root / "two.sysvenv"))
    edited = two.copy(place / "edited")
    edit(edited)
    return {"at one": one, "at two": two, "undone": undone, "edited": edited}


def states_of(home: Tiny, scratch: Path) -> dict[int, Fingerprint]:
    """The tree of every recorded operation, taken from a copy that was never broken."""
    copy = home.copy(scratch)
    states = {}
    for number in History(copy.home).numbers():
        rewind.restore(copy.context, f"@{number}")
        states[number] = fingerprint(copy.venv)
    shutil.rmtree(scratch)
    return states


def check_label(home: Tiny) -> None:
    """A snapshot that has a name is whole: it is restored and taken back."""
    if "came" in snapshots.names(home.home):
        found = fingerprint(home.venv)
        rewind.restore(home.context, "came")
        assert (home.site / "demo/deep/new.py").read_text() == TWO["demo/deep/new.py"]
        rewind.undo(home.context)
        assert fingerprint(home.venv) == found


def check(home: Tiny, allowed: list[Fingerprint], states: dict[int, Fingerprint]) -> None:
    """The next command recovers: a whole state stands, nothing a manifest names is damaged, undo and redo work."""
    recover.enter(home.context, "check").leave()
    found = fingerprint(home.venv)
    assert found in allowed
    assert (home.root / "venv/notes.txt").read_text() == "the user's own"
    assert not any(name.endswith(".building") for name in os.listdir(home.root / "store/trees"))
    with recover.enter(home.context, "check") as session:
        faults = [f for f in verify(session.store, []).faults if f.what not in (EDITED, UNGUARDED)]
    assert faults == []
    assert History(home.home).all()[1] == []
    if not rewind.restore(home.context, "@0").unchanged:
        assert fingerprint(home.venv) == states[0]
        rewind.undo(home.context)
    assert fingerprint(home.venv) == found
    with recover.enter(home.context, "check") as session:
        possible = session.position.operation > 0 or session.drifted(session.audit())
    if possible:
        rewind.undo(home.context)
        after = read_head(home.home).operation
        assert fingerprint(home.venv) in ([states[after]] if after in states else allowed)
        rewind.redo(home.context)
        assert fingerprint(home.venv) == found
    check_label(home)


def chosen(total: int, name: str, kind: str, every: bool) -> list[int]:
    """Which calls are tried: all, or a sample spread over the operation, another one for each kind of fault."""
    if every:
        return list(range(1, total + 1))
    step = max(total / SAMPLE, 1)
    first = 1 + len(name + kind) % max(int(step), 1)
    return sorted({int(first + step * number) for number in range(SAMPLE)} & set(range(1, total + 1)) | {total})


def try_all(starts: dict[str, Tiny], tmp_path: Path, name: str, kind: str, every: bool) -> None:
    start, operation = OPERATIONS[name]
    home = starts[start]
    states = states_of(home, tmp_path / "states")
    whole = home.copy(tmp_path / "whole")
    old = fingerprint(whole.venv)
    code, total = run(whole, operation, "none", 0)
    assert (code, total > 10) == (DONE, True)
    new = fingerprint(whole.venv)
    check(whole, [old, new], states)
    outcomes = set()
    for at in chosen(total, name, kind, every):
        broken = home.copy(tmp_path / str(at))
        code, _ = run(broken, operation, kind, at)
        assert code != SURPRISED, (name, kind, at)
        outcomes.add(code)
        try:
            check(broken, [old, new], states)
        except BaseException as error:
            error.args = (f"{name}: {kind} at call {at} of {total}: {error}",)
            raise
        shutil.rmtree(broken.root)
    assert outcomes & ({KILLED} if kind == "kill" else {DONE, TOLD})


@pytest.mark.parametrize("kind", ["kill", "bad disk", "full disk"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_leaves_the_old_state_or_the_new(
    starts: dict[str, Tiny], tmp_path: Path, effort: Effort, name: str, kind: str
) -> None:
    """Killed before a call, failing at it, or the disk full from it on: a sample of the calls, or every one."""
    try_all(starts, tmp_path, name, kind, every=not effort.calls)
