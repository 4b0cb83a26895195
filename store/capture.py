"""Capture: what drifted in a checkout, looked at; and rows too young to be believed, looked at once more."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable

from store import objects
from store.errors import Damaged
from store.index import ANY, RACY, Index, block
from store.named import NamedTuple
from store.row import Seen
from store.row import rows as rows_in
from store.scan import Drift, Sort, survey
from store.store import Store
from store.tree import DIRECTORY, LINK, Entry, Tree


class Observed(NamedTuple):
    """What a drift amounts to, once the contents were looked at."""

    changes: dict[bytes, Entry | None]
    """Path -> what it is now (None: gone), only where a user could tell the difference."""
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
    for path, found in drift.changed.items():
        old = before.get(path)
        new = None if found is None else _look(os.path.join(root, path), found)
        if new is None:
            if old is not None:
                changes[path] = None
        elif not new.same(old):
            changes[path] = new
    for path, directory in directories(drift, stated).items():
        if directory is not None or path not in changes:  # a file may stand there now
            changes[path] = directory
        if path in stated:
            before[path] = stated[path]
    return Observed(changes, before)


def directories(drift: Drift, stated: Tree) -> dict[bytes, Entry | None]:
    """The directory entries that are new or other than ``stated``; None: no entry is needed any more."""
    found = {path: None if mode is None else Entry(DIRECTORY, mode=mode) for path, mode in drift.stated.items()}
    return {path: entry for path, entry in found.items() if entry != stated.get(path)}


def _look(path: bytes, found: Seen) -> Entry | None:
    try:
        if stat.S_ISLNK(found.st_mode):
            return Entry(LINK, mtime=found.st_mtime_ns, target=os.readlink(path))
        return objects.observe(path)
    except FileNotFoundError:
        return None


def heal(store: Store, before: Iterable[Entry]) -> None:
    """Rebuild the objects of entries that were edited in place."""
    for old in before:
        try:
            store.heal(old)
        except Damaged:
            continue  # no copy is kept of bytecode; what still needs the object says so when it is laid out


def settle(store: Store, root: bytes, index: Index, young: Collection[bytes], sort: Sort) -> Index:
    """``index`` of the tree at ``root``, with the ``young`` files and directories believed that have come of age and
    are still what was captured. What is not, stays to be looked at by every audit.
    """
    open_directories = [path for path, (_, mtime) in index.directories.items() if mtime == ANY]
    if not young and not open_directories:
        return index
    now = time.time_ns()
    drift = survey(root, index, young, open_directories, sort)
    if drift.changed.keys() <= set(young) and drift.data == index.data and not _modes_differ(drift, index):
        index = index.replace(directories=drift.directories)
    known = entries(store, index, young) if young else {}
    settled = {
        path
        for path, found in drift.changed.items()
        if found is not None
        and path in known
        and known[path].mtime < now - RACY
        and known[path].same(_look(os.path.join(root, path), found))
    }
    if not settled:
        return index
    blocks = {}
    for segment in set(index.segment_of(settled.__contains__).values()):
        tree, rows = store.segments.read(segment), dict(rows_in([index.blocks[segment]]))
        rowed = {path: entry for path, entry in tree.items() if path in rows}
        racy = frozenset(path for path, row in rows.items() if row.size == ANY and path not in settled)
        blocks[segment] = block(segment, rowed, {path: row.ino for path, row in rows.items()}, racy)
    return index.replace(blocks={**index.blocks, **blocks})


def _modes_differ(drift: Drift, index: Index) -> bool:
    """Whether there are other directories than in ``index``, or with other modes."""
    return {p: mode for p, (mode, _) in drift.directories.items()} != {
        p: mode for p, (mode, _) in index.directories.items()
    }
