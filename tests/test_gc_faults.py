"""Faults of gc: whichever call fails or is the last before a kill, all that stays is whole, and the next gc ends it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fingerprint import Fingerprint, fingerprint
from test_faults import DONE, KILLED, SURPRISED, TOLD, Faults, chosen, run
from tiny import ONE, TWO, Tiny

from sysvenv.history import History
from sysvenv.operations import collect, label, recover, rewind, space
from sysvenv.operations.verify import verify
from sysvenv.retention import Limits

pytestmark = pytest.mark.usefixtures("unflushed")
KEPT = [3, 4]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Five operations, a snapshot of @2, and a tree that stands ready in a state that will go."""
    home = Tiny(tmp_path_factory.mktemp("start") / "home")
    home.begin()
    home.pip("1.0", ONE)
    home.pip("2.0", TWO)
    label.snapshot(home.context, "two")
    home.pip("3.0", {**TWO, "demo/three.py": "three = 3\n"})
    home.pip("4.0", {**ONE, "demo/four.py": "four = 4\n"})
    rewind.undo(home.context, to=1)
    rewind.redo(home.context, 3)
    return home


def prune(home: Tiny, _: Faults) -> None:
    collect.collect(home.context, Limits(entries=len(KEPT)))


def check(home: Tiny, live: Fingerprint, states: dict[str, Fingerprint]) -> None:
    recover.enter(home.context, "check").leave()
    assert fingerprint(home.venv) == live
    assert not verify(home.context).damaged
    left = History(home.home).numbers()
    assert left in (KEPT, [0, 1, 2, *KEPT])
    prune(home, Faults("none", 0))
    assert History(home.home).numbers() == KEPT
    assert not [f for f in verify(home.context).findings if f.severity == "error"]
    assert space.measure(home.context).unclaimed == 0
    for name, state in states.items():
        rewind.restore(home.context, name)
        assert fingerprint(home.venv) == state
        rewind.undo(home.context)
        assert fingerprint(home.venv) == live
    rewind.undo(home.context, len(KEPT))
    rewind.redo(home.context, len(KEPT))
    assert fingerprint(home.venv) == live


@pytest.mark.parametrize("kind", ["kill", "bad disk", "full disk"])
def test_gc_may_end_anywhere(start: Tiny, tmp_path: Path, pytestconfig: pytest.Config, kind: str) -> None:
    """Killed before a call, failing at it, or the disk full from it on: a sample of the calls, or every one."""
    live = fingerprint(start.venv)
    states = {}
    copy = start.copy(tmp_path / "states")
    for name in ("two", "baseline", "@3"):
        rewind.restore(copy.context, name)
        states[name] = fingerprint(copy.venv)
    whole = start.copy(tmp_path / "whole")
    code, total = run(whole, prune, "none", 0)
    assert (code, total > 10) == (DONE, True)
    check(whole, live, states)
    outcomes = set()
    for at in chosen(total, "gc", kind, pytestconfig.getoption("--every-call")):
        broken = start.copy(tmp_path / str(at))
        code, _ = run(broken, prune, kind, at)
        assert code != SURPRISED, (kind, at)
        outcomes.add(code)
        try:
            check(broken, live, states)
        except BaseException as error:
            error.args = (f"{kind} at call {at} of {total}: {error}",)
            raise
        shutil.rmtree(broken.root, ignore_errors=True)  # its trash may be emptied at the same time
    assert outcomes & ({KILLED} if kind == "kill" else {DONE, TOLD})
