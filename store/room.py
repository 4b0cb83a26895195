"""Room: what is about to be written is estimated first, so that nothing large begins on a disk that cannot hold it.

An estimate refuses only what is large: whatever is small is tried, as undo has to work on a full disk.
"""

from __future__ import annotations

import os

from store.errors import StoreError

LARGE = 8 << 20
"""Bytes. What takes less is not asked about."""
LAID_OUT = 5
"""Bytes on disk for each byte of the segments laid out: directories, links and names (33,863 files: 16.9 MB)."""
ENTRIES_OF_AN_INODE = 7
"""Of so many entries one needs an inode of its own: a directory, a link or an empty file (33,863 files: 4,900)."""
ENTRY = 98
"""Bytes of an entry in a segment, on average."""
PACKED = 5
"""One byte of a pristine archive for so many of the files in it, at least (the same 872 MB: 66 MB)."""


def refuse_if_short(root: bytes, work: str, needed: int, inodes: int = 0) -> None:
    """Raise StoreError where the filesystem of ``root`` has less than ``needed`` bytes or ``inodes`` left."""
    if needed < LARGE:
        return
    found = os.statvfs(root)
    blocks = found.f_bavail if os.geteuid() else found.f_bfree  # some are set aside for root
    if blocks * found.f_frsize < needed:
        raise _short(root, work, f"{needed / 1e6:,.0f} MB", f"{blocks * found.f_frsize / 1e6:,.0f} MB")
    if found.f_files and found.f_favail < inodes:
        raise _short(root, work, f"{inodes:,} inodes", f"{found.f_favail:,}")


def to_lay_out(root: bytes, encoded: int) -> None:
    """Refuse to lay out segments of so many bytes where there is no room for the tree."""
    refuse_if_short(root, "Laying out this state", LAID_OUT * encoded, encoded // ENTRY // ENTRIES_OF_AN_INODE)


def _short(root: bytes, work: str, needed: str, left: str) -> StoreError:
    return StoreError(
        f"{work} takes about {needed}; the filesystem of {os.fsdecode(root)} has {left} left.",
        "Free some space, then run it again; nothing was changed.",
    )
