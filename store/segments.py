"""Segments: the sorted entries of one part of a tree, encoded, named by the digest of their encoding."""

from __future__ import annotations

import os
from collections.abc import Iterator

from store import digest, disk
from store.errors import Damaged
from store.tree import DIRECTORY, FILE, LINK, Entry, Tree, is_safe

MAGIC = b"sysvenv segment 1\n"
_HEXADECIMAL = "0123456789abcdef"


def encode(tree: Tree) -> bytes:
    """The canonical bytes of a segment: equal trees, and only those, give equal bytes."""
    records = [MAGIC]
    for path in sorted(tree):
        entry = tree[path]
        if entry.kind == FILE:
            records.append(b"f %s %d %s\0" % (entry.object_name.encode(), entry.size, path))
        elif entry.kind == LINK:
            records.append(b"l %d %d %s%s\0" % (entry.mtime, len(entry.target), entry.target, path))
        else:
            records.append(b"d %04o 0 %s\0" % (entry.mode, path))
    return b"".join(records)


def decode(content: bytes) -> dict[bytes, Entry]:
    """The entries of a segment. Raises ValueError for anything :func:`encode` cannot have written."""
    if not content.startswith(MAGIC) or (len(content) > len(MAGIC) and not content.endswith(b"\0")):
        raise ValueError("not a segment of version 1")
    tree: dict[bytes, Entry] = {}
    for record in content[len(MAGIC) : -1].split(b"\0") if len(content) > len(MAGIC) else ():
        kind, what, size, rest = record.split(b" ", 3)
        if kind == b"f":
            path, entry = rest, _file(what, int(size))
        elif kind == b"l":
            cut = int(size)
            if not 0 <= cut <= len(rest):
                raise ValueError(f"a link target of {cut} bytes")
            path, entry = rest[cut:], Entry(LINK, mtime=int(what), target=rest[:cut])
        elif kind == b"d":
            path, entry = rest, Entry(DIRECTORY, mode=_mode(what))
        else:
            raise ValueError(f"unknown kind of entry {kind!r}")
        if not is_safe(path):
            raise ValueError(f"unsafe path {path!r}")
        tree[path] = entry
    return tree


def _file(name: bytes, size: int) -> Entry:
    content, mode, mtime, *twin = name.decode("ascii").split(".")
    if len(content) != 32 or content.strip(_HEXADECIMAL) or len(twin) > 1:
        raise ValueError(f"not an object name: {name!r}")
    return Entry(FILE, _mode(mode.encode()), int(mtime), size, content, int(twin[0]) if twin else 0)


def _mode(digits: bytes) -> int:
    mode = int(digits, 8)
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"a mode of {mode:o}")
    return mode


def path_of(record: bytes) -> bytes:
    """The path of an encoded entry."""
    kind, _, size, rest = record.split(b" ", 3)
    return rest[int(size) :] if kind == b"l" else rest


class Segments:
    """The segments kept below one directory, ``ab/<30 hex digits>`` each."""

    def __init__(self, root: bytes) -> None:
        self.root = root

    def path(self, name: str) -> bytes:
        """Where the segment ``name`` lies. Raises Damaged for what is not 32 hexadecimal digits: names are read from
        manifests, and might lead anywhere."""
        if len(name) != 32 or name.strip(_HEXADECIMAL):
            raise Damaged(f"{name!r} is not the name of a segment.", "Run: sysvenv verify")
        return os.path.join(self.root, name[:2].encode(), name[2:].encode())

    def write(self, tree: Tree) -> tuple[str, bytes]:
        """Keep a segment. Returns its name and the path the caller must still make durable."""
        content = encode(tree)
        name = digest.of_bytes(content)
        path = self.path(name)
        if os.path.exists(path) and digest.of_bytes(disk.read(path)) == name:
            return name, path
        disk.make_parent(path)
        disk.write_beside(path, content, durable=False)
        return name, path

    def records(self, name: str) -> set[bytes]:
        """The encoded entries of segment ``name``: equal entries are equal records. Much cheaper than :meth:`read`."""
        return set(self._content(name)[len(MAGIC) : -1].split(b"\0")) - {b""}

    def objects(self, name: str) -> Iterator[bytes]:
        """The name of the object of each file in segment ``name`` that has one. Cheaper than :meth:`read`; raises like
        it."""
        content = self._content(name)
        if not content.startswith(MAGIC):
            raise Damaged(f"Segment {name} of the store is of another version.", "Run: sysvenv verify")
        for record in content[len(MAGIC) : -1].split(b"\0"):
            if record.startswith(b"f "):
                _, object_name, size, _ = record.split(b" ", 3)
                if size != b"0":
                    yield object_name

    def size(self, name: str) -> int:
        """How many bytes segment ``name`` takes. Raises Damaged when it is missing."""
        try:
            return os.lstat(self.path(name)).st_size
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(name) from None

    def read(self, name: str) -> dict[bytes, Entry]:
        """The entries of segment ``name``. Raises Damaged when it is missing or not what its name says."""
        try:
            return decode(self._content(name))
        except ValueError as error:
            raise Damaged(f"Segment {name} of the store cannot be read: {error}.", "Run: sysvenv verify") from None

    def _missing(self, name: str) -> Damaged:
        return Damaged(f"Segment {name} of the store is missing.", "Run: sysvenv verify")

    def _content(self, name: str) -> bytes:
        try:
            content = disk.read(self.path(name))
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(name) from None
        except IsADirectoryError:
            raise Damaged(f"Segment {name} of the store is a directory.", "Run: sysvenv verify") from None
        if digest.of_bytes(content) != name:
            raise Damaged(f"Segment {name} of the store is damaged.", "Run: sysvenv verify")
        return content
