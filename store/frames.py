"""zstd frames: bytes packed, and unpacked without believing what they say of their size."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import BinaryIO

LEVEL = 3
_PIECE = 1 << 20


def compress(content: bytes) -> bytes:
    """One frame of ``content``."""
    packed: bytes = _zstd().compress(content, LEVEL)
    return packed


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One frame of all ``pieces``, a piece at a time."""
    compressor = _zstd().ZstdCompressor(LEVEL)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def decompress(content: bytes) -> bytes:
    """What frames of our own hold. Raises ValueError for what is not zstd, or is cut short."""
    zstd = _zstd()
    try:
        unpacked: bytes = zstd.decompress(content)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError(str(error)) from None
    return unpacked


def pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """The next ``length`` bytes of a file, in pieces of at most 1 MiB. Raises ValueError where there are fewer."""
    while length:
        piece = file.read(min(length, _PIECE))
        if not piece:
            raise ValueError("it is cut short")
        length -= len(piece)
        yield piece


def unpacked(packed: Iterable[bytes], size: int) -> Iterator[bytes]:
    """What a stranger's frame of ``size`` bytes holds, in pieces of at most 1 MiB.

    Raises ValueError where it holds more (no more than one byte of that is unpacked), less, or is no single frame.
    """
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor()
    left = size
    for given in packed:
        waiting = given
        while waiting or not (decompressor.needs_input or decompressor.eof):
            if decompressor.eof:
                raise ValueError("something follows the end of a frame")
            try:
                piece: bytes = decompressor.decompress(waiting, min(left + 1, _PIECE))
            except zstd.ZstdError as error:
                raise ValueError(str(error)) from None
            waiting = b""
            left -= len(piece)
            if left < 0:
                raise ValueError("a frame holds more than it says")
            if piece:
                yield piece
    if left or not decompressor.eof or decompressor.unused_data:
        raise ValueError("a frame does not end where it says")


def _zstd() -> ModuleType:
    """Imported when it is wanted: undo hardly ever does."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
