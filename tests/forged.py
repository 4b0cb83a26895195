"""Bundles put together byte by byte, so that they can say anything; and the one they are made from."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from store import bundling, digest, frames, manifests, segments
from store.bundle import FOOTER, MAGIC, ROW
from store.bundling import Share
from store.manifests import Manifest, Part
from store.tree import FILE, LINK, Entry

WHEN = 1_700_000_000_123_456_789


def file(content: bytes, mode: int = 0o644, **more: Any) -> Entry:
    """The entry of a file."""
    return Entry(FILE, mode, WHEN, len(content), digest.of_bytes(content))._replace(**more)


def link(target: bytes) -> Entry:
    """The entry of a link."""
    return Entry(LINK, mtime=WHEN, target=target)


class Block(NamedTuple):
    """A frame with the contents the table says are in it."""

    packed: bytes
    says: tuple[tuple[str, int], ...]


class Forgery:
    """A bundle in the making. What is not changed is as a sound bundle has it."""

    def __init__(self, about: dict[str, Any], tree: dict[bytes, Entry], contents: Iterable[bytes]) -> None:
        self.about = about
        self.tree = dict(tree)
        self.contents = {digest.of_bytes(content): content for content in contents}
        self.more_segments: list[bytes] = []
        """Encoded, for parts of their own."""
        self.magic = MAGIC
        self.manifest: bytes | None = None
        """In place of the right one."""
        self.blocks: Callable[[list[Block]], list[Block]] = lambda blocks: blocks
        """Changes what is written, and what the table says of it."""
        self.table: Callable[[bytes], bytes] = lambda table: table
        self.table_size: int | None = None
        self.whole: Callable[[bytes], bytes] = lambda whole: whole
        """Changes the finished file."""

    def add(self, path: bytes, content: bytes = b"x = 1\n", **more: Any) -> None:
        """A file more."""
        self.tree[path] = file(content, **more)
        self.contents[digest.of_bytes(content)] = content

    def __bytes__(self) -> bytes:
        encoded = [segments.encode(self.tree), *self.more_segments]
        parts = [Part(str(n), "files", digest.of_bytes(each), True) for n, each in enumerate(encoded)]
        manifest = self.manifest or manifests.encode(Manifest(tuple(parts), self.about))
        everything = [*((digest.of_bytes(each), each) for each in (manifest, *encoded)), *self.contents.items()]
        blocks = self.blocks([Block(frames.compress(each), ((name, len(each)),)) for name, each in everything])
        file, rows = io.BytesIO(self.magic), []
        file.seek(0, io.SEEK_END)
        for block in blocks:
            inside = 0
            for name, size in block.says:
                rows.append(ROW % (name.encode(), file.tell(), len(block.packed), inside, size))
                inside += size
            file.write(block.packed)
        table = self.table(b"".join(rows))
        start, packed = file.tell(), frames.compress(table)
        size = len(table) if self.table_size is None else self.table_size
        name = bytes.fromhex(digest.of_bytes(manifest))
        file.write(packed + FOOTER.pack(start, len(packed), size, name, bytes(16))[:-16])
        file.write(bytes.fromhex(digest.of_bytes(file.getvalue())))
        return self.whole(file.getvalue())


def bundle(about: dict[str, Any], tree: dict[bytes, Entry], contents: Iterable[bytes]) -> bytes:
    """The sound bundle of a tree, as share writes it."""
    known = {digest.of_bytes(content): content for content in contents}
    stream = io.BytesIO()
    bundling.write(stream, about, [Share(".", "files", tree)], lambda entry: [known[entry.digest]])
    return stream.getvalue()


def resealed(whole: bytes) -> bytes:
    """The file with its last digest right again."""
    return whole[:-16] + bytes.fromhex(digest.of_bytes(whole[:-16]))
