"""The audit: does every file and directory of a checkout still answer lstat as its index says?

The price of undo is this loop, about 1.7 us a file; threads make it slower, so a large tree is shared with one forked
process. Nothing here reads contents: what lstat cannot see (a store through a mapping, an edit that puts the mtime
back) only ``verify`` finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from store.index import Block, Index

WORTH_A_FORK = 3000
"""Rows below which forking costs more than it saves."""


def look(root: bytes, index: Index, blocks: Sequence[Block]) -> tuple[list[bytes], list[bytes]]:
    """What disagrees below ``root``: paths among the rows of ``blocks`` (:func:`touched`), and directories of the
    index (:func:`moved`)."""
    rows = sum(block.count for block in blocks)
    ahead = len(index.directories)
    mine, theirs = _halves(blocks, (rows - ahead) // 2 if rows > ahead else 0)
    answer = _ask(root, theirs) if rows >= WORTH_A_FORK else lambda: _disagreeing(root, theirs)
    directories = moved(root, index)
    return _disagreeing(root, mine) + answer(), directories


def touched(root: bytes, blocks: Sequence[Block]) -> list[bytes]:
    """The paths among the rows of ``blocks`` whose lstat below ``root`` disagrees, or that are gone."""
    rows = sum(block.count for block in blocks)
    if rows < WORTH_A_FORK:
        return _disagreeing(root, blocks)
    mine, theirs = _halves(blocks, rows // 2)
    answer = _ask(root, theirs)
    return _disagreeing(root, mine) + answer()


def _ask(root: bytes, blocks: Sequence[Block]) -> Callable[[], list[bytes]]:
    """Let a forked process audit ``blocks``; the function returned waits for its answer."""

    def alone() -> list[bytes]:
        return _disagreeing(root, blocks)

    if (os.cpu_count() or 1) < 2:
        return alone
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no more processes, or no memory for one: it takes longer alone
        os.close(reader)
        os.close(writer)
        return alone
    if not child:
        _answer(root, blocks, writer)
    os.close(writer)

    def wait() -> list[bytes]:
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if status or not answer.endswith(b"\0\0"):
            return alone()
        return [path for path in answer.split(b"\0") if path]

    return wait


def moved(root: bytes, index: Index) -> list[bytes]:
    """The directories of the index, b"" for the root, that changed their mtime or mode, or are gone."""
    place = _open(root)
    if place is None:
        return list(index.directories)
    found = []
    lstat = os.lstat
    try:
        for path, (mode, mtime) in index.directories.items():
            try:
                stat = lstat(path or b".", dir_fd=place)
            except (FileNotFoundError, NotADirectoryError):
                found.append(path)
                continue
            if stat.st_mtime_ns != mtime or stat.st_mode & 0o7777 != mode:
                found.append(path)
    finally:
        os.close(place)
    return found


def _open(root: bytes) -> int | None:
    """The directory to look below: paths relative to it are a seventh cheaper than absolute ones. None: it is gone."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None


def unproven(index: Index, live: Index, suspicious: Iterable[bytes]) -> list[Block]:
    """The rows of ``index`` that an audit of ``live`` said nothing of, as blocks for :func:`touched`.

    A row is proven when ``live`` has a row of the same path and inode that was not ``suspicious``. What a checkout has
    of its own (empty files, links) is never proven by another.
    """
    doubted = set(suspicious)
    blocks = []
    for name, block in index.blocks.items():
        twin = live.blocks.get(name)
        if twin is None or twin.shared != block.shared:
            blocks.append(block)
        elif doubted or twin.shared_inodes != block.shared_inodes:
            mine, theirs = block.columns[0], twin.columns[0]
            blocks.append(
                block.only(
                    [
                        row
                        for row, path in enumerate(block.paths)
                        if row >= block.shared or theirs[row] != mine[row] or path in doubted
                    ]
                )
            )
        elif block.count > block.shared:
            blocks.append(block.private())
    return blocks


def _disagreeing(root: bytes, blocks: Iterable[Block]) -> list[bytes]:
    place = _open(root)
    if place is None:
        return [path for block in blocks for path in block.paths]
    found = []
    lstat = os.lstat
    try:
        for block in blocks:
            for path, ino, mtime, size, mode in zip(block.paths, *block.columns):  # noqa: B905 (hot; decode checked)
                try:
                    stat = lstat(path, dir_fd=place)
                except (FileNotFoundError, NotADirectoryError):
                    found.append(path)
                    continue
                if (
                    stat.st_mtime_ns != mtime
                    or stat.st_size != size
                    or stat.st_mode != mode
                    or (ino and stat.st_ino != ino)
                ):
                    found.append(path)
    finally:
        os.close(place)
    return found


def _halves(blocks: Sequence[Block], most: int) -> tuple[list[Block], list[Block]]:
    """The first ``most`` rows, and the others."""
    mine: list[Block] = []
    theirs: list[Block] = []
    held = 0
    for block in blocks:
        room = most - held
        if room >= block.count:
            mine.append(block)
        elif room > 0:
            mine.append(block.only(range(room)))
            theirs.append(block.only(range(room, block.count)))
        else:
            theirs.append(block)
        held += block.count
    return mine, theirs


def _answer(root: bytes, blocks: Sequence[Block], writer: int) -> None:
    """In the forked process: audit, write the paths, and end without running anything of the parent's."""
    status = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(b"\0".join(_disagreeing(root, blocks)) + b"\0\0")
        status = 0
    finally:
        os._exit(status)
