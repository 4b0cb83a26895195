"""The scan: what is in the directories that changed, compared with the index. By lstat only, no content is read."""

from __future__ import annotations

import errno
import os
import stat
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from store.audit import GONE
from store.errors import StoreError
from store.index import ANY, RACY, Block, Index
from store.named import NamedTuple
from store.row import Row, Seen
from store.tree import PLAIN_DIRECTORY

TRACKED = "tracked"
"""Part of the tree: recorded, hardlinked, rolled back."""
DATA = "data"
"""The user's: carried along as it is, like git's untracked files."""
OURS = "ours"
"""Laid into each checkout by the caller; in no manifest."""

FEW_DIRECTORIES = 30
"""Up to so many directories, their rows are searched for; looking at each row costs 10 ms where there are 34,000."""

Sort = Callable[[bytes, int], str]
"""Which of the three a path is, given its st_mode. For directories: whether an empty one is TRACKED or DATA."""


class Drift(NamedTuple):
    """How a checkout differs from its index."""

    changed: dict[bytes, Seen | None]
    """Tracked files and links that are new or answer lstat otherwise than expected; None: gone."""
    stated: dict[bytes, int | None]
    """Directories looked at -> the mode to state in an entry, None where no entry is needed (any more)."""
    found: Index
    """The index with the directories and the user's files that there are now; the rows are as they were."""

    @property
    def directories(self) -> dict[bytes, tuple[int, int]]:
        """Every directory there is now, as in the index."""
        return self.found.directories

    @property
    def data(self) -> dict[bytes, int]:
        """Every file of the user's there is now, as in the index."""
        return self.found.data

    def __bool__(self) -> bool:
        return bool(self.changed)


def unchanged(index: Index) -> Drift:
    """The drift of a checkout in which an audit found nothing that disagrees."""
    return Drift({}, {}, index)


def survey(root: bytes, index: Index, touched: Iterable[bytes], moved: Iterable[bytes], sort: Sort) -> Drift:
    """What became of ``touched`` rows, and what stands in the ``moved`` directories and new ones below them."""
    try:
        return _Survey(root, index, sort).run(touched, moved)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        place = os.fsdecode(error.filename or root)
        raise StoreError(
            f"A path in the environment is longer than the system takes: {place[:100]}... ({len(place):,} characters).",
            "Move it out of the environment, or give what is above it shorter names; nothing was changed.",
        ) from error


