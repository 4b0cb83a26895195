"""status: what is where, told without the lock, and told even where much is broken."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import pytest
from recorded import Environment

from store import usage
from store.lock import Lock
from sysvenv.errors import SysvenvError
from sysvenv.history import History
from sysvenv.home import Home
from sysvenv.operations import label, rewind
from sysvenv.operations.findings import Status
from sysvenv.operations.purge import empty_trash
from sysvenv.operations.results import FileCounts
from sysvenv.operations.status import status

pytest_plugins = ["homes"]


def look(environment: Environment, check: bool = False) -> Status:
    return status(environment.context, f"{environment.bin}:/usr/bin", check)


@pytest.mark.parametrize("check", [False, True])
def test_a_healthy_home(upgraded: Environment, check: bool) -> None:
    """Everything is counted; nothing is written but what the counting came to."""
    before = times(upgraded)
    found = look(upgraded, check)
    assert (found.venv_present, found.python_present, found.path_problem) == (True, True, "")
    assert found.pip and found.distributions >= 2 and found.requested >= 1
    assert (found.operation, found.operations, found.undone, found.snapshots) == (2, 3, 0, 1)
    assert (found.unrecorded, found.changed, found.checked) == ("none", (), check)
    assert (found.busy, found.pending, found.suggestion, found.notes) == ("", None, "", ())
    assert found.venv_bytes > 1_000_000 and 10_000 < found.store_bytes < found.venv_bytes * 2
    assert before == times(upgraded)


def times(environment: Environment) -> dict[Path, int]:
    """When each file of a home was written, but for what is derived by status."""
    usage = Path(environment.home.store, "usage.json")
    places = set(Path(environment.home.root).rglob("*")) - {usage, usage.parent}
    return {place: place.lstat().st_mtime_ns for place in places}


def test_the_space_is_told_from_memory_until_something_comes_or_goes(
    upgraded: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for every inode takes long, so it is done once a change; where that cannot be kept, each time."""
    time.sleep(0.05)  # what changed a moment ago may change again unseen
    counted: list[int] = []
    beyond = usage._beyond
    monkeypatch.setattr(usage, "_beyond", lambda *arguments: counted.append(1) or beyond(*arguments))
    assert look(upgraded) == look(upgraded)
    assert len(counted) == 1
    rewind.undo(upgraded.context)
    time.sleep(0.05)
    smaller = look(upgraded).store_bytes
    assert smaller == look(upgraded).store_bytes
    assert len(counted) == 2
    Path(upgraded.home.store, "usage.json").write_text("{}")
    monkeypatch.setattr(usage.disk, "write_beside", failing)
    assert smaller == look(upgraded).store_bytes == look(upgraded).store_bytes
    assert len(counted) == 4


def failing(*arguments: object, **options: object) -> None:
    raise OSError(30, "Read-only file system")


def test_store_bytes_are_what_goes_with_the_store(upgraded: Environment) -> None:
    """The estimate agrees with a walk over everything: blocks of inodes the live tree does not hold."""
    rewind.undo(upgraded.context)  # now there is a spare tree too
    live = {path.lstat().st_ino for path in upgraded.venv.rglob("*")}
    rest = {path.lstat().st_ino: path.lstat().st_blocks * 512 for path in Path(upgraded.home.store).rglob("*")}
    walked = sum(blocks for inode, blocks in rest.items() if inode not in live)
    assert walked == pytest.approx(look(upgraded).store_bytes, rel=0.02)


def test_changes_without_pip(upgraded: Environment) -> None:
    """Directory times tell of files that come and go; an edit in place needs --check."""
    upgraded.pip("install", "other")  # a copied home has no index until something is recorded
    with open(upgraded.site / "demo/__init__.py", "a") as file:
        file.write("#\n")
    assert look(upgraded).unrecorded == "none"
    assert look(upgraded, check=True).changed_files == FileCounts(0, 0, 1)
    upgraded.bare_pip("uninstall", "-y", "demo")
    found = look(upgraded)
    assert (found.unrecorded, found.changed_files.added) == ("yes", 0)
    assert [tuple(change) for change in found.changed] == [("demo", "2.0", None)]
    assert found.distributions == look(upgraded, check=True).distributions


def test_the_environment_is_gone(upgraded: Environment) -> None:
    """A removed venv is one big unrecorded change."""
    shutil.rmtree(upgraded.venv)
    for check in (False, True):
        found = look(upgraded, check)
        assert (found.venv_present, found.unrecorded, found.distributions, found.pip) == (False, "yes", 0, None)
        assert found.changed_files.removed > 100 and found.python


