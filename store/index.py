"""The index of a checkout: what lstat must answer for each of its files. Derived, deletable, rebuildable.

Rows are grouped by segment, so that checkouts which share a segment share its block, byte for byte, and an operation
replaces only the blocks of the segments it changed.

An audit begins with this module before anything else is loaded. So it imports next to nothing at the top (typing alone
costs as much as 3,000 files), and what was read stays as it lies in the file until somebody asks for it.
"""

from __future__ import annotations

import os
import stat
import time
from array import array

from store import disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from store.tree import Tree

MAGIC = b"sysvenv index 1\n"
_BODY = len(MAGIC) + 32
"""Where the body begins: behind the magic line and the digest of the body."""
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
            self._paths = names(self.names, self.count)
        return self._paths

    @property
    def columns(self) -> tuple[array[int], ...]:
        """The columns ino, mtime, size, mode."""
        if self._columns is None:
            self._columns = tuple(array("q", column) for column in self.columns_of(0, self.count))
        return self._columns

    def columns_of(self, first: int, last: int) -> list[list[int]]:
        """The columns of the rows from ``first`` to before ``last``."""
        if not self.count:
            return [[], [], [], []]
        numbers = memoryview(self.numbers).cast("q")
        return [numbers[start + first : start + last].tolist() for start in range(0, 4 * self.count, self.count)]

    @property
    def shared_inodes(self) -> bytes:
        """The inode numbers of the shared rows, to compare with another checkout's in one step."""
        return bytes(self.numbers[: self.shared * 8])

    def private(self) -> Block:
        """The same block with the private rows only, which stand at its end."""
        count = self.count - self.shared
        paths = bytes(self.names).rsplit(b"\0", count)[-count:] if count else []
        numbers = b"".join(array("q", column).tobytes() for column in self.columns_of(self.shared, self.count))
        return Block(self.segment, count, 0, b"\0".join(paths), numbers)

    def only(self, rows: Sequence[int]) -> Block:
        """The same block with some of its rows, to audit just these."""
        numbers = b"".join(array("q", [column[row] for row in rows]).tobytes() for column in self.columns)
        return Block(self.segment, len(rows), 0, b"\0".join([self.paths[row] for row in rows]), numbers)

    def amended(self, inodes: Mapping[bytes, int | None]) -> Block:
        """The same block with other inode numbers for some paths; None drops the row."""
        rows = [row for row, path in enumerate(self.paths) if inodes.get(path, 0) is not None]
        paths = [self.paths[row] for row in rows]
        columns = [[column[row] for row in rows] for column in self.columns]
        columns[0] = [inodes.get(path) or ino for path, ino in zip(paths, columns[0], strict=True)]
        numbers = b"".join(array("q", column).tobytes() for column in columns)
        return Block(self.segment, len(rows), sum(row < self.shared for row in rows), b"\0".join(paths), numbers)


def block(segment: str, tree: Tree, inodes: Mapping[bytes, int], racy: frozenset[bytes] = frozenset()) -> Block:
    """The block of a segment. ``inodes`` holds the inode number of each entry that has an object."""
    from store.tree import DIRECTORY, LINK

    shared = sorted(path for path, entry in tree.items() if entry.has_object)
    private = sorted(path for path, entry in tree.items() if not entry.has_object and entry.kind != DIRECTORY)
    inos, mtimes, sizes, modes = columns = array("q"), array("q"), array("q"), array("q")
    for path in shared + private:
        entry = tree[path]
        link = entry.kind == LINK
        inos.append(inodes.get(path, 0) if entry.has_object else 0)
        mtimes.append(entry.mtime)
        sizes.append(ANY if path in racy else len(entry.target) if link else entry.size)
        modes.append(stat.S_IFLNK | 0o777 if link else stat.S_IFREG | entry.mode)
    numbers = b"".join(column.tobytes() for column in columns)
    return Block(segment, len(shared) + len(private), len(shared), b"\0".join(shared + private), numbers)


class Directories:
    """The directories of a checkout, packed: their paths, and for each the permission bits and the mtime."""

    __slots__ = ("count", "names", "numbers")

    def __init__(self, count: int, names: bytes | memoryview, numbers: bytes | memoryview) -> None:
        self.count = count
        self.names = names
        """The paths, joined by NUL."""
        self.numbers = numbers
        """``count`` pairs of signed 64-bit numbers: permission bits, mtime."""

    @classmethod
    def pack(cls, known: Mapping[bytes, tuple[int, int]]) -> Directories:
        """The same as a mapping, packed."""
        numbers = array("q", [number for pair in known.values() for number in pair]).tobytes()
        return cls(len(known), b"\0".join(known), numbers)

    def unpack(self) -> dict[bytes, tuple[int, int]]:
        """Path -> permission bits and mtime."""
        modes, mtimes = self.columns_of(0, self.count)
        return dict(zip(names(self.names, self.count), zip(modes, mtimes, strict=True), strict=True))

    def find(self, path: bytes) -> tuple[int, int] | None:
        """Permission bits and mtime of one directory."""
        framed = b"\0%s\0" % bytes(self.names)
        place = framed.find(b"\0%s\0" % path) if self.count else -1
        if place < 0:
            return None
        number = framed.count(b"\0", 0, place)
        modes, mtimes = self.columns_of(number, number + 1)
        return modes[0], mtimes[0]

    def columns_of(self, first: int, last: int) -> tuple[list[int], list[int]]:
        """Permission bits and mtimes of the directories from ``first`` to before ``last``."""
        numbers = memoryview(self.numbers).cast("q")
        return numbers[2 * first : 2 * last : 2].tolist(), numbers[2 * first + 1 : 2 * last : 2].tolist()


