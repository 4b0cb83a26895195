"""The index of a checkout: what lstat must answer for each of its files. Derived, deletable, rebuildable.

Rows are grouped by segment, so that checkouts which share a segment share its block, byte for byte, and an operation
replaces only the blocks of the segments it changed.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from store import digest, disk
from store.tree import DIRECTORY, LINK, Entry, Tree

MAGIC = b"sysvenv index 1\n"
ANY = -1
"""In a row or directory: no lstat answer is good enough, look again (git's "racily clean")."""
RACY = 20_000_000
"""Nanoseconds. What was modified this shortly before we looked may be modified again without a new mtime."""


def settle(directory: bytes) -> tuple[int, int]:
    """What the index says of a directory we changed ourselves a moment ago: its permission bits and mtime.

    The mtime is set back by more than RACY, so that any later change of the directory shows.
    """
    found = os.lstat(directory)
    settled = found.st_mtime_ns
    if settled >= time.time_ns() - RACY:
        settled = time.time_ns() - 2 * RACY
        os.utime(directory, ns=(settled, settled))
    return found.st_mode & 0o7777, settled


class Row(NamedTuple):
    """What lstat must answer for one file or link."""

    ino: int
    """Inode number; 0 for files each checkout has of its own (empty files, links)."""
    mtime: int
    size: int
    mode: int
    """st_mode, kind included."""

    def agrees(self, found: os.stat_result) -> bool:
        """Whether ``found`` is the expected answer."""
        return (
            found.st_mtime_ns == self.mtime
            and found.st_size == self.size
            and found.st_mode == self.mode
            and (not self.ino or found.st_ino == self.ino)
        )

    def looks_like(self, found: os.stat_result) -> bool:
        """Whether ``found`` may be the same content in another inode, or in one too young to be sure of."""
        return found.st_mtime_ns == self.mtime and found.st_mode == self.mode and self.size in (found.st_size, ANY)


class Block:
    """The rows of one segment: those that share the store's inodes first, then the private ones."""

    __slots__ = ("_columns", "_paths", "count", "names", "numbers", "segment", "shared")

    def __init__(
        self, segment: str, count: int, shared: int, names: bytes | memoryview, numbers: bytes | memoryview
    ) -> None:
        self.segment = segment
        """The segment's name."""
        self.count = count
        """How many rows."""
        self.shared = shared
        """How many of them, the first ones, are links to objects."""
        self.names = names
        """The paths, joined by NUL."""
        self.numbers = numbers
        """Four columns of ``count`` signed 64-bit numbers: ino, mtime, size, mode."""
        self._paths: list[bytes] | None = None
        self._columns: tuple[array[int], ...] | None = None

    @property
    def paths(self) -> list[bytes]:
        """The paths of the rows."""
        if self._paths is None:
            self._paths = bytes(self.names).split(b"\0") if self.count else []
        return self._paths

    @property
    def columns(self) -> tuple[array[int], ...]:
        """The columns ino, mtime, size, mode."""
        if self._columns is None:
            self._columns = self._columns_of(0, self.count)
        return self._columns

    def _columns_of(self, first: int, last: int) -> tuple[array[int], ...]:
        columns = []
        for start in range(0, 4 * self.count, self.count) if self.count else (0, 0, 0, 0):
            column = array("q")
            column.frombytes(self.numbers[(start + first) * 8 : (start + last) * 8])
            columns.append(column)
        return tuple(columns)

    @property
    def shared_inodes(self) -> bytes:
        """The inode numbers of the shared rows, to compare with another checkout's in one step."""
        return bytes(self.numbers[: self.shared * 8])

    def private(self) -> Block:
        """The same block with the private rows only, which stand at its end."""
        count = self.count - self.shared
        chosen = Block(self.segment, count, 0, b"", b"")
        chosen._paths = bytes(self.names).rsplit(b"\0", count)[-count:] if count else []
        chosen._columns = self._columns_of(self.shared, self.count)
        return chosen

    def only(self, rows: Sequence[int]) -> Block:
        """The same block with some of its rows, to audit just these."""
        chosen = Block(self.segment, len(rows), 0, b"", b"")
        chosen._paths = [self.paths[row] for row in rows]
        chosen._columns = tuple(array("q", [column[row] for row in rows]) for column in self.columns)
        return chosen

    def amended(self, inodes: Mapping[bytes, int | None]) -> Block:
        """The same block with other inode numbers for some paths; None drops the row."""
        rows = [row for row, path in enumerate(self.paths) if inodes.get(path, 0) is not None]
        paths = [self.paths[row] for row in rows]
        columns = [[column[row] for row in rows] for column in self.columns]
        columns[0] = [inodes.get(path) or ino for path, ino in zip(paths, columns[0], strict=True)]
        numbers = b"".join(array("q", column).tobytes() for column in columns)
        return Block(self.segment, len(rows), sum(row < self.shared for row in rows), b"\0".join(paths), numbers)

    def rows(self) -> Iterator[tuple[bytes, Row]]:
        """Each path with its row."""
        return ((path, Row(*numbers)) for path, *numbers in zip(self.paths, *self.columns, strict=True))


def block(segment: str, tree: Tree, inodes: Mapping[bytes, int], racy: frozenset[bytes] = frozenset()) -> Block:
    """The block of a segment. ``inodes`` holds the inode number of each entry that has an object."""
    shared = sorted(path for path, entry in tree.items() if entry.has_object)
    private = sorted(path for path, entry in tree.items() if not entry.has_object and entry.kind != DIRECTORY)
    columns: tuple[list[int], ...] = ([], [], [], [])
    for path in shared + private:
        for column, number in zip(columns, _row(tree[path], inodes.get(path, 0), path in racy), strict=True):
            column.append(number)
    numbers = b"".join(array("q", column).tobytes() for column in columns)
    return Block(segment, len(shared) + len(private), len(shared), b"\0".join(shared + private), numbers)


def _row(entry: Entry, ino: int, racy: bool) -> Row:
    size = ANY if racy else len(entry.target) if entry.kind == LINK else entry.size
    mode = stat.S_IFLNK | 0o777 if entry.kind == LINK else stat.S_IFREG | entry.mode
    return Row(ino if entry.has_object else 0, entry.mtime, size, mode)


class Index(NamedTuple):
    """What a checkout looked like when it was last known to be exactly ``manifest``."""

    manifest: str
    """The name of the manifest it is a checkout of."""
    blocks: dict[str, Block]
    """Segment name -> block."""
    directories: dict[bytes, tuple[int, int]]
    """Every directory below the root, and the root as b"": permission bits and mtime (ANY: look again)."""
    data: dict[bytes, int]
    """Files of the user's that only lie here: path -> inode number."""

    def rows(self) -> Iterator[tuple[bytes, Row]]:
        """Every path with its row."""
        for each in self.blocks.values():
            yield from each.rows()

    def segment_of(self, wanted: Callable[[bytes], bool] | None = None) -> dict[bytes, str]:
        """Path -> name of the segment it belongs to, for files and links (directories have no row)."""
        return {
            path: name for name, each in self.blocks.items() for path in each.paths if wanted is None or wanted(path)
        }


def encode(index: Index) -> bytes:
    """The file's bytes: a magic line, the digest of the rest, the manifest's name, the rest."""
    parts: list[bytes | memoryview] = []
    for each in index.blocks.values():
        parts += [b"%s %d %d" % (each.segment.encode(), each.count, each.shared), each.names, each.numbers]
    directories: list[bytes | memoryview] = [b"\0".join(index.directories), _numbers(index.directories.values())]
    data: list[bytes | memoryview] = [b"\0".join(index.data), array("q", index.data.values()).tobytes()]
    flags = b"%d %d" % (len(index.directories), len(index.data))
    body = b"%-32s" % index.manifest.encode() + _pack([flags, *directories, *data, *parts])
    return MAGIC + digest.of_bytes(body).encode() + body


def decode(content: bytes) -> Index:
    """The index in ``content``. Raises ValueError when it is damaged or of another version."""
    start = len(MAGIC) + 32
    body = memoryview(content)[start:]  # several megabytes: nothing is copied before it is wanted
    if not content.startswith(MAGIC) or digest.of_bytes(body).encode() != content[len(MAGIC) : start]:
        raise ValueError("not an intact index of version 1")
    flags, directory_names, directory_numbers, data_names, data_numbers, *rest = _unpack(body[32:])
    directories, data = (int(number) for number in bytes(flags).split())
    pairs = array("q")
    pairs.frombytes(directory_numbers)
    inodes = array("q")
    inodes.frombytes(data_numbers)
    blocks = {}
    for heading, names, numbers in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        segment, count, shared = bytes(heading).split()
        blocks[segment.decode()] = Block(segment.decode(), int(count), int(shared), names, numbers)
    return Index(
        bytes(body[:32]).decode().strip(),
        blocks,
        dict(zip(_names(directory_names, directories), zip(pairs[::2], pairs[1::2], strict=True), strict=True)),
        dict(zip(_names(data_names, data), inodes, strict=True)),
    )


def load(path: bytes) -> Index | None:
    """The index at ``path``; None where there is none that can be believed: then it is rebuilt."""
    try:
        return decode(disk.read(path))
    except (FileNotFoundError, ValueError, struct.error):
        return None


def peek(path: bytes) -> str | None:
    """The manifest the index at ``path`` says it is of, without reading the rest; None where there is no index."""
    try:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC) + 64)
    except FileNotFoundError:
        return None
    return head[-32:].decode("ascii", "replace").strip() if head.startswith(MAGIC) else None


def _numbers(pairs: Iterable[tuple[int, int]]) -> bytes:
    flat = array("q")
    for pair in pairs:
        flat.extend(pair)
    return flat.tobytes()


def _names(joined: memoryview, count: int) -> list[bytes]:
    return bytes(joined).split(b"\0") if count else []


def _pack(parts: list[bytes | memoryview]) -> bytes:
    lengths = struct.pack(f"<Q{len(parts)}Q", len(parts), *(len(part) for part in parts))
    return lengths + b"".join(parts)


def _unpack(body: memoryview) -> list[memoryview]:
    (count,) = struct.unpack_from("<Q", body)
    lengths = struct.unpack_from(f"<{count}Q", body, 8)
    parts, position = [], 8 * (count + 1)
    for length in lengths:
        parts.append(body[position : position + length])
        position += length
    return parts
