"""Capture: what drifted in a checkout, read and linked into the store."""

import os
import stat
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from store import objects
from store.errors import Damaged
from store.index import Block, Index, block
from store.scan import Drift
from store.store import Store
from store.tree import DIRECTORY, LINK, Entry, Tree

Changes = Mapping[bytes, Entry | None]


class Observed(NamedTuple):
    """What a drift amounts to, once the contents were looked at."""

    changes: dict[bytes, Entry | None]
    """Path -> what it is now (None: gone), only where a user could tell the difference."""
    relinked: dict[bytes, Entry]
    """Paths that look the same but are another inode than the store's."""
    before: dict[bytes, Entry]
    """What the index said of these paths."""

    def __bool__(self) -> bool:
        return bool(self.changes)


def entries(store: Store, index: Index, paths: Iterable[bytes]) -> dict[bytes, Entry]:
    """The entries the index's manifest has for ``paths``; those it does not know are left out."""
    wanted = set(paths)
    found: dict[bytes, Entry] = {}
    for segment in sorted(set(index.segment_of(wanted.__contains__).values())):
        tree = store.segments.read(segment)
        found.update((path, tree[path]) for path in wanted & tree.keys())
    return found


def observe(store: Store, root: bytes, index: Index, drift: Drift, stated: Tree) -> Observed:
    """Read what changed below ``root``; ``stated`` are the directory entries of the index's manifest."""
    before = entries(store, index, drift.changed) if drift.changed else {}
    changes: dict[bytes, Entry | None] = {}
    relinked: dict[bytes, Entry] = {}
    for path, found in drift.changed.items():
        old = before.get(path)
        new = None if found is None else _look(os.path.join(root, path), found)
        if new is None:
            if old is not None:
                changes[path] = None
        elif not new.same(old):
            changes[path] = new
        elif old is not None and old.has_object and found is not None:
            relinked[path] = new
    for path, mode in drift.stated.items():
        old = stated.get(path)
        new = changes.get(path) if mode is None else Entry(DIRECTORY, mode=mode)  # a file may stand there now
        if new != old:
            changes[path] = new
            if old is not None:
                before[path] = old
    return Observed(changes, relinked, before)


def _look(path: bytes, found: os.stat_result) -> Entry | None:
    try:
        if stat.S_ISLNK(found.st_mode):
            return Entry(LINK, mtime=found.st_mtime_ns, target=os.readlink(path))
        return objects.observe(path)
    except FileNotFoundError:
        return None


def link_in(store: Store, root: bytes, observed: Observed) -> dict[bytes, Entry | None]:
    """Make objects of what was observed, heal the objects that were edited in place; returns all changed entries.

    An entry that only needed another inode comes back too, under its twin number.
    """
    changes = dict(observed.changes)
    for path, entry in [*observed.changes.items(), *observed.relinked.items()]:
        if entry is None or not entry.has_object:
            continue
        linked = store.objects.link_in(os.path.join(root, path), entry)
        if linked != observed.before.get(path):
            changes[path] = linked
    for old in observed.before.values():
        try:
            store.heal(old)
        except Damaged:
            continue  # no copy is kept of bytecode; what still needs the object says so when it is laid out
    return changes


def new_blocks(root: bytes, segments: Mapping[str, Tree], racy: frozenset[bytes]) -> dict[str, Block]:
    """The index blocks of freshly written ``segments`` (name -> entries), whose files stand below ``root``."""
    return {
        name: block(name, tree, {p: _inode(root, p) for p, entry in tree.items() if entry.has_object}, racy)
        for name, tree in segments.items()
    }


def _inode(root: bytes, path: bytes) -> int:
    return os.lstat(os.path.join(root, path)).st_ino
