"""A row of an index as a value: what lstat must answer for one file or link."""

import os
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from store.index import ANY, Block, Index, chosen
from store.tree import lacks_only_those


class Seen(NamedTuple):
    """What lstat answered of one file or link, as far as it matters: an os.stat_result takes 700 bytes."""

    st_ino: int
    st_mtime_ns: int
    st_size: int
    st_mode: int

    @classmethod
    def by(cls, found: os.stat_result) -> "Seen":
        """The same, in a third of the memory."""
        return cls(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)


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
            and lacks_only_those(found.st_mode, self.mode)
            and (not self.ino or found.st_ino == self.ino)
        )

    def looks_like(self, found: Seen) -> bool:
        """Whether ``found`` may be the same content in another inode, or in one too young to be sure of."""
        return (
            found.st_mtime_ns == self.mtime
            and lacks_only_those(found.st_mode, self.mode)
            and self.size in (found.st_size, ANY)
        )


def rows(blocks: Iterable[Block]) -> Iterator[tuple[bytes, Row]]:
    """Each path with its row."""
    for block in blocks:
        for path, *numbers in zip(block.paths, *block.columns, strict=True):
            yield path, Row(*numbers)


def rows_of(index: Index, wanted: Collection[bytes]) -> dict[bytes, Row]:
    """The rows of some paths; paths without one are left out."""
    return dict(rows(chosen(index.blocks.values(), wanted)))
