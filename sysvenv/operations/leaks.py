"""Leaks: an edit in place reaches every environment that has the file; where it was found first, it is recorded, and
the others get the original back."""

from __future__ import annotations

import os

from store import capture, disk, trees
from store.errors import Busy, StoreError
from store.lock import Lock
from store.tree import Entry
from sysvenv import tracked
from sysvenv.errors import SysvenvError
from sysvenv.headstart import NONE
from sysvenv.home import Home
from sysvenv.operations import look
from sysvenv.operations.session import Session


def mend(session: Session) -> None:
    """Put back, in the other environments that share the store, what this session found edited and rebuilt.

    One that is at work, or cannot be read, is passed over: it finds the edit by itself, as a change made without pip.
    """
    edited = session.store.healed
    for home in tracked.sharing(session.home):
        try:
            with Lock(os.fsencode(home.lock), "sysvenv, mending a shared file", wait=False):
                _mend_one(session, home, edited)
        except (Busy, SysvenvError, StoreError, OSError):
            continue


def _mend_one(session: Session, home: Home, edited: dict[int, Entry]) -> None:
    other = look.glance(session.context._replace(home=home, ahead=NONE))
    inodes = edited.keys()
    held = [
        path
        for block in other.index.blocks.values()
        if not inodes.isdisjoint(block.columns[0])
        for path, ino in zip(block.paths, block.columns[0], strict=True)
        if ino in inodes
    ]
    now: dict[bytes, int | None] = {}
    for path, entry in capture.entries(other.store, other.index, held).items():
        place = os.path.join(other.live, path)
        found = os.lstat(place).st_ino
        if found in edited and edited[found].object_name == entry.object_name:
            now[path] = _put_back(other, place, entry)
    if now:
        blocks = {name: block.amended(now) for name, block in other.index.blocks.items()}
        trees.save_index(other.store, other.name, other.index.replace(blocks=blocks))


def _put_back(other: Session, place: bytes, entry: Entry) -> int:
    """Give a path of a live tree the object again, in one step; its directory keeps its mtime."""
    directory = os.path.dirname(place)
    mtime = os.lstat(directory).st_mtime_ns
    temporary = os.path.join(other.store.area, b"%d.tmp" % os.getpid())
    disk.discard(temporary)
    other.store.objects.link_out(entry, temporary)
    os.rename(temporary, place)
    os.utime(directory, ns=(mtime, mtime))
    return os.lstat(place).st_ino
