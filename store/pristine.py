"""Pristine copies: the bytes of guarded files, held where no checkout links to them.

An edit in place reaches every hardlink of a file, the object included. These copies are what an edited object is
rebuilt from: one zstd archive a segment, or reflinked plain copies where the filesystem shares blocks copy-on-write.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

from store import digest, disk, frames
from store.errors import Changed, Damaged
from store.named import NamedTuple
from store.tree import Entry

MAGIC = b"sysvenv pristine 1\n"
_FOOTER = struct.Struct("<QQ16s")  # offset and length of the table, its XXH3-128
FRAME = 1 << 20
"""Files are compressed together in frames of about this many bytes: good ratio, and one file costs one frame."""


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

    def archive_path(self, segment: str, number: int = 0) -> bytes:
        """Where the archive written for ``segment`` lies; from 1 on, those that were written for it later."""
        later = b".%d" % number if number else b""
        return b"%s/%s/%s%s.zst" % (self.root, segment[:2].encode(), segment[2:].encode(), later)

    def segment_of(self, archive: bytes) -> str:
        """The segment an archive was written for."""
        digits, name = archive.rsplit(b"/", 2)[-2:]
        return (digits + name.partition(b".")[0]).decode()

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

    def holds(self, content: str) -> bool:
        """Whether a copy of the content with that digest is kept, as far as tables tell; it is not read."""
        return os.path.lexists(self.copy_path(content)) or content in self._known_members()

    def names(self) -> Iterable[str]:
        """The digests of all contents in archives, as far as their tables can be read."""
        return self._known_members().keys()

    def archives(self) -> Iterator[bytes]:
        """The path of every archive."""
        for directory, directories, files in os.walk(self.root):
            for name in (*directories, *files):
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
                frame = frames.decompress(file.read(member.frame_length))
            except ValueError as error:
                raise Damaged(f"{os.fsdecode(member.archive)}: {error}.", "Run: sysvenv verify") from None
        return frame[member.offset : member.offset + member.size]

    def intact(self, members: Mapping[str, Member]) -> Iterator[dict[str, bytes]]:
        """The contents of an archive that are what their digests say, a frame at a time: each is unpacked once."""
        for inside in _framed(members):
            whole = max(member.offset + member.size for member in inside.values())
            try:
                frame = memoryview(self.extract(next(iter(inside.values()))._replace(offset=0, size=whole)))
            except (Damaged, OSError):
                continue
            pieces = {name: frame[member.offset : member.offset + member.size] for name, member in inside.items()}
            yield {name: bytes(piece) for name, piece in pieces.items() if digest.of_bytes(piece) == name}

    def renew(self, segment: str, sources: Iterable[tuple[Entry, bytes]], *, text_only: bool) -> bool:
        """Write the archive for ``segment`` anew, durably: what is intact in the one there is, and the files
        ``sources``, each with the entry it was found to be. Returns whether there was anything to write."""
        try:
            members = self.members(self.archive_path(segment))
        except (Damaged, OSError):
            members = {}  # there is none, or its table is lost: then nothing in it can be found
        with Archive(self, text_only=text_only) as archive:
            for contents in self.intact(members):
                archive.add_contents(contents)
            for entry, source in sources:
                archive.add(entry, source, None if entry.size > FRAME else disk.read(source))
            new = archive.finish(segment, replace=True)
        disk.barrier(self.root, new)
        return bool(new)

    def repack(self, archive: bytes, wanted: Collection[str]) -> bool:
        """Write an archive anew, durably, with only those of its contents that are ``wanted``.

        Frames that are wanted whole are copied as they are. False, and nothing happens, where it cannot be read.
        """
        with Archive(self, text_only=False) as packed, open(archive, "rb") as file:
            try:
                for frame in _framed(self.members(archive)):
                    left = {name: member for name, member in frame.items() if name in wanted}
                    if len(left) == len(frame):
                        packed.add_frame(frame, file)
                    elif left:
                        packed.add_contents(self._whole(left))
            except (Damaged, ValueError):
                return False
            packed.replace(archive)
        return True

    def _whole(self, members: Mapping[str, Member]) -> dict[str, bytes]:
        """Some contents of one frame. Raises ValueError where one is not what its digest says."""
        contents = next(self.intact(members), {})
        if contents.keys() != members.keys():
            raise ValueError("not all of them are intact")
        return contents

    def _candidates(self, content: str) -> Iterator[bytes]:
        try:
            yield disk.read(self.copy_path(content))
        except FileNotFoundError:
            pass
        for member in self._known_members().get(content, ()):
            try:
                yield self.extract(member)
            except Damaged:
                continue

    def _known_members(self) -> dict[str, list[Member]]:
        """The tables of all archives together."""
        if self._members is None:
            self._members = {}
            for archive in self.archives():
                try:
                    for name, member in self.members(archive).items():
                        self._members.setdefault(name, []).append(member)
                except (Damaged, OSError):
                    continue  # verify reports it; another archive may still hold the content
        return self._members

    def shares_blocks(self) -> bool:
        """Whether copies take no space, as the filesystem shares blocks; tried with a file of a block."""
        if self._reflinks is None:
            self._reflinks = disk.shares_blocks(self.root)
        return self._reflinks

    def reflink(self, content: str, source: bytes) -> bool:
        """Keep a copy of ``source``, whose digest is ``content``, that shares its blocks; False: they cannot be."""
        if self._reflinks is False:
            return False
        place = self.copy_path(content)
        if os.path.exists(place) and digest.of_bytes(disk.read(place)) == content:
            return True  # else a power cut took what was written to it
        disk.make_parent(place)
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
            self._hold(entry.digest, content)

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Add bytes, each by its digest."""
        for name, content in contents.items():
            if name not in self._seen:
                self._seen.add(name)
                self._hold(name, content)

    def add_frame(self, members: Mapping[str, Member], source: BinaryIO) -> None:
        """Add all contents of a frame of the archive ``source``, packed as they are."""
        self._flush()
        self._seen.update(members)
        first = next(iter(members.values()))
        source.seek(first.frame_offset)
        row = sorted((member.offset, name, member.size) for name, member in members.items())
        self._write_frame([(name, size) for _, name, size in row], frames.pieces(source, first.frame_length))

    def _hold(self, name: str, content: bytes) -> None:
        self._names.append((name, len(content)))
        self._parts.append(content)
        self._held += len(content)
        if self._held >= FRAME:
            self._flush()

    def finish(self, segment: str, *, replace: bool = False) -> list[bytes]:
        """Give the archive its name, unless one has it that is not to be replaced; returns the paths still to be made
        durable."""
        self._flush()
        place = self._pristine.archive_path(segment) if replace else self._place(segment)
        if self._file is None or place is None:
            return self._copies
        disk.make_parent(place)
        self._name(self._file, place, durable=replace)
        return [*self._copies, place]

    def replace(self, archive: bytes) -> None:
        """Take the place of an archive that is there, durably."""
        self._flush()
        if self._file is not None:
            self._name(self._file, archive, durable=True)

    def _name(self, file: BinaryIO, place: bytes, *, durable: bool) -> None:
        """Write the table and give the archive its name; what has that name goes in the same moment."""
        table = frames.compress(b"".join(self._rows))
        start = file.tell()
        file.write(table + _FOOTER.pack(start, len(table), bytes.fromhex(digest.of_bytes(table))))
        if durable:
            file.flush()
            os.fsync(file.fileno())
        file.close()
        os.rename(self._temporary, place)
        self._pristine.forget_members()

    def _place(self, segment: str) -> bytes | None:
        """A name that is free; None where one archive of the segment holds all of this already.

        It may hold less: what another segment's archive held at that time may have been swept since.
        """
        mine = {row[:32].decode() for row in self._rows}
        number = 0
        while os.path.exists(place := self._pristine.archive_path(segment, number)):
            if not self._pristine.is_whole(place):
                return place  # as a power cut left it
            if mine <= self._pristine.members(place).keys():
                return None
            number += 1
        return place

    def _flush(self) -> None:
        if self._parts:
            self._write_frame(self._names, [frames.compress(b"".join(self._parts))])
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
            self._write_frame([(entry.digest, entry.size)], frames.compressed(reading))
            if reading.digest() != entry.digest:
                raise _changed(path)

    def _write_frame(self, names: list[tuple[str, int]], packed: Iterable[bytes]) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._temporary, flags, 0o600), "wb")  # as files that are closed to others
            self._file.write(MAGIC)
        start, offset = self._file.tell(), 0
        for piece in packed:
            self._file.write(piece)
        length = self._file.tell() - start
        for name, size in names:
            self._rows.append(b"%s %d %d %d %d\n" % (name.encode(), start, length, offset, size))
            offset += size


def _framed(members: Mapping[str, Member]) -> Iterable[dict[str, Member]]:
    """The members of each frame."""
    grouped: dict[int, dict[str, Member]] = {}
    for name, member in members.items():
        grouped.setdefault(member.frame_offset, {})[name] = member
    return grouped.values()


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
    return frames.decompress(table)


def _row(line: bytes) -> tuple[str, list[int]]:
    name, *numbers = line.split()
    return name.decode("ascii"), [int(number) for number in numbers]
