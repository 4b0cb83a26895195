"""Entries, trees and their difference: what a directory tree holds, as plain values."""

from collections.abc import Mapping
from typing import NamedTuple

FILE = "f"
LINK = "l"
DIRECTORY = "d"
PLAIN_DIRECTORY = 0o755
"""The mode a directory has unless an entry says otherwise."""
NOT_RESTORED = 0o6000
"""setuid and setgid, which a file written anew never gets: what a stranger could have set must not come back with our
authority. A file that lacks just these bits is therefore taken for the one that had them (:func:`lacks_only_those`)."""


class Entry(NamedTuple):
    """One name in a tree. Unused fields keep their defaults."""

    kind: str
    """FILE, LINK or DIRECTORY."""
    mode: int = 0
    """Permission bits (files and directories)."""
    mtime: int = 0
    """Nanoseconds since the epoch (files and links)."""
    size: int = 0
    """Bytes of content (files)."""
    digest: str = ""
    """XXH3-128 of the content (files)."""
    twin: int = 0
    """Tells apart objects of equal content, mode and mtime that are different inodes (files)."""
    target: bytes = b""
    """What the link says (links)."""

    @property
    def object_name(self) -> str:
        """The object's name: digest, mode, mtime and, for a twin, its number."""
        name = f"{self.digest}.{self.mode:04o}.{self.mtime}"
        return f"{name}.{self.twin}" if self.twin else name

    @property
    def has_object(self) -> bool:
        """Whether an inode in the store holds this entry: a file that is not empty.

        Of empty ones each checkout makes its own: there are many, and ext4 allows 65,000 links to an inode.
        """
        return self.kind == FILE and self.size > 0

    def same(self, other: "Entry | None") -> bool:
        """Whether both look alike to a user: everything but the twin number is equal, and of the mode only bits are
        missing that ``self``, should it have been rebuilt, cannot have."""
        if other is None:
            return False
        rebuilt = self.kind == FILE and lacks_only_those(self.mode, other.mode)
        return self._replace(twin=0, mode=other.mode if rebuilt else self.mode) == other._replace(twin=0)


Tree = Mapping[bytes, Entry]
"""Path relative to the root, '/'-separated -> entry."""


class TreeDiff(NamedTuple):
    """What turns one tree into another; each tuple sorted by path."""

    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    modified: tuple[bytes, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.modified)


def diff(old: Tree, new: Tree) -> TreeDiff:
    """The difference from ``old`` to ``new``; twins of one object count as equal."""
    return TreeDiff(
        added=tuple(sorted(path for path in new if path not in old)),
        removed=tuple(sorted(path for path in old if path not in new)),
        modified=tuple(sorted(path for path, entry in new.items() if path in old and not entry.same(old[path]))),
    )


def apply(tree: Tree, changes: Mapping[bytes, Entry | None]) -> dict[bytes, Entry]:
    """``tree`` with some entries replaced, added, or (None) removed."""
    result = dict(tree)
    for path, entry in changes.items():
        if entry is None:
            result.pop(path, None)
        else:
            result[path] = entry
    return result


def changes(old: Tree, new: Tree) -> dict[bytes, Entry | None]:
    """The changes for :func:`apply` that turn ``old`` into ``new``, exactly (twins too)."""
    result: dict[bytes, Entry | None] = {path: None for path in old if path not in new}
    result.update((path, entry) for path, entry in new.items() if old.get(path) != entry)
    return result


def lacks_only_those(mode: int, wanted: int) -> bool:
    """Whether a file's mode is the wanted one, or that without the bits that are never restored."""
    return mode == wanted or mode == wanted & ~NOT_RESTORED


def parents(path: bytes) -> list[bytes]:
    """Every directory above ``path`` within the tree, outermost first, without the root itself."""
    result = []
    cut = path.find(b"/")
    while cut > 0:
        result.append(path[:cut])
        cut = path.find(b"/", cut + 1)
    return result


def is_safe(path: bytes) -> bool:
    """Whether a path read from disk stays inside the tree: relative, no empty part, no '.' and no '..'."""
    framed = b"/%s/" % path
    return not (b"//" in framed or b"/../" in framed or b"/./" in framed or b"\0" in path)
