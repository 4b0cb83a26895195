"""Usage: the disk space a store takes beyond the live tree.

Telling it means asking for each inode of the store once, as long as looking at half the live tree. So the answer is
kept in ``usage.json`` beside a digest of what it was derived from, the times of the store's directories: it is told
again at the cost of those until something is added or removed.
"""

from __future__ import annotations

import json
import os
import stat
import time

from store import digest, disk, trees
from store.areas import ENVIRONMENTS, OWN
from store.index import RACY, Index
from store.named import NamedTuple
from store.store import Store

_CLUSTER = 4096
"""What a file's size is rounded up to where only its size is known: the block of ext4, XFS and btrfs."""
_SPREAD = (b"objects", b"segments", b"pristine")
"""Directories whose files lie in directories of two digits."""
_FLAT = (b"manifests", b"reserve")
_OWN = tuple(name for name in OWN if name != b"trash")


class Usage(NamedTuple):
    """Allocated bytes."""

    beyond: int
    """Of the store, that go when it goes: inodes the live tree does not hold, and directories."""
    within: int
    """About what the live tree takes, from the sizes its index holds; the user's files are not counted."""


def measure(store: Store, live: Index | None) -> Usage:
    """What the store and the live tree take; ``live`` is None where the live tree's index cannot be told."""
    made_of, settled = _made_of(store, live)
    known = _known(store)
    if known is not None and known[0] == made_of:
        return known[1]
    found = Usage(_beyond(store, live), _of_tree(live) if live is not None else 0)
    if settled and _made_of(store, live)[0] == made_of:
        _remember(store, made_of, found)
    return found


def _made_of(store: Store, live: Index | None) -> tuple[str, bool]:
    """A digest of the times of the store's directories and the live tree's index; whether any later change shows."""
    words = [live.digest if live is not None else b""]
    newest = 0
    directories = [os.path.join(store.root, name) for name in _FLAT]
    directories += [os.path.join(store.area, name) for name in _OWN]
    for name in _SPREAD:
        place = os.path.join(store.root, name)
        directories += [place, *(os.path.join(place, each) for each in sorted(os.listdir(place)))]
    for directory in directories:
        try:
            mtime = os.lstat(directory).st_mtime_ns
        except FileNotFoundError:
            continue
        words.append(b"%s %d" % (directory, mtime))
        newest = max(newest, mtime)
    return digest.of_bytes(b"\0".join(words)), newest < time.time_ns() - RACY


def _known(store: Store) -> tuple[str, Usage] | None:
    try:
        value = json.loads(disk.read(store.area + b"/usage.json"))
        return str(value["made_of"]), Usage(int(value["beyond"]), int(value["within"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(store: Store, made_of: str, found: Usage) -> None:
    """Whoever may only read, or has no room, goes without."""
    value = {"made_of": made_of, **found._asdict()}
    try:
        disk.write_beside(store.area + b"/usage.json", json.dumps(value).encode() + b"\n", durable=False)
    except OSError:
        return


def _beyond(store: Store, live: Index | None) -> int:
    """scandir(3) tells inode numbers for free, so of the objects only those that ``live`` does not hold are asked.

    Checkouts hold inodes of objects; what they cost is their directories. A file edited in place counts as held, and
    what is in the trash as gone.
    """
    held = {ino for block in live.blocks.values() for ino in block.columns[0]} if live is not None else set()
    but = (store.trees, store.trash, os.path.join(store.root, ENVIRONMENTS))
    total = sum(_below(place, held, but) for place in {store.root, store.area})
    for checkout in trees.ready(store):
        total += sum(disk.allocated_at(os.path.join(checkout.path, path)) for path in checkout.expected.directories)
    return total


def _of_tree(live: Index) -> int:
    total = len(live.directories) * _CLUSTER
    for block in live.blocks.values():
        sizes, modes = block.columns[2], block.columns[3]
        total += sum(-(-size // _CLUSTER) for size, mode in zip(sizes, modes, strict=True) if stat.S_ISREG(mode)) * (
            _CLUSTER
        )
    return total


def _below(root: bytes, held: set[int], but: tuple[bytes, ...]) -> int:
    """Allocated bytes of a directory and all below it but ``held`` inodes and what is in ``but``; each inode once."""
    seen = set(held)
    total = disk.allocated_at(root)
    waiting = [root]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue  # deleted meanwhile, or not ours to read
        with entries:
            for entry in entries:
                if entry.inode() in seen:
                    continue
                seen.add(entry.inode())
                total += disk.allocated_at(entry.path)
                if entry.path not in but and entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total
