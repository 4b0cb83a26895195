"""The audit: does every file and directory of a checkout still answer lstat as its index says?

The price of undo is this loop, about 2 us a file. A loop in C costs nearly the same and threads make it slower, so an
audit can be cut into portions that a second process shares (``store.second``). Nothing here reads contents: what lstat
cannot see (a store through a mapping, an edit that puts the mtime back) only ``verify`` finds.
"""

from __future__ import annotations

import errno
import os

from store.index import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from store.index import Block, Index

Looked = tuple[list[bytes], list[bytes]]
"""What an audit found to disagree or to be gone: paths of files and links, and directories (b"" is the root)."""
NOTHING: Looked = ([], [])
"""Of a tree that is as it should be."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What lstat says where nothing is: also where above it stands a file, or a link that leads to itself."""
PORTIONS = 128
"""Into how many pieces an audit is cut: small ones, so that two processes end together whatever each did before."""


class Audit:
    """What is to be looked at below ``root``: rows of an index, all or those of ``blocks``, and its directories."""

    def __init__(self, root: bytes, index: Index, blocks: Sequence[Block] | None = None) -> None:
        self.root = root
        self.index = index
        self._slices = _sliced(list(index.blocks.values()) if blocks is None else blocks)
        self._directories: list[bytes] = []
        self._block: tuple[Block | None, list[bytes]] = (None, [])

    def look(self, portions: Iterable[int] = range(PORTIONS)) -> Looked:
        """Audit some portions, by default all of them; what all portions find adds up."""
        touched: list[bytes] = []
        moved: list[bytes] = []
        place = _open(self.root)
        try:
            for portion in portions:
                moved += self._look_at_directories(place, portion)
                for block, start, end in self._slices[portion]:
                    touched += _touched(place, self._paths(block)[start:end], block.columns_of(start, end))
        finally:
            if place is not None:
                os.close(place)
        return touched, moved

    def _look_at_directories(self, place: int | None, portion: int) -> list[bytes]:
        packed = self.index.packed_directories
        if not packed.count:  # the tree was gone: whatever stands there now is new
            return [b""] if place is not None and not portion else []
        if not self._directories:
            self._directories = names(packed.names, packed.count)
        first, last = portion * packed.count // PORTIONS, (portion + 1) * packed.count // PORTIONS
        return _moved(place, self._directories[first:last], *packed.columns_of(first, last))

    def _paths(self, block: Block) -> list[bytes]:
        """Only those of one block are held: its portions come one after the other, and memory is a promise too."""
        if self._block[0] is not block:
            self._block = (block, names(block.names, block.count))
        return self._block[1]


def _sliced(blocks: Sequence[Block]) -> list[list[tuple[Block, int, int]]]:
    """For each portion the rows in it: block, first row, row after the last."""
    slices: list[list[tuple[Block, int, int]]] = [[] for _ in range(PORTIONS)]
    count = sum(block.count for block in blocks)
    row = portion = 0
    for block in blocks:
        start = 0
        while start < block.count:
            while (edge := (portion + 1) * count // PORTIONS) <= row:
                portion += 1
            end = min(block.count, start + edge - row)
            slices[portion].append((block, start, end))
            row += end - start
            start = end
    return slices


def look(root: bytes, index: Index, blocks: Sequence[Block] | None = None) -> Looked:
    """What disagrees below ``root``: paths among the rows of ``blocks``, by default all; directories of ``index``."""
    return Audit(root, index, blocks).look()


def moved(root: bytes, index: Index) -> list[bytes]:
    """The directories of the index, b"" for the root, that changed their mtime or mode, or are gone."""
    return look(root, index, [])[1]


def unproven(index: Index, live: Index) -> list[Block]:
    """The rows of ``index`` that an audit of ``live`` says nothing of.

    A row is proven when ``live`` has a row of the same path and inode, and that agreed. What a checkout has of its own
    (empty files, links) is never proven by another.
    """
    blocks = []
    for name, block in index.blocks.items():
        twin = live.blocks.get(name)
        if twin is None or twin.shared != block.shared:
            blocks.append(block)
        elif twin.shared_inodes != block.shared_inodes:
            mine, theirs = block.columns[0], twin.columns[0]
            blocks.append(block.only([n for n in range(block.count) if n >= block.shared or mine[n] != theirs[n]]))
        elif block.count > block.shared:
            blocks.append(block.private())
    return blocks


def _open(root: bytes) -> int | None:
    """The directory to look below: paths relative to it are a seventh cheaper than absolute ones. None: it is gone."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _moved(place: int | None, paths: list[bytes], modes: list[int], mtimes: list[int]) -> list[bytes]:
    if place is None:
        return paths
    found = []
    lstat = os.lstat
    for path, mode, mtime in zip(paths, modes, mtimes):  # noqa: B905 (hot; decode checked)
        try:
            stat = lstat(path or b".", dir_fd=place)
        except OSError as error:
            if error.errno not in GONE:
                raise
            found.append(path)
            continue
        if stat.st_mtime_ns != mtime or stat.st_mode & 0o7777 != mode:
            found.append(path)
    return found


def _touched(place: int | None, paths: list[bytes], columns: list[list[int]]) -> list[bytes]:
    if place is None:
        return paths
    found = []
    lstat = os.lstat
    for path, ino, mtime, size, mode in zip(paths, *columns):  # noqa: B905 (hot; decode checked)
        try:
            stat = lstat(path, dir_fd=place)
        except OSError as error:
            if error.errno not in GONE:
                raise
            found.append(path)
            continue
        if stat.st_mtime_ns != mtime or stat.st_size != size or stat.st_mode != mode or (ino and stat.st_ino != ino):
            found.append(path)
    return found
