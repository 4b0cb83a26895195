"""Locks: one holder, who is named, and who keeps the lock as long as anybody has the open file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re

import pytest

from store import lock
from store.errors import Busy, Damaged
from store.lock import Holder, Lock


@pytest.fixture
def path(tmp_path):
    return os.fsencode(tmp_path / "lock")


def test_only_one_holds_it(path):
    """The second is told who the first is, and gets the lock once it is free."""
    with Lock(path, "pip install six"):
        assert not lock.is_free(path)
        assert lock.read_holder(path).command == "pip install six"
        with pytest.raises(Busy, match=re.escape(f"Process {os.getpid()} (pip install six)")) as caught:
            Lock(path, "sysvenv undo", wait=False).acquire()
        assert "--no-wait" in caught.value.hint
    assert lock.is_free(path)
    Lock(path, "sysvenv undo", wait=False).acquire()


def test_waiting_is_told(path, monkeypatch):
    """Who waits hears whom they wait for: at once, again after a while, and when it is another; then has the lock."""
    told, slept, now = [], [], [100.0]
    first = Lock(path, "pip")
    first.acquire()

    def sleep(seconds):
        slept.append(seconds)
        now[0] += lock.REMIND / 2
        if len(slept) == 3:  # another has taken it, before us
            with open(path, "w") as file:
                json.dump({"pid": 7, "command": "uv", "since": 5.0}, file)
        if len(slept) == 5:
            first.release()

    monkeypatch.setattr(lock.time, "sleep", sleep)
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])
    with Lock(path, "sysvenv undo", on_wait=lambda holder, waited: told.append((holder.command, waited))):
        assert told == [("pip", 0.0), ("pip", lock.REMIND), ("uv", 1.5 * lock.REMIND)]
    with Lock(path, "quiet"):
        pass


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux tells who locked a file")
def test_a_lock_that_nobody_signed_is_told_by_the_kernel(path):
    """uv signs nothing, and a pip that has only just begun has not signed yet: it has a name all the same."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=re.escape(f"Process {os.getpid()} (")) as caught:
            Lock(path, "sysvenv undo", wait=False, sign=False).acquire()
        assert "is at work" in caught.value.message


def test_an_inherited_lock_lasts_until_everybody_let_go(path):
    """pip inherits the open file: if the supervisor is killed, the lock lasts until pip ends."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    held = Lock(path, "supervisor", fd=fd)
    held.acquire()
    held.release()
    assert not lock.is_free(path)
    with Lock(path, "supervisor again", fd=fd):
        pass
    os.close(fd)
    assert lock.is_free(path)


def test_the_file_is_never_unlinked_and_signed_anew(path):
    """A long name of a former holder leaves no rest."""
    with Lock(path, "x" * 500):
        pass
    inode = os.stat(path).st_ino
    with Lock(path, "y"):
        assert lock.read_holder(path).command == "y"
    assert os.stat(path).st_ino == inode


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_or_failing_disk_does_not_stop_a_lock(path, monkeypatch, number):
    """Who holds it cannot be written down then; it is held all the same."""

    def pwrite(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with lock.Lock(path, "first"):
        assert not lock.is_free(path)
    assert lock.is_free(path)


def test_an_error_on_the_way_lets_go(path, monkeypatch):
    """Else the next try of this very process would wait for it for ever."""

    def interrupted(_self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lock.Lock, "_sign", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lock.Lock(path, "first").acquire()
    with lock.Lock(path, "second", wait=False):
        assert not lock.is_free(path)


def test_a_filesystem_without_locks_is_an_error(path, monkeypatch):
    """ENOLCK is not taken for busy."""

    def flock(fd, operation):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="no locks"):
        Lock(path, "undo").acquire()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b'{"pid": "x", "command": "", "since": 0}'])
def test_an_unreadable_signature_is_nobody(path, content):
    """Whatever stands in the file, reading it is no error."""
    with open(path, "wb") as file:
        file.write(content)
    assert lock.read_holder(path) is None
    assert lock.is_free(path)


def test_no_file_is_no_holder(path):
    """Before the first holder there is none."""
    assert lock.read_holder(path) is None
    assert lock.is_free(path)
    with open(path, "w") as file:
        json.dump({"pid": 7, "command": "pip", "since": 5.0}, file)
    assert lock.read_holder(path) == Holder(7, "pip", 5.0)


def test_a_link_in_the_lock_s_place_is_not_followed(path, tmp_path):
    """Nobody makes us write into another file."""
    (tmp_path / "victim").write_text("mine")
    os.symlink(tmp_path / "victim", path)
    with pytest.raises(Damaged):
        Lock(path, "undo").acquire()
    assert (tmp_path / "victim").read_text() == "mine"
