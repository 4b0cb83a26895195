"""Shares: what each of the environments that use a store takes, and what of that it alone takes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping

from store import census, disk, space
from store.areas import ENVIRONMENTS
from store.named import NamedTuple
from store.store import SHARED, Store


class Share(NamedTuple):
    """Allocated bytes."""

    live: int
    """The live tree, the user's files in it included."""
    alone: int
    """What would be free without this environment: its live tree, trees and history, as far as no other needs it."""


def measure(store: Store, claims: Mapping[str, int], places: Mapping[int, tuple[bytes, bytes]]) -> dict[int, Share]:
    """The share of each bit. ``claims`` are those on manifests, ``places`` the live tree and the area of each bit.

    Asks for every inode of the store and of the live trees once. Raises Damaged when a claimed state cannot be read.
    """
    found = census.take(store, claims, lambda one, other: one | other)
    alone: Counter[int] = Counter()
    shared: set[int] = set()
    for held in found.files:
        try:
            status = os.lstat(held.path)
        except FileNotFoundError:
            continue
        shared.add(status.st_ino)
        if held.claim in places:
            alone[held.claim] += disk.allocated(status)
    shares = {}
    for bit, (live, area) in places.items():
        seen: set[int] = set()
        everybodys = [os.path.join(area, name) for name in (*SHARED, ENVIRONMENTS)]
        size = _allocated(live, seen)
        own = _allocated(live, set(shared)) + _allocated(area, shared | seen, everybodys)
        shares[bit] = Share(size, alone[bit] + own)
    return shares


def _allocated(root: bytes, seen: set[int], but: Iterable[bytes] = ()) -> int:
    return sum(disk.allocated(status) for status in space.walk(root, seen, but, skip_closed=True))