def test_the_base_python_is_gone(upgraded: Environment) -> None:
    """The venv's python leads nowhere: said, with the version it had."""
    (leading_out,) = [p for p in (upgraded.venv / "bin").iterdir() if p.is_symlink() and os.readlink(p)[0] == "/"]
    leading_out.unlink()
    leading_out.symlink_to("/no/longer/there/python3")
    found = look(upgraded)
    assert not found.python_present and found.python.startswith("3.")


def test_while_pip_is_at_work(upgraded: Environment) -> None:
    """The holder of the lock is named, nobody is waited for, a change is only a maybe."""
    lock = Lock(os.fsencode(upgraded.home.lock), "pip install other")
    with lock:
        upgraded.bare_pip("install", "other")
        found = look(upgraded, check=True)
        assert str(os.getpid()) in found.busy and "pip install other" in found.busy
        assert found.unrecorded == "maybe"
        os.truncate(upgraded.home.lock, 0)
        assert look(upgraded).busy
    assert look(upgraded).busy == ""


def test_an_interrupted_operation(upgraded: Environment) -> None:
    """An operation without an end is named; undone ones are counted."""
    from sysvenv.operations.record import Command, begin

    rewind.undo(upgraded.context)
    assert look(upgraded).undone == 1
    begin(upgraded.context, None, Command(["python", "-m", "pip", "install", "x"], "/", 1), {}).session.leave()
    assert look(upgraded).pending == 3


def test_damaged_history(upgraded: Environment) -> None:
    """Damaged records are told as notes; the rest of status stands."""
    head = Path(upgraded.home.head).read_bytes()
    Path(upgraded.home.head).write_bytes(b"{")
    found = look(upgraded)
    assert found.operation == 2 and "HEAD" in found.notes[0] and found.unrecorded == "none"
    Path(upgraded.home.head).unlink()
    assert look(upgraded).operation == 2
    Path(upgraded.home.head).write_bytes(head)
    Path(upgraded.home.history, "002_before.json").write_bytes(b"\xff")
    found = look(upgraded)
    assert any("002_before" in note for note in found.notes)
    Path(upgraded.home.history, "002_after.json").unlink()
    assert any("002_before" in note for note in look(upgraded).notes)
    Path(upgraded.home.snapshots, "baseline.json").write_text("[]")
    assert look(upgraded).pip


def test_head_of_an_undone_home_is_concluded_from_the_tree(upgraded: Environment) -> None:
    """After an undo the live tree's own marker tells where we are, until a newer operation ends."""
    rewind.undo(upgraded.context)
    Path(upgraded.home.head).unlink()
    found = look(upgraded)
    assert (found.operation, found.undone, found.unrecorded) == (1, 1, "none")


def test_damaged_store(upgraded: Environment) -> None:
    """Without manifests there is still the live tree to tell of."""
    for place in ("manifests", "segments", "index"):
        shutil.rmtree(Path(upgraded.home.store, place))
        Path(upgraded.home.store, place).mkdir()
    found = look(upgraded, check=True)
    assert found.unrecorded == "maybe" and found.pip and found.distributions >= 2 and found.notes


def test_a_snapshot_is_suggested_when_the_set_is_stable(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three operations since the last snapshot and an hour of quiet; a snapshot ends it."""
    upgraded.pip("install", "other")
    assert look(upgraded).suggestion == ""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    assert "sysvenv snapshot" in look(upgraded).suggestion
    label.snapshot(upgraded.context, "stable")
    assert look(upgraded).suggestion == ""


def test_path(upgraded: Environment, tmp_path: Path) -> None:
    """Whether pip typed in this shell means the environment's, and what comes before it."""
    assert "not on PATH" in status(upgraded.context, "/nowhere", False).path_problem
    shadow = tmp_path / "shadow/pip"
    shadow.parent.mkdir()
    shadow.write_text("")
    shadow.chmod(0o755)
    assert str(shadow) in status(upgraded.context, f"{shadow.parent}:{upgraded.bin}", False).path_problem


def test_no_home(upgraded: Environment, tmp_path: Path) -> None:
    """Where nothing was set up, one sentence and what to type."""
    with pytest.raises(SysvenvError) as caught:
        status(upgraded.context._replace(home=Home.at(str(tmp_path / "no"))), "", False)
    assert "sysvenv init" in caught.value.hint


def test_trash_is_emptied_behind_our_back(upgraded: Environment) -> None:
    """The purge returns at once, holds no lock, and the trash is gone soon after; without trash nothing starts."""
    assert not empty_trash(upgraded.home)
    deep = Path(upgraded.home.store, "trash/x/y")
    deep.mkdir(parents=True)
    (deep / "file").write_text("old")
    deep.chmod(0o500)
    with open(upgraded.home.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert empty_trash(upgraded.home)
    with open(upgraded.home.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    until = time.monotonic() + 20
    while deep.parent.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not deep.parent.exists()
    assert not empty_trash(Home.at(str(deep)))
    assert History(upgraded.home).numbers() == [0, 1, 2]
