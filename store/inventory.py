"""Inventory: what lies in the directories of a store and is not what the format says belongs there. Never writes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator

from store.areas import ENVIRONMENTS, OWN, OWNER
from store.named import NamedTuple
from store.store import SHARED, Store

STRANGE = "strange"
"""Nothing the format knows."""
OPEN = "open"
"""A directory more open to others than the store itself, or that its owner may not write to."""
FOREIGN = "foreign"
"""A directory that somebody else owns than the store."""
MISPLACED = "misplaced"
"""Something else than a directory where a directory belongs."""

_AREA = {*OWN, b"usage.json", b"exchange.json", b"copying.json", OWNER}
_TOP = {*SHARED, *_AREA, b"VERSION", b"lock", b"reserve", ENVIRONMENTS}
_SPREAD = {
    b"objects": re.compile(rb"[0-9a-f]{30}\.[0-7]{4}\.-?[0-9]+(\.[0-9]+)?"),
    b"segments": re.compile(rb"[0-9a-f]{30}"),
    b"pristine": re.compile(rb"[0-9a-f]{30}((\.[0-9]+)?\.zst)?"),
}
_FLAT = {
    b"manifests": re.compile(rb"[0-9a-f]{32}\.json"),
    b"trees": re.compile(rb"[0-9]+(\.building|\.aside)?"),
    b"index": re.compile(rb"[0-9a-z]{16}"),
}
_DIGITS = re.compile(rb"[0-9a-f]{2}")
_PASSING = (b".tmp", b".healing", b".damaged")
"""What is being written, or was set aside as evidence."""


class Oddity(NamedTuple):
    """One thing out of the ordinary."""

    what: str
    """STRANGE, OPEN, FOREIGN or MISPLACED."""
    path: bytes
    """Within the store; b"" is the store itself."""


def take(store: Store) -> list[Oddity]:
    """Look at every directory of the store but the areas of other environments. Files are told by their names;
    ``store.verify`` looks into them."""
    found = list(_directory(store, b""))
    found += _names(store, b"", _TOP.__contains__)
    area = os.path.relpath(store.area, store.root) + b"/" if store.area != store.root else b""
    if area:
        found += _directory(store, area[:-1])
        found += _names(store, area[:-1], _AREA.__contains__)
    for place in sorted([*SHARED, *(area + name for name in OWN)]):
        name = os.path.basename(place)
        if not os.path.lexists(os.path.join(store.root, place)):
            continue
        found += _directory(store, place)
        if name in _FLAT:
            found += _names(store, place, _FLAT[name].fullmatch)
        elif name in _SPREAD:
            found += _names(store, place, _DIGITS.fullmatch)
            for digits in filter(_DIGITS.fullmatch, _listed(store, place)):
                below = place + b"/" + digits
                found += _directory(store, below)
                found += _names(store, below, _SPREAD[name].fullmatch)
    return found


def _directory(store: Store, path: bytes) -> Iterator[Oddity]:
    found = os.lstat(os.path.join(store.root, path))
    if not stat.S_ISDIR(found.st_mode):
        yield Oddity(MISPLACED, path)
    elif found.st_uid != os.lstat(store.root).st_uid:
        yield Oddity(FOREIGN, path)
    elif found.st_mode & 0o777 & ~mode(store) or found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        yield Oddity(OPEN, path)


def mode(store: Store) -> int:
    """Permission bits of every directory in the store: those of the store itself, but no writing by others."""
    return stat.S_IMODE(os.lstat(store.root).st_mode) & 0o755 | 0o700


def _names(store: Store, directory: bytes, known: Callable[[bytes], object]) -> Iterator[Oddity]:
    for name in _listed(store, directory):
        if not known(name) and not name.endswith(_PASSING):
            yield Oddity(STRANGE, directory + b"/" + name if directory else name)


def _listed(store: Store, directory: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(os.path.join(store.root, directory)))
    except OSError:
        return []
