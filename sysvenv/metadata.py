"""The small files a distribution is described by: METADATA or PKG-INFO, INSTALLER, direct_url.json.

Each reader gives what can be had of a damaged file, and nothing of one that is not there; none raises.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

# Bytes: a larger file is none of these. (The largest RECORD we met has 4 MB.)
LARGEST = 1 << 28

# Bytes of METADATA read at first: the headers come first, the rest is the long description.
_FIRST_READ = 1 << 14
_MOST_READ = 1 << 20


def read_headers(path: bytes) -> dict[str, list[str]]:
    """Headers of a METADATA or PKG-INFO file by lower-case name; empty if it cannot be read."""
    headers: dict[str, list[str]] = {}
    values: list[str] = []
    for line in _header_lines(path):
        if line[:1] in (" ", "\t"):
            if values:
                values[-1] += "\n" + line.strip()
            continue
        key, colon, value = line.partition(":")
        if not colon:
            break  # no header: an envelope, a conflict marker, binary. What came before still holds.
        values = headers.setdefault(key.lower(), [])
        values.append(value.strip())
    return headers


def _header_lines(path: bytes) -> Iterable[str]:
    """Lines before the first empty one. Damaged bytes become U+FFFD."""
    data = read_regular(path, _FIRST_READ)
    head = _head(data)
    if head is None and len(data) == _FIRST_READ:
        data = read_regular(path, _MOST_READ)
        head = _head(data)
    text = (data if head is None else head).decode("utf-8", "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").split("\n") if text else ()


def _head(data: bytes) -> bytes | None:
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\r\n\r\n")) if end >= 0]
    return data[: min(ends)] if ends else None


def read_regular(path: bytes, limit: int = LARGEST) -> bytes:
    """The first `limit` bytes of a regular file, b"" if that cannot be had. Never waits on a fifo."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, min(limit, os.fstat(fd).st_size))
    except OSError:
        return b""
    finally:
        os.close(fd)


def read_installer(info: bytes) -> str:
    """First line of INSTALLER in the metadata directory `info`, "pip"; "" if it is not there."""
    lines = read_regular(info + b"/INSTALLER", 200).decode("utf-8", "replace").split("\n")
    return printable(lines[0].strip())


def read_direct_url(info: bytes) -> dict[str, Any] | None:
    """direct_url.json (PEP 610) of the dist-info `info`, without secrets; None if it is damaged."""
    import json

    from sysvenv.redact import redact_json  # its patterns take 2 ms to compile, and few distributions need them

    try:
        value = redact_json(json.loads(read_regular(info + b"/direct_url.json", _MOST_READ)))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("url"), str) else None


def printable(text: str) -> str:
    """`text` that may reach a terminal: a file name or a field may hold escape sequences."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
