"""Bundling: a state is written into one file. Equal states give equal bytes, as long as zstd packs alike."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from store import digest, frames, manifests, segments
from store.bundle import FOOTER, FRAME, MAGIC, ROW, Progress
from store.errors import Changed, Damaged
from store.manifests import Manifest, Part
from store.named import NamedTuple
from store.store import Store
from store.tree import Entry, Tree


class Share(NamedTuple):
    """One part of the state: what becomes a segment of the bundle."""

    owner: str
    kind: str
    tree: Tree


class Written(NamedTuple):
    """A bundle that was written."""

    size: int
    """Bytes of the file."""
    sha256: str
    """Of the file."""


def content(store: Store, entry: Entry) -> Iterator[bytes]:
    """The bytes of a file of some state, a piece at a time: from its object or, where that was edited in place, from
    its pristine copy. Raises Damaged where neither is intact."""
    try:
        fd = os.open(store.objects.path(entry), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        fd = -1
    if fd >= 0:
        with os.fdopen(fd, "rb", buffering=0):
            if digest.of_open_file(fd) == (entry.digest, entry.size):
                os.lseek(fd, 0, os.SEEK_SET)
                yield from digest.Reading(fd)
                return
    copy = store.pristine.read(entry.digest)
    if copy is None:
        raise Damaged(f"No intact copy of {entry.object_name} is left.", "Run: sysvenv verify")
    yield copy


def write(
    file: BinaryIO,
    about: dict[str, Any],
    shares: Sequence[Share],
    pieces: Callable[[Entry], Iterable[bytes]],
    progress: Progress | None = None,
) -> Written:
    """Write a bundle. ``pieces`` gives the content of a file entry, and raises what it likes where it cannot."""
    writing = _Writing(file)
    encoded = [segments.encode(share.tree) for share in shares]
    parts = (
        Part(share.owner, share.kind, digest.of_bytes(segment), guarded=True)
        for share, segment in zip(shares, encoded, strict=True)
    )
    manifest = manifests.encode(Manifest(tuple(parts), about))
    for described in (manifest, *encoded):
        writing.alone(digest.of_bytes(described), len(described), [described])
    done, wanted = 0, _contents(shares)
    total = sum(entry.size for entry in wanted)
    for entry in wanted:
        if entry.size > FRAME:
            writing.alone(entry.digest, entry.size, pieces(entry))
        else:
            writing.together(entry.digest, b"".join(_as_named(entry.digest, pieces(entry))))
        done += entry.size
        if progress is not None:
            progress(done, total)
    return writing.finish(digest.of_bytes(manifest))


def _contents(shares: Iterable[Share]) -> list[Entry]:
    """One entry for each content, in the order of the parts and the paths in them: like lies beside like."""
    found: dict[str, Entry] = {}
    for share in shares:
        for path in sorted(share.tree):
            entry = share.tree[path]
            if entry.has_object:
                found.setdefault(entry.digest, entry)
    return list(found.values())


def _as_named(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, which must have that digest in the end."""
    found = digest.Running()
    for piece in pieces:
        found.update(piece)
        yield piece
    if found.digest() != name:
        raise Changed(f"The file with the digest {name} changed while it was read.", "Try again.")


class _Writing:
    """A bundle being written: contents are gathered into frames, and the table of them grows."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._whole = digest.Running()
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._rows: list[bytes] = []
        self._gathered: list[tuple[str, bytes]] = []
        self._held = 0
        self._put(MAGIC)

    def alone(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """A content in a frame of its own, packed while it is read."""
        self._flush()
        self._frame([(name, size)], frames.compressed(_as_named(name, pieces)))

    def together(self, name: str, content: bytes) -> None:
        """A content that shares a frame with its neighbours."""
        self._gathered.append((name, content))
        self._held += len(content)
        if self._held >= FRAME:
            self._flush()

    def finish(self, manifest: str) -> Written:
        """The table and the end."""
        self._flush()
        table = b"".join(self._rows)
        start = self._size
        self._put(frames.compress(table))
        last = FOOTER.pack(start, self._size - start, len(table), bytes.fromhex(manifest), bytes(16))
        self._put(last[:-16])
        self._put(bytes.fromhex(self._whole.digest()))
        return Written(self._size, self._sha256.hexdigest())

    def _flush(self) -> None:
        if self._gathered:
            names = [(name, len(content)) for name, content in self._gathered]
            packed = frames.compress(b"".join(content for _, content in self._gathered))
            self._gathered, self._held = [], 0
            self._frame(names, [packed])

    def _frame(self, names: list[tuple[str, int]], packed: Iterable[bytes]) -> None:
        start, inside = self._size, 0
        for piece in packed:
            self._put(piece)
        for name, size in names:
            self._rows.append(ROW % (name.encode(), start, self._size - start, inside, size))
            inside += size

    def _put(self, piece: bytes) -> None:
        self._file.write(piece)
        self._whole.update(piece)
        self._sha256.update(piece)
        self._size += len(piece)
