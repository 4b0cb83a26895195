"""Leaks: an edit in place reaches every environment that has the file; where it was found first, it is recorded, and
the others get the original back."""

from __future__ import annotations

import os

from store import capture, disk, trees
from store.errors import Busy, StoreError
from store.index import Index
from store.lock import Lock
from store.store import Store
from store.tree import Entry
from sysvenv import storage, tracked
from sysvenv.errors import SysvenvError
from sysvenv.home import Home


def mend(home: Home, edited: dict[int, Entry]) -> None:
    """Put back, in the other environments that share the store, what was found edited and is rebuilt now.

    One that is at work, or cannot be read, is passed over: it finds the edit by itself, as a change made without pip.
    """
    try:
        others = list(tracked.sharing(home))
    except SysvenvError:
        return
    for other in others:
        try:
            with Lock(os.fsencode(other.lock), "sysvenv, mending a shared file", wait=False):
                _mend_one(other, edited)
        except (Busy, StoreError, OSError):
            continue


def _mend_one(home: Home, edited: dict[int, Entry]) -> None:
    store, live = storage.opened(home), os.fsencode(home.venv)
    marker = trees.read_marker(live)
    index = trees.load_index(store, marker.checkout) if marker is not None else None
    if marker is None or index is None:
        return
    now: dict[bytes, int | None] = {}
    for path, entry in capture.entries(store, index, _holding(index, edited)).items():
        place = os.path.join(live, path)
        found = os.lstat(place).st_ino
        if found in edited and edited[found].object_name == entry.object_name:
            now[path] = _put_back(store, place, entry)
    if now:
        blocks = {name: block.amended(now) for name, block in index.blocks.items()}
        trees.save_index(store, marker.checkout, index.replace(blocks=blocks))


def _holding(index: Index, inodes: dict[int, Entry]) -> list[bytes]:
    return [
        path
        for block in index.blocks.values()
        if not inodes.keys().isdisjoint(block.columns[0])
        for path, ino in zip(block.paths, block.columns[0], strict=True)
        if ino in inodes
    ]


def _put_back(store: Store, place: bytes, entry: Entry) -> int:
    """Give a path of a live tree the object again, in one step; its directory keeps its mtime."""
    directory = os.path.dirname(place)
    mtime = os.lstat(directory).st_mtime_ns
    temporary = os.path.join(store.area, b"%d.tmp" % os.getpid())
    disk.discard(temporary)
    store.objects.link_out(entry, temporary)
    os.rename(temporary, place)
    os.utime(directory, ns=(mtime, mtime))
    return os.lstat(place).st_ino
