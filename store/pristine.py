"""Pristine copies: the bytes of guarded files, held where no checkout links to them.

An edit in place reaches every hardlink of a file, the object included. These copies are what an edited object is
rebuilt from: one zstd archive a segment, or reflinked plain copies where the filesystem shares blocks copy-on-write.
"""

import os
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from store import digest, disk
from store.errors import Changed, Damaged
from store.tree import Entry

MAGIC = b"sysvenv pristine 1\n"
_FOOTER = struct.Struct("<QQ16s")  # offset and length of the table, its XXH3-128
FRAME = 1 << 20
"""Files are compressed together in frames of about this many bytes: good ratio, and one file costs one frame."""
LEVEL = 3


class Member(NamedTuple):
    """Where one content lies in an archive."""

    archive: bytes
    frame_offset: int
    frame_length: int
    offset: int
    size: int


def is_text(content: bytes) -> bool:
    """git's rule: no NUL in the first 8000 bytes."""
    return b"\0" not in content[:8000]


class Pristine:
    """The copies below one directory: ``ab/<30 hex>.zst`` named by segment, ``ab/<30 hex>`` by content."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self._reflinks: bool | None = None
        self._members: dict[str, list[Member]] | None = None

    def archive_path(self, segment: str) -> bytes:
        """Where the archive written for ``segment`` lies."""
        return b"%s/%s/%s.zst" % (self.root, segment[:2].encode(), segment[2:].encode())

    def copy_path(self, content: str) -> bytes:
        """Where the reflinked copy of the content with that digest lies."""
        return b"%s/%s/%s" % (self.root, content[:2].encode(), content[2:].encode())

    def keep(self, segment: str, files: Iterable[tuple[Entry, bytes]], *, text_only: bool) -> list[bytes]:
        """Copy the files ``(entry, path to read)`` for ``segment``; returns the paths still to be made durable."""
        wanted = {entry.digest: path for entry, path in files}
        shared = {name for name in sorted(wanted) if self._reflink(name, wanted[name])}
        copied = [self.copy_path(name) for name in sorted(shared)]
        rest = {name: path for name, path in wanted.items() if name not in shared}
        archive = self.archive_path(segment)
        if rest and not os.path.exists(archive) and self._write_archive(archive, rest, text_only):
            copied.append(archive)
        self._members = None
        return copied

    def read(self, content: str) -> bytes | None:
        """The bytes with that digest, verified; None where no intact copy is kept."""
        for candidate in self._candidates(content):
            if digest.of_bytes(candidate) == content:
                return candidate
        return None

    def archives(self) -> Iterator[bytes]:
        """The path of every archive."""
        for directory, _, names in os.walk(self.root):
            for name in names:
                if name.endswith(b".zst"):
                    yield os.path.join(directory, name)

    def members(self, archive: bytes) -> dict[str, Member]:
        """The table of one archive: digest -> member. Raises Damaged when it cannot be believed."""
        with open(archive, "rb") as file:
            try:
                table = _read_table(file)
                return {name: Member(archive, *numbers) for name, numbers in map(_row, table.splitlines())}
            except (ValueError, TypeError, struct.error, OSError, EOFError) as error:
                raise Damaged(f"{os.fsdecode(archive)} is damaged: {error}.", "Run: sysvenv verify") from None

    def extract(self, member: Member) -> bytes:
        """The bytes of a member, not yet compared with their digest. Raises Damaged."""
        with open(member.archive, "rb") as file:
            file.seek(member.frame_offset)
            try:
                frame = _decompress(file.read(member.frame_length))
            except ValueError as error:
                raise Damaged(f"{os.fsdecode(member.archive)}: {error}.", "Run: sysvenv verify") from None
        return frame[member.offset : member.offset + member.size]

    def _candidates(self, content: str) -> Iterator[bytes]:
        try:
            yield disk.read(self.copy_path(content))
        except FileNotFoundError:
            pass
        if self._members is None:
            self._members = {}
            for archive in self.archives():
                try:
                    for name, member in self.members(archive).items():
                        self._members.setdefault(name, []).append(member)
                except Damaged:
                    continue  # verify reports it; another archive may still hold the content
        for member in self._members.get(content, ()):
            try:
                yield self.extract(member)
            except Damaged:
                continue

    def _reflink(self, content: str, source: bytes) -> bool:
        if self._reflinks is False:
            return False
        place = self.copy_path(content)
        if os.path.exists(place):
            return True
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        temporary = b"%s.%d.%d.tmp" % (place, os.getpid(), threading.get_ident())  # two threads may want one content
        with open(source, "rb") as original:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                works = self._reflinks = disk.reflink(original.fileno(), fd)
                matches = works and digest.of_open_file(fd)[0] == content
            finally:
                os.close(fd)
        if not works:
            disk.discard(temporary)
            return False
        if not matches:
            disk.discard(temporary)
            raise Changed(f"{os.fsdecode(source)} is being written right now.", "Try again when that is done.")
        os.rename(temporary, place)
        return True

    def _write_archive(self, archive: bytes, wanted: dict[str, bytes], text_only: bool) -> bool:
        os.makedirs(os.path.dirname(archive), mode=0o700, exist_ok=True)
        temporary = archive + b".%d.tmp" % os.getpid()
        rows: list[bytes] = []
        try:
            with open(temporary, "wb") as file:
                file.write(MAGIC)
                for names, frame in _frames(wanted, text_only):
                    packed = _compress(frame)
                    start, offset = file.tell(), 0
                    for name, size in names:
                        rows.append(b"%s %d %d %d %d\n" % (name.encode(), start, len(packed), offset, size))
                        offset += size
                    file.write(packed)
                table = _compress(b"".join(rows))
                start = file.tell()
                file.write(table + _FOOTER.pack(start, len(table), bytes.fromhex(digest.of_bytes(table))))
            if rows:
                os.rename(temporary, archive)
        finally:
            disk.discard(temporary)
        return bool(rows)


def _frames(wanted: dict[str, bytes], text_only: bool) -> Iterator[tuple[list[tuple[str, int]], bytes]]:
    """Group contents, in order of their paths (like lies beside like), into frames of about FRAME bytes."""
    names: list[tuple[str, int]] = []
    parts: list[bytes] = []
    held = 0
    for name, path in sorted(wanted.items(), key=lambda item: item[1]):
        content = disk.read(path)
        if digest.of_bytes(content) != name:
            raise Changed(f"{os.fsdecode(path)} is being written right now.", "Try again when that is done.")
        if text_only and not is_text(content):
            continue
        names.append((name, len(content)))
        parts.append(content)
        held += len(content)
        if held >= FRAME:
            yield names, b"".join(parts)
            names, parts, held = [], [], 0
    if names:
        yield names, b"".join(parts)


def _read_table(file: BinaryIO) -> bytes:
    """The table at the end of an archive. Raises ValueError when it is not one, or not what its digest says."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("not a pristine archive of version 1")
    end = file.seek(-_FOOTER.size, os.SEEK_END)
    start, length, name = _FOOTER.unpack(file.read(_FOOTER.size))
    if start + length != end:
        raise ValueError("its table does not end where its footer begins")
    file.seek(start)
    table = file.read(length)
    if digest.of_bytes(table) != name.hex():
        raise ValueError("its table does not match its digest")
    return _decompress(table)


def _row(line: bytes) -> tuple[str, list[int]]:
    name, *numbers = line.split()
    return name.decode("ascii"), [int(number) for number in numbers]


def _compress(content: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(content, LEVEL)


def _decompress(content: bytes) -> bytes:
    """Raises ValueError for what is not zstd, or is cut short."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        return zstd.decompress(content)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError(str(error)) from None
