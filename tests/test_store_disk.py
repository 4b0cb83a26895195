"""The system calls: whole or not at all, and honest about what the filesystem cannot do."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys

import pytest

from store import areas, disk, errors
from store import store as stores
from store.errors import StoreError


def place(tmp_path, name="file"):
    return os.fsencode(tmp_path / name)


def test_a_link_never_replaces_anything(tmp_path):
    """link is told when something is there, and does not follow symlinks."""
    (tmp_path / "file").touch()
    os.symlink("nowhere", tmp_path / "dangling")
    with pytest.raises(FileExistsError):
        disk.link(place(tmp_path), place(tmp_path, "dangling"))
    disk.link(place(tmp_path, "dangling"), place(tmp_path, "again"))
    assert os.readlink(tmp_path / "again") == "nowhere"


def test_exchange_swaps_two_trees(tmp_path):
    """Both names change places in one step; a missing one is an error, not False."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert disk.exchange(place(tmp_path, "one"), place(tmp_path, "two"))
    assert os.listdir(tmp_path / "one") == ["two"]
    with pytest.raises(FileNotFoundError):
        disk.exchange(place(tmp_path, "one"), place(tmp_path, "three"))


@pytest.mark.parametrize("number", sorted(disk.NO_EXCHANGE))
def test_a_kernel_or_filesystem_without_exchange_is_told(tmp_path, monkeypatch, number):
    """Where the call is refused, the answer is False and two renames take its place."""

    class Refusing:
        def __init__(self, *_, **__):
            self.renameat2 = self.renamex_np = lambda *_: -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)
    monkeypatch.setattr(ctypes, "get_errno", lambda: number)
    assert not disk.exchange(place(tmp_path, "one"), place(tmp_path, "two"))


def test_a_libc_without_the_calls(tmp_path, monkeypatch):
    """musl before 1.2 has no renameat2, macOS no syncfs: both are done without."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    synced = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(1))
    assert not disk.exchange(place(tmp_path, "one"), place(tmp_path, "two"))
    disk.sync_filesystem(place(tmp_path, "."))
    assert synced == [1]


def test_on_macos_the_call_has_another_name(tmp_path, monkeypatch):
    """renamex_np takes two paths and the flag."""
    calls = []

    class Libc:
        def __init__(self, *_, **__):
            self.renamex_np = lambda *arguments: calls.append(arguments) or 0

    monkeypatch.setattr(ctypes, "CDLL", Libc)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert disk.exchange(b"one", b"two")
    assert calls == [(b"one", b"two", 2)]
    assert not disk.reflink(0, 0)


def test_a_failing_syncfs_is_an_error(tmp_path, monkeypatch):
    """After a failed flush nothing is believed to be durable."""

    class Failing:
        def __init__(self, *_, **__):
            self.syncfs = lambda _: -1

    disk.sync_filesystem(place(tmp_path, "."))
    monkeypatch.setattr(ctypes, "CDLL", Failing)
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.sync_filesystem(place(tmp_path, "."))


def test_reflink_says_whether_it_worked(monkeypatch):
    """A filesystem that cannot says False; a full one is an error."""

    def fail(number):
        def ioctl(*_):
            raise OSError(number, os.strerror(number))

        return ioctl

    monkeypatch.setattr(fcntl, "ioctl", lambda *_: 0)
    assert disk.reflink(0, 0)
    monkeypatch.setattr(fcntl, "ioctl", fail(errno.EOPNOTSUPP))
    assert not disk.reflink(0, 0)
    monkeypatch.setattr(fcntl, "ioctl", fail(errno.ENOSPC))
    with pytest.raises(OSError):
        disk.reflink(0, 0)


def test_short_writes_are_continued(tmp_path, monkeypatch):
    """write(2) may always write less than it was given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: real(fd, view[:3]))
    disk.write_durably(place(tmp_path), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    """A full disk leaves what was there, and no temporary file."""
    (tmp_path / "file").write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="full"):
        disk.write_durably(place(tmp_path), b"new")
    monkeypatch.undo()
    assert [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()] == [b"old"]


def test_the_barrier_flushes_files_and_names(tmp_path, monkeypatch):
    """Few files are flushed each, with their directories; many by one call, and some where nobody else waits."""
    synced, waiting = [], 1000
    monkeypatch.setattr(disk, "read", lambda path: b"MemFree: 1 kB\nDirty: %d kB\nWriteback: 4 kB\n" % waiting)
    monkeypatch.setattr(disk, "sync_file", lambda path, flags=0: synced.append(os.path.basename(path)))
    monkeypatch.setattr(disk, "sync_filesystem", lambda path: synced.append(b"everything"))
    disk.barrier(place(tmp_path, "."), [b"/x/a", b"/x/b", b"/y/c"])
    assert synced == [b"a", b"b", b"c", b"x", b"y"]
    synced.clear()
    some, many = ([b"/x/%d" % number for number in range(count + 1)] for count in (disk.FEW_FILES, disk.MANY_FILES))
    disk.barrier(place(tmp_path, "."), some)
    assert synced == [b"everything"]
    disk.barrier(place(tmp_path, "."), [])
    assert synced == [b"everything"]
    waiting = 64 << 10
    disk.barrier(place(tmp_path, "."), some)
    assert synced == [b"everything", *map(os.path.basename, some), b"x"]
    synced.clear()
    disk.barrier(place(tmp_path, "."), many)
    assert synced == [b"everything"]


def test_discard_and_read(tmp_path):
    """What is gone already need not be removed; what is there is read whole."""
    (tmp_path / "file").write_bytes(b"abc")
    assert disk.read(place(tmp_path)) == b"abc"
    disk.discard(place(tmp_path))
    disk.discard(place(tmp_path))
    assert not (tmp_path / "file").exists()


def test_a_store_is_made_once_and_completed(tmp_path):
    """create can be cut off and run again; an existing store keeps what is in it."""
    root = place(tmp_path, "store")
    stores.create(root)
    (tmp_path / "store/objects/x").touch()
    os.rmdir(tmp_path / "store/trash")
    stores.create(root)
    assert (tmp_path / "store/objects/x").exists()
    assert sorted(os.listdir(root)) == sorted([*stores.SHARED, *areas.OWN, b"VERSION"])
    assert stores.open_store(root, guard_text_only=True).guard_text_only


def test_a_store_that_is_missing_or_newer_is_refused(tmp_path):
    """An unknown version names the likely cause; no store says how to get one."""
    root = place(tmp_path, "store")
    with pytest.raises(StoreError, match="no store") as caught:
        stores.open_store(root)
    assert "sysvenv init" in caught.value.hint
    stores.create(root)
    (tmp_path / "store/VERSION").write_bytes(b"sysvenv store 2\n")
    with pytest.raises(StoreError, match="says b'sysvenv store 2") as caught:
        stores.open_store(root)
    assert "newer" in caught.value.hint


def test_every_error_has_a_sentence_a_hint_and_a_code():
    """One family, few exit codes: 4 for damage, 5 for busy, 1 for the rest."""
    codes = {kind: kind.exit_code for kind in (errors.StoreError, *errors.StoreError.__subclasses__())}
    assert {kind.__name__: code for kind, code in codes.items()} == {
        "StoreError": 1,
        "Damaged": 4,
        "Busy": 5,
        "Changed": 1,
        "Unsupported": 1,
        "Lower": 1,
        "Refused": 1,
    }
    for kind in codes:
        error = kind("It broke.", "Mend it.")
        assert (str(error), error.message, error.hint) == ("It broke.", "It broke.", "Mend it.")
