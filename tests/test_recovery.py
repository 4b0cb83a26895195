"""Recovery: what a kill at one certain instant leaves, and what the next command makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fingerprint import fingerprint
from tiny import ONE, PIP, TWO, Tiny

from store import disk
from sysvenv import history
from sysvenv.errors import NotFound
from sysvenv.history import History, read_head
from sysvenv.operations import keep, label, recover, rewind


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """@1 has demo 1, @2 has demo 2."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(disk, "sync_filesystem", lambda path: None)
    made = Tiny(tmp_path / "packages")
    made.begin()
    made.pip("1.0", ONE)
    made.pip("2.0", TWO)
    return made


class Cut(Exception):
    """Here the process was killed."""


def cut(*_: object, **__: object) -> None:
    raise Cut


def notes(home: Tiny) -> list[str]:
    """What the next command says it has put right."""
    with recover.enter(home.context, "next") as session:
        return session.notes


def test_recorded_but_for_head(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is whole and HEAD is old: the operation is the one that was typed, not one more without a command."""
    two = fingerprint(home.venv)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(history, "write_head", cut)
        home.pip("1.0", ONE)
    assert read_head(home.home).operation == 2
    assert notes(home) == ["Finished recording @3 (pip install demo), which was interrupted."]
    assert notes(home) == []
    assert read_head(home.home).operation == 3
    rewind.undo(home.context)
    assert fingerprint(home.venv) == two
    assert History(home.home).numbers() == [0, 1, 2, 3]


def test_what_was_undone_is_not_taken_for_that(home: Tiny) -> None:
    """After undo the newest record is ahead of HEAD too, and means the opposite."""
    rewind.undo(home.context)
    assert notes(home) == []
    assert read_head(home.home).operation == 1
    rewind.redo(home.context)
    assert read_head(home.home).operation == 2


def test_a_restore_that_did_not_come_to_pass_bars_no_redo(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the swap, it has left its first record only."""
    two = fingerprint(home.venv)
    rewind.undo(home.context)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(rewind.swap, "go_live", cut)
        rewind.restore(home.context, "@0")
    assert History(home.home).pending().kind == history.RESTORE
    rewind.redo(home.context)
    assert fingerprint(home.venv) == two
    assert History(home.home).numbers() == [0, 1, 2]


def test_an_interrupted_pip_is_told(home: Tiny) -> None:
    """It has no end: the next operation records what it did, and says so; redo is refused until then."""
    rewind.undo(home.context)
    one = fingerprint(home.venv)
    recorded = keep.new_operation
    with recover.enter(home.context, "pip") as session:
        session.history.begin(recorded(session, history.PIP, PIP.argv, PIP.pid))
    home.install("2.0", TWO)
    with pytest.raises(NotFound, match="was changed since the undo"):
        rewind.redo(home.context)
    label.snapshot(home.context, "broken")
    assert History(home.home).read(3).status == history.INTERRUPTED
    rewind.undo(home.context)
    assert fingerprint(home.venv) == one


@pytest.mark.parametrize("change", ["made", "removed", "mode"])
def test_a_directory_alone_is_taken_back(home: Tiny, change: str) -> None:
    """An empty directory or a mode is a change like others: undo takes it back, and then goes on."""
    rewind.restore(home.context, "@1")
    at = read_head(home.home).operation
    empty = home.root / "venv/lib/empty"
    if change != "made":
        empty.mkdir()
        label.snapshot(home.context, "with-it")
        at = read_head(home.home).operation
    before = fingerprint(home.venv)
    if change == "made":
        empty.mkdir()
    elif change == "removed":
        empty.rmdir()
    else:
        empty.chmod(0o700)
    assert not rewind.undo(home.context).unchanged
    assert fingerprint(home.venv) == before
    assert read_head(home.home).operation == at
    rewind.redo(home.context)
    assert fingerprint(home.venv) != before
    rewind.undo(home.context)
    assert fingerprint(home.venv) == before
