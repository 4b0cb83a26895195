"""Bundles: one state of a tree in one file, everything it needs included. FORMAT.md says what is where.

A bundle may come from anybody. Whatever it says is compared, counted and bounded before any of it is used, it is read
from end to end before any of it is written, and nothing in it goes unread: each byte belongs to something named.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from store import digest, disk, frames, manifests, segments, untrusted
from store.errors import Refused
from store.manifests import Manifest
from store.named import NamedTuple
from store.objects import write_file
from store.tree import DIRECTORY, LINK, NOT_RESTORED, PLAIN_DIRECTORY, Entry, parents

MAGIC = b"sysvenv bundle 1\n"
NAMED = b"sysvenv bundle "
"""How a bundle of any version begins."""
FOOTER = struct.Struct("<QQQ16s16s")
"""Offset, length and unpacked size of the table's frame, the manifest's name, the XXH3-128 of all bytes before that."""
ROW = b"%s %d %d %d %d\n"
"""A content's digest, the offset and length of its frame, its offset in that, its size: as in a pristine archive."""
FRAME = 1 << 20
"""Contents are packed together in frames of about this many bytes, so that memory is bounded on both sides."""
_LARGEST_TABLE = 1 << 27
_LARGEST_FRAME = 2 * FRAME
"""Unless it holds one content alone, which is unpacked a piece at a time."""
_LARGEST_DESCRIPTION = 1 << 27
"""Bytes of the manifest and all segments: what is held in memory."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""
Value = TypeVar("Value")


class Content(NamedTuple):
    """What a frame holds."""

    digest: str
    size: int


class Frame(NamedTuple):
    """Where contents lie."""

    offset: int
    length: int
    contents: tuple[Content, ...]

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return sum(content.size for content in self.contents)


Take = Callable[[bytes], object]
Receiver = Callable[[Content], AbstractContextManager[Take]]
"""What becomes of a content: a ``with`` block around being handed its pieces."""


class Bundle:
    """An open bundle that was found to be sound but for its contents. Use it as a ``with`` block."""

    def __init__(self, path: bytes) -> None:
        """Read ``path`` from end to end and take in what it says it holds. Raises Refused, and OSError."""
        self.path = path
        self.sha256 = ""
        """Of the whole file, for people to compare."""
        self.name = ""
        """The manifest's."""
        self._file = open(path, "rb")  # noqa: SIM115  closed by __exit__
        try:
            self._frames = self._trusted(self._read_frames)
            self.manifest, self.tree = self._trusted(self._read_description)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the contents, each counted once."""
        return sum(frame.size for frame in self._frames)

    @property
    def laid_out_size(self) -> int:
        """Bytes of all files: many may have one content."""
        return sum(entry.size for entry in self.tree.values())

    def verify(self, progress: Progress | None = None) -> None:
        """Unpack everything and compare it with its digests; nothing is written. Raises Refused."""
        self._trusted(lambda: self._visit(_nowhere, progress))

    def lay_out(self, root: bytes, progress: Progress | None = None) -> None:
        """Write the tree below ``root``, which must not exist. Raises Refused (the file changed meanwhile), OSError.

        Links come last, so that nothing is ever written through one.
        """
        os.mkdir(root, 0o700)
        os.chmod(root, PLAIN_DIRECTORY)
        for directory in sorted(_directories(self.tree)):
            os.mkdir(os.path.join(root, directory), 0o700)
        places: dict[str, list[tuple[bytes, Entry]]] = {}
        for path, entry in self.tree.items():
            if entry.has_object:
                places.setdefault(entry.digest, []).append((os.path.join(root, path), entry))
            elif entry.kind not in (DIRECTORY, LINK):
                write_file(os.path.join(root, path), b"", entry)
        self._trusted(lambda: self._visit(lambda content: _writing(places[content.digest]), progress))
        for path, entry in self.tree.items():
            if entry.kind == LINK:
                place = os.path.join(root, path)
                os.symlink(entry.target, place)
                os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
        for directory in sorted(_directories(self.tree), reverse=True):
            entry = self.tree.get(directory, Entry(DIRECTORY, PLAIN_DIRECTORY))
            os.chmod(os.path.join(root, directory), entry.mode)

    def _trusted(self, work: Callable[[], Value]) -> Value:
        """What ``work`` returns; what it finds wrong ends in one sentence."""
        try:
            return work()
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, EOFError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"it makes no sense ({error!r})"
            raise Refused(
                f"{os.fsdecode(self.path)} is refused: {reason}. Nothing of it was used.",
                "Have it made and sent again: sysvenv share",
            ) from None

    def _read_frames(self) -> list[Frame]:
        end = self._digested()
        self._file.seek(end - FOOTER.size)
        start, length, size, name, _ = FOOTER.unpack(self._file.read(FOOTER.size))
        self.name = name.hex()
        if start < len(MAGIC) or start + length != end - FOOTER.size or size > _LARGEST_TABLE:
            raise ValueError("its table is not where it says")
        self._file.seek(start)
        table = b"".join(frames.unpacked(frames.pieces(self._file, length), size))
        return _frames(table, start)

    def _digested(self) -> int:
        """The length of the file, whose bytes are what its end says they are."""
        if not (head := self._file.read(len(MAGIC))).startswith(NAMED):
            raise ValueError("it is no bundle of sysvenv")
        if head != MAGIC:
            raise ValueError("it is a bundle of another version, and this sysvenv reads version 1")
        end = self._file.seek(0, os.SEEK_END)
        if end < len(MAGIC) + FOOTER.size:
            raise ValueError("it is cut short")
        self._file.seek(0)
        whole, left = digest.Running(), end - 16
        sha256 = hashlib.sha256()
        while left and (piece := self._file.read(min(left, digest.CHUNK))):
            whole.update(piece)
            sha256.update(piece)
            left -= len(piece)
        last = self._file.read(16)
        sha256.update(last)
        if left or bytes.fromhex(whole.digest()) != last:
            raise ValueError("it was changed or cut short on its way")
        self.sha256 = sha256.hexdigest()
        return end

    def _read_description(self) -> tuple[Manifest, dict[bytes, Entry]]:
        """The manifest and the tree. Afterwards only contents of files are left in the frames, and all of them."""
        remaining = iter(self._frames)
        manifest = manifests.decode(self._described(remaining, self.name, 0))
        _check_parts(manifest)
        tree: dict[bytes, Entry] = {}
        held = 0
        for part in manifest.parts:
            encoded = self._described(remaining, part.segment, held)
            held += len(encoded)
            if len(tree) + encoded.count(b"\0") > untrusted.MOST_ENTRIES:
                raise ValueError("it lists too many files")
            entries = segments.decode(encoded)
            if segments.encode(entries) != encoded:
                raise ValueError(f"its segment {part.segment} names a path twice, or in another order")
            twice = tree.keys() & entries.keys()
            if twice:
                raise ValueError(f"it holds {min(twice)!r} twice")
            tree.update(entries)
        untrusted.check(tree)
        self._frames = list(remaining)
        _check_contents(self._frames, tree)
        return manifest, tree

    def _described(self, remaining: Iterator[Frame], name: str, held: int) -> bytes:
        """The content of the next frame, which must be the one of that name alone; ``held`` bytes are in memory."""
        frame = next(remaining, None)
        if frame is None or [content.digest for content in frame.contents] != [name]:
            raise ValueError("what describes it is not where it should be")
        if held + frame.size > _LARGEST_DESCRIPTION:
            raise ValueError("what describes it is too large")
        content = b"".join(self._unpacked(frame))
        if digest.of_bytes(content) != name:
            raise ValueError(f"{name} in it is not what its digest says")
        return content

    def _unpacked(self, frame: Frame) -> Iterator[bytes]:
        self._file.seek(frame.offset)
        return frames.unpacked(frames.pieces(self._file, frame.length), frame.size)

    def _visit(self, receiver: Receiver, progress: Progress | None) -> None:
        """Unpack every content, hand its pieces to the receiver made for it, and compare it with its digest."""
        done, total = 0, self.size
        for frame in self._frames:
            if len(frame.contents) == 1:
                _receive(frame.contents[0], self._unpacked(frame), receiver)
            else:
                whole, start = b"".join(self._unpacked(frame)), 0
                for content in frame.contents:
                    _receive(content, [whole[start : start + content.size]], receiver)
                    start += content.size
            done += frame.size
            if progress is not None:
                progress(done, total)


def _receive(content: Content, pieces: Iterable[bytes], receiver: Receiver) -> None:
    found = digest.Running()
    with receiver(content) as take:
        for piece in pieces:
            found.update(piece)
            take(piece)
    if found.digest() != content.digest:
        raise ValueError(f"the content {content.digest} in it is not what its digest says")


@contextmanager
def _nowhere(content: Content) -> Iterator[Take]:
    yield len


@contextmanager
def _writing(places: Sequence[tuple[bytes, Entry]]) -> Iterator[Take]:
    """New files with one content, each with the mode and mtime of its entry."""
    with ExitStack() as opened:
        files = []
        for place, entry in places:
            fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            opened.callback(os.close, fd)
            files.append((fd, entry))

        def take(piece: bytes) -> None:
            for fd, _ in files:
                disk.write_whole(fd, piece)

        yield take
        for fd, entry in files:
            os.fchmod(fd, entry.mode & ~NOT_RESTORED)
            os.utime(fd, ns=(entry.mtime, entry.mtime))


def _frames(table: bytes, end: int) -> list[Frame]:
    """The frames a table tells of. They must follow each other from the beginning to ``end``, without a gap."""
    found: list[Frame] = []
    seen: set[bytes] = set()
    place = len(MAGIC)
    for line in table.splitlines(keepends=True):
        name, *numbers = line.split()
        offset, length, inside, size = map(int, numbers)
        if ROW % (name, offset, length, inside, size) != line or name in seen or size < 1 or length < 1:
            raise ValueError("its table makes no sense")
        seen.add(name)
        content = Content(name.decode("ascii"), size)
        if inside == 0 and offset == place:
            found.append(Frame(offset, length, (content,)))
            place += length
        elif found and (offset, length, inside) == (found[-1].offset, found[-1].length, found[-1].size):
            found[-1] = Frame(offset, length, (*found[-1].contents, content))
            if found[-1].size > _LARGEST_FRAME:
                raise ValueError("its table tells of a frame that is too large")
        else:
            raise ValueError("its table does not tell what is where")
    if place != end:
        raise ValueError("it holds something that its table does not tell of")
    return found


def _check_parts(manifest: Manifest) -> None:
    for part in manifest.parts:
        words = (part.owner, part.kind, part.segment)
        if not all(isinstance(word, str) for word in words) or not isinstance(part.guarded, bool):
            raise ValueError("its manifest makes no sense")
    if len({(part.owner, part.kind) for part in manifest.parts}) < len(manifest.parts):
        raise ValueError("its manifest names a part twice")
    if not isinstance(manifest.about, dict):
        raise ValueError("its manifest makes no sense")


def _check_contents(found: Iterable[Frame], tree: dict[bytes, Entry]) -> None:
    """The contents there are must be those the files need: no more, no fewer, no others."""
    sizes = {content.digest: content.size for frame in found for content in frame.contents}
    needed = set()
    for path, entry in tree.items():
        if entry.has_object:
            needed.add(entry.digest)
            if sizes.get(entry.digest) != entry.size:
                raise ValueError(f"it lacks the content of {path!r}")
    if sizes.keys() != needed:
        raise ValueError("it holds contents that no file of it has")


def _directories(tree: dict[bytes, Entry]) -> set[bytes]:
    """Every directory the entries need."""
    stated = {path for path, entry in tree.items() if entry.kind == DIRECTORY}
    return stated.union(*({*parents(path)} for path in tree)) if tree else stated
