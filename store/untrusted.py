"""What a tree somebody else sent may hold: checked as a value, before any of it touches the disk."""

from __future__ import annotations

from store import digest
from store.tree import DIRECTORY, FILE, LINK, Entry, Tree, parents

MOST_ENTRIES = 2_000_000
"""Sixty times as many as the largest stack we know."""
LONGEST_PATH = 2048
"""Bytes; Linux takes 4096 with the root before it, macOS 1024."""
LONGEST_NAME = 255
_LATEST = 1 << 62
"""Nanoseconds: what a timestamp may be for utimensat(2) to take it."""
_EMPTY = digest.of_bytes(b"")


def check(tree: Tree) -> None:
    """Raises ValueError, with a sentence about the first entry that must not be laid out.

    That no path is absolute or has a part ``..`` is seen to where segments are decoded.
    """
    if len(tree) > MOST_ENTRIES:
        raise ValueError(f"it lists {len(tree):,} files")
    for path, entry in tree.items():
        reason = _about_path(path) or _about_entry(path, entry)
        if reason:
            raise ValueError(f"{path!r} {reason}")
        for parent in parents(path):
            above = tree.get(parent)
            if above is not None and above.kind != DIRECTORY:
                raise ValueError(f"{path!r} lies below a {'link' if above.kind == LINK else 'file'}")


def stays_inside(path: bytes, target: bytes) -> bool:
    """Whether a link at ``path`` leads to a place in its tree, wherever the tree's other links lead.

    Of ``..`` there may only be some at the beginning: these go up real directories, as no path lies below a link.
    Behind another name, which may be a link to somewhere deeper, they could lead anywhere.
    """
    if not target or target.startswith(b"/") or b"\0" in target:
        return False
    up, names = 0, 0
    for part in target.split(b"/"):
        if part == b"..":
            if names:
                return False
            up += 1
        elif part not in (b"", b"."):
            names += 1
    return up <= path.count(b"/")


def _about_path(path: bytes) -> str:
    if len(path) > LONGEST_PATH or max(map(len, path.split(b"/"))) > LONGEST_NAME:
        return "is too long a name"
    try:
        path.decode()
    except UnicodeDecodeError:
        return "is no name in UTF-8"
    return ""


def _about_entry(path: bytes, entry: Entry) -> str:
    if entry.kind == LINK:
        if len(entry.target) > LONGEST_PATH or not stays_inside(path, entry.target):
            return f"is a link out of the tree, to {entry.target[:200]!r}"
    elif not 0 <= entry.mode <= 0o777:
        return f"has the mode {entry.mode:o}"
    elif entry.mode & _needed(entry) != _needed(entry):
        return f"has the mode {entry.mode:o}, which keeps its owner out"
    if entry.twin:
        return "is numbered as a twin, which only a store does"
    if entry.kind == FILE and (entry.size < 0 or (entry.size == 0) != (entry.digest == _EMPTY)):
        return f"is a file of {entry.size} bytes that are not what its digest says"
    return "" if -_LATEST < entry.mtime < _LATEST else "has an impossible time"


def _needed(entry: Entry) -> int:
    return 0o500 if entry.kind == DIRECTORY else 0o400
