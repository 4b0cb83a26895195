"""The reserve: a little space held back, so that undo works when the disk is full."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest
from specimens import worlds

from store import reserve


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def held(world):
    directory = world.store.root + b"/reserve"
    return [os.stat(os.path.join(directory, name)).st_size for name in os.listdir(directory)]


def space(monkeypatch, blocks, inodes):
    """A filesystem with so much left."""
    found = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_files=1000, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda path: found)


def test_the_reserve_is_held_and_completed(world):
    """It has all its blocks, is made once, and what is missing of it is added."""
    for _ in range(2):
        reserve.hold(world.store)
        assert held(world) == [reserve.SIZE] * reserve.FILES
    os.unlink(world.store.root + b"/reserve/%d" % (reserve.FILES - 1))
    reserve.hold(world.store)
    assert held(world) == [reserve.SIZE] * reserve.FILES


@pytest.mark.parametrize(("blocks", "inodes", "left"), [(10**6, 10**6, 16), (0, 10**6, 0), (10**6, 3, 0)])
def test_it_is_given_back_only_when_the_disk_is_full(world, monkeypatch, blocks, inodes, left):
    """Too few blocks or too few inodes: then its space is there for undo."""
    reserve.hold(world.store)
    space(monkeypatch, blocks, inodes)
    reserve.release_if_full(world.store)
    assert len(held(world)) == left


def test_no_reserve_to_give_back(world, monkeypatch):
    """A store without one is as it is."""
    space(monkeypatch, 0, 0)
    reserve.release_if_full(world.store)
    assert not os.path.exists(world.store.root + b"/reserve")


def test_a_full_disk_holds_nothing_back(world, monkeypatch):
    """Holding space back is no reason to fail; another error is told."""

    def fail(number):
        def write(fd, content):
            raise OSError(number, "no")

        return write

    monkeypatch.setattr(os, "write", fail(errno.ENOSPC))
    reserve.hold(world.store)
    monkeypatch.setattr(os, "write", fail(errno.EIO))
    with pytest.raises(OSError):
        reserve.hold(world.store)
