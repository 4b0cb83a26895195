"""XXH3-128, the digest that names objects, segments and manifests (``xxhsum -H128`` prints the same)."""

from __future__ import annotations

import os

import xxhash

CHUNK = 1 << 20


def of_bytes(content: bytes | memoryview) -> str:
    """The digest of some bytes: 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(content)


def of_open_file(fd: int) -> tuple[str, int]:
    """Digest and length in bytes of what can be read from ``fd``, from its present position on."""
    chunk = os.read(fd, CHUNK)
    if len(chunk) < CHUNK:
        rest = os.read(fd, CHUNK)
        if not rest:
            return of_bytes(chunk), len(chunk)
    else:
        rest = os.read(fd, CHUNK)
    state = xxhash.xxh3_128(chunk)
    size = len(chunk)
    while rest:
        state.update(rest)
        size += len(rest)
        rest = os.read(fd, CHUNK)
    return state.hexdigest(), size
