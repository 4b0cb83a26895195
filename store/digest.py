"""XXH3-128, the digest that names objects, segments and manifests (``xxhsum -H128`` prints the same)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import xxhash

CHUNK = 1 << 20


def is_one(name: str) -> bool:
    """Whether a name that was read from somewhere can be a digest, and so be part of a path."""
    return len(name) == 32 and name.isascii() and name.isalnum()


def of_bytes(content: bytes | memoryview) -> str:
    """The digest of some bytes: 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(content)


class Running:
    """The digest of bytes that come piece by piece."""

    def __init__(self) -> None:
        self._state = xxhash.xxh3_128()

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self._state.update(piece)

    def digest(self) -> str:
        """The digest of all pieces so far."""
        return self._state.hexdigest()


class Reading:
    """What can be read from ``fd``, from its present position on: its pieces, and then the digest of them all."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._state = xxhash.xxh3_128()
        self.size = 0
        """How many bytes were read so far."""

    def __iter__(self) -> Iterator[bytes]:
        while piece := os.read(self._fd, CHUNK):
            self._state.update(piece)
            self.size += len(piece)
            yield piece

    def digest(self) -> str:
        """The digest of what was read so far."""
        return self._state.hexdigest()


def of_open_file(fd: int) -> tuple[str, int]:
    """Digest and length in bytes of what can be read from ``fd``, from its present position on."""
    reading = Reading(fd)
    for _ in reading:
        pass
    return reading.digest(), reading.size


def sha256(content: bytes) -> str:
    """The digest packaging goes by, in hexadecimal digits."""
    import hashlib

    return hashlib.sha256(content).hexdigest()
