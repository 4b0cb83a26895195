"""Recovery: what a kill at one certain instant leaves, and what the next command makes of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fingerprint import fingerprint
from tiny import ONE, PIP, TWO, Tiny, begun

from store import disk, objects
from store import store as stores
from store.verify import PRISTINE, verify
from sysvenv import history
from sysvenv.errors import NotFound
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import collect, keep, label, recover, rewind, session
from sysvenv.retention import Limits


@pytest.fixture
def home(tmp_path: Path, unflushed: None) -> Tiny:
    """@1 has demo 1, @2 has demo 2."""
    return begun(tmp_path / "packages", 2)


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
        patch.setattr(session, "write_head", cut)
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


def test_what_a_power_cut_left_of_a_pip_is_found_without_the_times_of_directories(home: Tiny) -> None:
    """btrfs brings the name of an fsynced file through a power cut, and not the new mtime of its directory."""
    two = fingerprint(home.venv)
    with recover.enter(home.context, "pip") as session:
        session.audit()
        session.history.begin(keep.new_operation(session, history.PIP, PIP.argv, PIP.pid))
        before = os.stat(home.site).st_mtime_ns
    (home.site / "came.py").write_text("came = 1\n")
    os.utime(home.site, ns=(before, before))
    rewind.undo(home.context)
    assert fingerprint(home.venv) == two
    assert read_head(home.home).operation == 2


def test_an_archive_that_a_power_cut_emptied_is_written_anew(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its name and no bytes. As long as no state names it, that is no damage; and nobody takes it for whole."""
    store = stores.open_store(os.fsencode(home.home.store))
    monkeypatch.setattr(store.pristine, "reflink", lambda content, source: False)
    place = store.pristine.archive_path("0" * 32)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    open(place, "wb").close()
    assert [fault for fault in verify(store, []).faults if fault.subject == PRISTINE] == []
    file = os.fsencode(home.site / "by_hand.py")
    entry, _, content = objects.read(file)
    for _ in range(2):  # and what is whole stays as it is
        with store.pristine.archive(text_only=False) as archive:
            archive.add(entry, file, content)
            archive.finish("0" * 32)
        assert store.pristine.is_whole(place)


def test_empty_files_are_made_durable_too(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """No object holds them, so they are synced where they are, before the state is called recorded."""
    synced: list[bytes] = []
    monkeypatch.setattr(disk, "sync_file", lambda path, flags=0: synced.append(path))
    (home.site / "py.py").touch()
    label.snapshot(home.context, "with-it")
    assert os.fsencode(home.site / "py.py") in synced
    assert os.fsencode(home.site) in synced


def test_what_is_made_where_the_environment_was_gone_is_seen(home: Tiny) -> None:
    """`rm -rf venv`, recorded so; then files by hand: undo takes just these back, redo brings them."""
    shutil.rmtree(home.venv)
    label.snapshot(home.context, "gone")
    home.site.mkdir(parents=True)
    (home.site / "mine.py").write_text("mine = 1\n")
    made = fingerprint(home.venv)
    undone = rewind.undo(home.context)
    assert [step.kind for step in undone.steps] == [history.EXTERNAL]
    assert not (home.site / "mine.py").exists()
    rewind.redo(home.context)
    assert {path: seen for path, seen in fingerprint(home.venv).items() if seen[0] == "file"} == {
        path: seen for path, seen in made.items() if seen[0] == "file"
    }


def test_what_gc_pruned_is_gone_although_a_kill_left_its_records(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement counts: undo and restore end where history does."""
    home.pip("1.0", ONE)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(disk, "discard", cut)
        collect.collect(home.context, Limits(entries=1))
    assert History(home.home).numbers() == [3]
    rewind.undo(home.context)
    for attempt in (rewind.undo, lambda context: rewind.restore(context, "@1")):
        with pytest.raises(NotFound, match="pruned by gc"):
            attempt(home.context)
