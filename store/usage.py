"""Usage: the disk space a store takes beyond the live tree, told without asking lstat for every file."""

from __future__ import annotations

import os
import stat

from store import trees
from store.index import Index
from store.store import Store

_BLOCK = 512
"""What st_blocks counts in (stat(2)), whatever the filesystem's own blocks."""
_CLUSTER = 4096
"""What a file's size is rounded up to where only its size is known: the block of ext4, XFS and btrfs."""


def beyond(store: Store, live: Index | None) -> int:
    """Allocated bytes of the store that go when it goes: inodes the live tree does not hold, and directories.

    scandir(3) tells inode numbers for free, so of the objects only those that ``live`` does not hold are asked.
    Checkouts hold inodes of objects; what they cost is their directories. A file edited in place counts as held.
    """
    held = {ino for block in live.blocks.values() for ino in block.columns[0]} if live is not None else set()
    total = _below(store.root, held, but=store.trees)
    for checkout in trees.ready(store):
        total += sum(_allocated(os.path.join(checkout.path, path)) for path in checkout.expected.directories)
    return total


def of_tree(live: Index) -> int:
    """About what the live tree takes, from the sizes its index holds; the user's files are not counted."""
    total = len(live.directories) * _CLUSTER
    for block in live.blocks.values():
        sizes, modes = block.columns[2], block.columns[3]
        total += sum(-(-size // _CLUSTER) for size, mode in zip(sizes, modes, strict=True) if stat.S_ISREG(mode)) * (
            _CLUSTER
        )
    return total


def _below(root: bytes, held: set[int], but: bytes) -> int:
    """Allocated bytes of a directory and all below it but ``held`` inodes and what is in ``but``; each inode once."""
    seen = set(held)
    total = _allocated(root)
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
                total += _allocated(entry.path)
                if entry.path != but and entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total


def _allocated(path: bytes) -> int:
    try:
        return os.lstat(path).st_blocks * _BLOCK
    except OSError:
        return 0
