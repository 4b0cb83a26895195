"""Space: where the bytes of a store are, by what holds them. Takes no lock: what goes meanwhile is not counted."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from store import census, disk, gc
from store.areas import ENVIRONMENTS
from store.census import COPY, MANIFEST, OBJECT, SEGMENT
from store.named import NamedTuple
from store.store import Store


class Space(NamedTuple):
    """Allocated bytes, each inode once. All but ``live`` add up to what goes when the store goes."""

    live: int
    """The live tree, the user's files in it included."""
    live_files: int
    trees: int
    """Trees that stand ready: their directories, and the files no object is another name of."""
    tree_count: int
    objects: dict[int, int]
    """Claim -> objects with just that claim that the live tree does not hold."""
    copies: int
    """Pristine copies somebody claims."""
    states: int
    """Manifests and segments somebody claims."""
    indexes: int
    unclaimed: int
    """What nobody claims."""
    trash: int
    """What is being deleted."""
    rest: int
    """The store's directories, its reserve, what was rescued."""
    alone: dict[int, int]
    """Claim -> what would be freed if that, as the only one, were given up."""


def measure(store: Store, live: bytes, claims: Mapping[str, int], pinned: Mapping[str, int]) -> Space:
    """Ask for every inode once. A claim is a set of bits. Raises Damaged when a claimed state cannot be read."""
    found = census.take(store, claims, lambda one, other: one | other, pinned)
    seen: set[int] = set()
    live_size, live_files = _walk(live, seen)
    links = gc.names_in_trash(store)
    own = {ready.tree.path: gc.own(store, ready.tree, links) for ready in found.trees}
    sums: dict[str, Counter[int]] = {kind: Counter() for kind in (MANIFEST, SEGMENT, COPY, OBJECT)}
    alone: Counter[int] = Counter()
    for held in found.files:
        try:
            status = os.lstat(held.path)
        except FileNotFoundError:
            continue
        size = disk.allocated(status)
        if status.st_nlink <= 1 + links[status.st_ino]:
            alone[held.claim] += size
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            sums[held.kind][held.claim] += size
    unclaimed = sum(each.pop(0, 0) for each in sums.values())
    for ready in found.trees:
        alone[ready.claim] += own[ready.tree.path]
    standing = {ready.tree.path for ready in found.trees}
    indexes, _ = _walk(store.indexes, seen)
    buried = os.listdir(store.trash) if os.path.isdir(store.trash) else []
    trash = sum(_walk(os.path.join(store.trash, name), seen)[0] for name in buried)
    others = os.path.join(store.root, ENVIRONMENTS)
    rest = sum(_walk(place, seen, but={*standing, others})[0] for place in {store.root, store.area})
    return Space(
        live=live_size,
        live_files=live_files,
        trees=sum(own.values()),
        tree_count=len(own),
        objects=dict(sums[OBJECT]),
        copies=sums[COPY].total(),
        states=sums[MANIFEST].total() + sums[SEGMENT].total(),
        indexes=indexes,
        unclaimed=unclaimed,
        trash=trash,
        rest=rest,
        alone=dict(alone),
    )


def _walk(root: bytes, seen: set[int], but: Iterable[bytes] = ()) -> tuple[int, int]:
    """Allocated bytes of what :func:`walk` finds, and how many files these are."""
    size = files = 0
    for status in walk(root, seen, but):
        size += disk.allocated(status)
        files += not stat.S_ISDIR(status.st_mode)
    return size, files


def walk(
    root: bytes, seen: set[int], but: Iterable[bytes] = (), *, skip_closed: bool = False
) -> Iterator[os.stat_result]:
    """The status of a directory and of all below it, each inode once. Inodes in ``seen`` are left out, those found
    added; nothing of what is in ``but``. With ``skip_closed`` no error comes of what is closed to us."""
    left_out = set(but)
    passed_over = (FileNotFoundError, NotADirectoryError, *([PermissionError] if skip_closed else []))
    waiting = [root]
    while waiting:
        place = waiting.pop()
        try:
            status = os.lstat(place)
            if stat.S_ISDIR(status.st_mode):
                waiting += (each.path for each in os.scandir(place) if each.path not in left_out)
        except passed_over:
            continue
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            yield status