class _Survey:
    """The state of one survey: what is being put together for its Drift."""

    def __init__(self, root: bytes, index: Index, sort: Sort) -> None:
        self.root = root
        self.index = index
        self.sort = sort
        self.changed: dict[bytes, Seen | None] = {}
        self.stated: dict[bytes, int | None] = {}
        self.directories = dict(index.directories)
        self.data = dict(index.data)

    def run(self, touched: Iterable[bytes], moved: Iterable[bytes]) -> Drift:
        waiting = sorted(moved, reverse=True)  # parents before what is in them
        known = self._known_below(set(waiting))
        while waiting:
            directory = waiting.pop()
            found = self._lstat(directory)
            if found is not None and stat.S_ISDIR(found.st_mode):
                waiting += self._scan(directory, found, known.get(directory, {}))
                continue
            self._gone(directory, known.get(directory, {}))
            if found is not None:
                below = directory + b"/" if directory else b""
                self._all_gone(below)
                waiting = [path for path in waiting if not path.startswith(below)]
        for path in touched:
            if path not in self.changed:
                self._compare(path, self._lstat(path))
        index = self.index.replace(directories=self.directories, data=self.data)
        return Drift(self.changed, self.stated, index)

    def _known_below(self, directories: set[bytes]) -> dict[bytes, dict[bytes, Row | None]]:
        """The rows, and (None) the data files, that should stand directly in each of ``directories``."""
        known: dict[bytes, dict[bytes, Row | None]] = {directory: {} for directory in directories}
        if not directories:
            return known
        for block in self.index.blocks.values():
            for number in _rows_in(block, directories):
                path = block.paths[number]
                known[_parent(path)][path] = Row(*(column[number] for column in block.columns))
        for path in self.index.data:
            if _parent(path) in directories:
                known[_parent(path)][path] = None
        return known

    def _lstat(self, path: bytes) -> os.stat_result | None:
        try:
            return os.lstat(os.path.join(self.root, path) if path else self.root)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return None

    def _gone(self, directory: bytes, expected: dict[bytes, Row | None]) -> None:
        self.directories.pop(directory, None)
        self.stated[directory] = None
        self._missing(expected)

    def _all_gone(self, below: bytes) -> None:
        """Where a directory was, a link may lead to one that looks the same: nothing in there is the tree's."""
        for directory in [path for path in self.directories if path.startswith(below)]:
            self._gone(directory, {})
        for block in self.index.blocks.values():
            self.changed.update((path, None) for path in block.paths if path.startswith(below))
        self.data = {path: ino for path, ino in self.data.items() if not path.startswith(below)}

    def _missing(self, expected: Iterable[bytes]) -> None:
        for path in expected:
            if self.data.pop(path, None) is None:
                self.changed[path] = None

    def _scan(self, directory: bytes, found: os.stat_result, expected: dict[bytes, Row | None]) -> list[bytes]:
        """Compare one directory with what should stand in it; returns the new directories below it."""
        now = time.time_ns()
        unseen = dict(expected)
        tracked = data = subdirectories = 0
        new: list[bytes] = []
        with os.scandir(os.path.join(self.root, directory) if directory else self.root) as names:
            for name in names:
                path = directory + b"/" + name.name if directory else name.name
                if name.is_dir(follow_symlinks=False):
                    subdirectories += 1
                    if path not in self.directories:
                        new.append(path)
                    continue
                row = unseen.pop(path, None)
                kind = self._sort_file(path, name, row)
                tracked += kind == TRACKED
                data += kind == DATA
        self._missing(unseen)
        mode = stat.S_IMODE(found.st_mode)
        mtime = ANY if found.st_mtime_ns >= now - RACY else found.st_mtime_ns
        self.directories[directory] = (mode, mtime)
        implied = bool(tracked or subdirectories)
        self._state(directory, mode, implied=implied, empty=not implied and not data)
        return new

    def _state(self, directory: bytes, mode: int, *, implied: bool, empty: bool) -> None:
        """An entry is needed for a directory that no path below implies, or whose mode is out of the ordinary."""
        if empty:
            needed = self.sort(directory, stat.S_IFDIR | mode) == TRACKED
        else:
            needed = implied and mode != PLAIN_DIRECTORY
        self.stated[directory] = mode if needed and directory else None

    def _sort_file(self, path: bytes, name: os.DirEntry[bytes], row: Row | None) -> str:
        found = name.stat(follow_symlinks=False)
        if row is not None and row.agrees(found):
            return TRACKED
        return self._compare(path, found, row)

    def _compare(self, path: bytes, found: os.stat_result | None, row: Row | None = None) -> str:
        if found is None:
            self.changed[path] = None
            return TRACKED
        if stat.S_ISDIR(found.st_mode):
            self.changed[path] = None
            return DATA
        kind = self.sort(path, found.st_mode)
        if kind == DATA:
            self.data[path] = found.st_ino
            if row is not None:
                self.changed[path] = None
        elif kind == TRACKED:
            self.changed[path] = Seen.by(found)
            self.data.pop(path, None)
        return kind


def _rows_in(block: Block, directories: set[bytes]) -> Iterator[int]:
    """The numbers of the rows that stand directly in one of ``directories``."""
    paths = block.paths
    if len(directories) > FEW_DIRECTORIES:
        yield from (number for number, path in enumerate(paths) if _parent(path) in directories)
        return
    for directory in directories:
        for first, last in ((0, block.shared), (block.shared, block.count)):
            yield from _sorted_in(paths, first, last, directory + b"/" if directory else b"")


def _sorted_in(paths: Sequence[bytes], first: int, last: int, below: bytes) -> Iterator[int]:
    """The numbers from ``first`` to before ``last`` of the paths directly ``below``; these are sorted, so what stands
    deeper is jumped over."""
    number = bisect_left(paths, below, first, last)
    while number < last and paths[number].startswith(below):
        deeper = paths[number].find(b"/", len(below))
        if deeper < 0:
            yield number
            number += 1
        else:
            number = bisect_left(paths, paths[number][:deeper] + b"0", number, last)  # "0" comes after "/"


def _parent(path: bytes) -> bytes:
    return path[: max(path.rfind(b"/"), 0)]