class Index:
    """What a checkout looked like when it was last known to be exactly ``manifest``. A value: it is never changed."""

    __slots__ = ("_directories", "_packed", "blocks", "data", "digest", "manifest")

    def __init__(
        self,
        manifest: str,
        blocks: dict[str, Block],
        directories: dict[bytes, tuple[int, int]] | Directories,
        data: dict[bytes, int],
        digest: bytes = b"",
    ) -> None:
        self.manifest = manifest
        """The name of the manifest it is a checkout of."""
        self.blocks = blocks
        """Segment name -> block."""
        self.data = data
        """Files of the user's that only lie here: path -> inode number."""
        self.digest = digest
        """The digest its file bears, where it is as it was read from one; else empty."""
        self._packed = directories if isinstance(directories, Directories) else None
        self._directories = None if isinstance(directories, Directories) else directories

    @property
    def directories(self) -> dict[bytes, tuple[int, int]]:
        """Every directory below the root, and the root as b"": permission bits and mtime (ANY: look again)."""
        if self._directories is None:
            self._directories = self.packed_directories.unpack()
        return self._directories

    def directory(self, path: bytes) -> tuple[int, int] | None:
        """What ``directories`` has for one path, without unpacking all of them."""
        if self._directories is not None:
            return self._directories.get(path)
        return self.packed_directories.find(path)

    @property
    def packed_directories(self) -> Directories:
        """The same, packed."""
        if self._packed is None:
            self._packed = Directories.pack(self._directories or {})
        return self._packed

    def replace(
        self,
        *,
        manifest: str | None = None,
        blocks: dict[str, Block] | None = None,
        directories: dict[bytes, tuple[int, int]] | None = None,
        data: dict[bytes, int] | None = None,
    ) -> Index:
        """The same index with something else in it."""
        kept = self.packed_directories if directories is None else directories
        return Index(
            self.manifest if manifest is None else manifest,
            self.blocks if blocks is None else blocks,
            kept,
            self.data if data is None else data,
        )

    def segment_of(self, wanted: Callable[[bytes], bool] | None = None) -> dict[bytes, str]:
        """Path -> name of the segment it belongs to, for files and links (directories have no row)."""
        return {
            path: name for name, each in self.blocks.items() for path in each.paths if wanted is None or wanted(path)
        }


def chosen(blocks: Iterable[Block], wanted: Collection[bytes]) -> list[Block]:
    """The rows of some paths, as blocks; paths without one are left out."""
    if not wanted:
        return []
    paths = frozenset(wanted)
    some = (each for each in blocks if not paths.isdisjoint(each.paths))
    return [each.only([row for row, path in enumerate(each.paths) if path in paths]) for each in some]


def encode(index: Index) -> bytes:
    """The file's bytes: a magic line, the digest of the rest, the manifest's name, the rest."""
    from store import digest

    directories = index.packed_directories
    parts: list[bytes | memoryview] = [
        b"%d %d" % (directories.count, len(index.data)),
        directories.names,
        directories.numbers,
        b"\0".join(index.data),
        array("q", index.data.values()).tobytes(),
    ]
    for each in index.blocks.values():
        parts += [b"%s %d %d" % (each.segment.encode(), each.count, each.shared), each.names, each.numbers]
    lengths = array("q", [len(parts), *(len(part) for part in parts)])
    body = b"".join([b"%-32s" % index.manifest.encode(), lengths.tobytes(), *parts])
    return b"".join([MAGIC, digest.of_bytes(body).encode(), body])


def decode(content: bytes) -> Index:
    """The index in ``content``. Raises ValueError when it is damaged or of another version."""
    from store import digest

    body = memoryview(content)[_BODY:]  # several megabytes: nothing is copied before it is wanted
    bears = content[len(MAGIC) : _BODY]
    if not content.startswith(MAGIC) or digest.of_bytes(body).encode() != bears:
        raise ValueError("not an intact index of version 1")
    counts, directory_names, directory_numbers, data_names, data_numbers, *rest = _parts(body[32:])
    directories, data = map(int, bytes(counts).split())
    blocks = {}
    for heading, paths, numbers in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        segment, count, shared = bytes(heading).decode().split()
        blocks[segment] = Block(segment, int(count), int(shared), paths, numbers)
    return Index(
        bytes(body[:32]).decode().strip(),
        blocks,
        Directories(directories, directory_names, directory_numbers),
        dict(zip(names(data_names, data), data_numbers.cast("q").tolist(), strict=True)),
        bears,
    )


def _parts(body: memoryview) -> Iterator[memoryview]:
    """The parts of a body: their number, their lengths, then one after the other."""
    count = body[:8].cast("q")[0]
    position = 8 * (count + 1)
    for length in body[8:position].cast("q").tolist():
        yield body[position : position + length]
        position += length


def load(path: bytes) -> Index | None:
    """The index at ``path``; None where there is none that can be believed: then it is rebuilt."""
    try:
        return decode(disk.read(path))
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return None


def peek(path: bytes) -> str | None:
    """The manifest the index at ``path`` says it is of, without reading the rest; None where there is no index."""
    try:
        with open(path, "rb") as file:
            head = file.read(_BODY + 32)
    except (FileNotFoundError, IsADirectoryError):
        return None
    return head[-32:].decode("ascii", "replace").strip() if head.startswith(MAGIC) else None


def names(joined: bytes | memoryview, count: int) -> list[bytes]:
    """``count`` paths that are joined by NUL."""
    return bytes(joined).split(b"\0") if count else []
