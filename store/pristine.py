"""Pristine copies: the bytes of guarded files, held where no checkout links to them.

An edit in place reaches every hardlink of a file, the object included. These copies are what an edited object is
rebuilt from: one zstd archive a segment, or reflinked plain copies where the filesystem shares blocks copy-on-write.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
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

    def archive(self, *, text_only: bool) -> Archive:
        """Begin an archive; ``text_only`` leaves binaries out."""
        return Archive(self, text_only)

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

    def reflink(self, content: str, source: bytes) -> bool:
        """Keep a copy of ``source``, whose digest is ``content``, that shares its blocks; False: they cannot be."""
        if self._reflinks is False:
            return False
        place = self.copy_path(content)
        if os.path.exists(place) and digest.of_bytes(disk.read(place)) == content:
            return True  # else a power cut took what was written to it
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        temporary = b"%s.%d.tmp" % (place, os.getpid())
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
            raise _changed(source)
        os.rename(temporary, place)
        return True

    def is_whole(self, archive: bytes) -> bool:
        """Whether all contents of an archive are what its table says. One that a power cut met early may be empty."""
        try:
            return all(digest.of_bytes(self.extract(member)) == name for name, member in self.members(archive).items())
        except (Damaged, FileNotFoundError):
            return False

    def forget_members(self) -> None:
        """What archives there are, and what is in them, is read anew when it is asked for next."""
        self._members = None


class Archive:
    """The archive of one segment, while it is written. Add contents in the order of their paths: like lies beside like.

    Its name, the segment's, is known only at the end. Use it as a ``with`` block: what is not finished leaves nothing.
    Where the filesystem shares blocks, contents become plain copies instead.
    """

    def __init__(self, pristine: Pristine, text_only: bool) -> None:
        self._pristine = pristine
        self._text_only = text_only
        self._temporary = b"%s/%d.tmp" % (pristine.root, os.getpid())
        self._file: BinaryIO | None = None
        self._seen: set[str] = set()
        self._copies: list[bytes] = []
        self._names: list[tuple[str, int]] = []
        self._parts: list[bytes] = []
        self._held = 0
        self._rows: list[bytes] = []

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            disk.discard(self._temporary)

    def add(self, entry: Entry, path: bytes, content: bytes | None) -> None:
        """Add the file ``entry`` at ``path``; ``content`` is what was read of it, None where that is a lot."""
        if entry.digest in self._seen:
            return
        self._seen.add(entry.digest)
        if self._pristine.reflink(entry.digest, path):
            self._copies.append(self._pristine.copy_path(entry.digest))
        elif content is None:
            self._add_large(entry, path)
        elif not self._text_only or is_text(content):
            self._names.append((entry.digest, len(content)))
            self._parts.append(content)
            self._held += len(content)
            if self._held >= FRAME:
                self._flush()

    def finish(self, segment: str) -> list[bytes]:
        """Give the archive its name; returns the paths still to be made durable."""
        self._pristine.forget_members()
        self._flush()
        place = self._pristine.archive_path(segment)
        if self._file is None or self._pristine.is_whole(place):
            return self._copies
        table = _compress(b"".join(self._rows))
        start = self._file.tell()
        self._file.write(table + _FOOTER.pack(start, len(table), bytes.fromhex(digest.of_bytes(table))))
        self._file.close()
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        os.rename(self._temporary, place)
        return [*self._copies, place]

    def _flush(self) -> None:
        if self._parts:
            self._write_frame(self._names, [_compress(b"".join(self._parts))])
            self._names, self._parts, self._held = [], [], 0

    def _add_large(self, entry: Entry, path: bytes) -> None:
        """A frame of its own, compressed while it is read: nothing holds such a file whole."""
        with open(path, "rb", buffering=0) as source:
            head = source.read(8000)
            if self._text_only and not is_text(head):
                return
            self._flush()
            source.seek(0)
            reading = digest.Reading(source.fileno())
            self._write_frame([(entry.digest, entry.size)], _compressed(reading))
            if reading.digest() != entry.digest:
                raise _changed(path)

    def _write_frame(self, names: list[tuple[str, int]], packed: Iterable[bytes]) -> None:
        if self._file is None:
            self._file = open(self._temporary, "wb")  # noqa: SIM115  closed by finish or __exit__
            self._file.write(MAGIC)
        start, offset = self._file.tell(), 0
        for piece in packed:
            self._file.write(piece)
        length = self._file.tell() - start
        for name, size in names:
            self._rows.append(b"%s %d %d %d %d\n" % (name.encode(), start, length, offset, size))
            offset += size


def _changed(path: bytes) -> Changed:
    return Changed(f"{os.fsdecode(path)} is being written right now.", "Try again when that is done.")


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
    packed: bytes = _zstd().compress(content, LEVEL)
    return packed


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One frame of all ``pieces``, a piece at a time."""
    compressor = _zstd().ZstdCompressor(LEVEL)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _decompress(content: bytes) -> bytes:
    """Raises ValueError for what is not zstd, or is cut short."""
    zstd = _zstd()
    try:
        unpacked: bytes = zstd.decompress(content)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError(str(error)) from None
    return unpacked


def _zstd() -> ModuleType:
    """Imported when it is wanted: undo hardly ever does."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
