"""Relocation: what an environment's files must say at another place. Texts in, texts out; no file is touched here.

Scripts name their interpreter by its whole path, activate files and pyvenv.cfg name the environment, and RECORD holds
the digest of whatever of that it lists. Text that names the place is rewritten; bytes with a NUL cannot be, as a
binary may not change its length, but the first line of one may (a zipped application).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping

# What pip (distlib) and uv write: `#!PYTHON`, or where that has blanks or is too long for the kernel, through sh.
_SHEBANG = re.compile(
    rb"\A#!(?:/bin/sh\n'''exec' )?"
    rb"(?P<quote>[\"']?)(?P<python>/[^\n]*?)(?P=quote)"
    rb"(?P<options>(?: -\w+)*)(?: \"\$0\" \"\$@\"\n' ''')?\n"
)
_BLANK = re.compile(rb"\s")


def relocated(text: bytes, old: bytes, new: bytes) -> bytes | None:
    """What the file ``text`` of the environment at ``old`` must be at ``new``; None where it names ``old`` nowhere, or
    cannot be changed (:func:`is_bound`)."""
    if old not in text:
        return None
    found = _SHEBANG.match(text)
    if found and found["python"].startswith(old + b"/"):
        rest = text[found.end() :]
        first = _shebang(new + found["python"][len(old) :], found["options"])
        changed = first + (rest if b"\0" in rest else _named(old).sub(lambda _: new, rest))
    elif b"\0" in text:
        return None
    else:
        changed = _named(old).sub(lambda _: new, _requoted(text, old, new))
    return changed if changed != text else None


def is_bound(text: bytes, old: bytes) -> bool:
    """Whether a file names ``old`` where it cannot be rewritten: in a binary."""
    if b"\0" not in text:
        return False
    found = _SHEBANG.match(text)
    return _named(old).search(text, found.end() if found else 0) is not None


def settings(text: bytes, values: Mapping[str, str]) -> bytes:
    """pyvenv.cfg with other values for those keys it has."""
    lines = []
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        key, equals, _ = line.partition("=")
        value = values.get(key.strip().lower()) if equals else None
        lines.append(line if value is None else f"{key.strip()} = {value}")
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")


def record(text: bytes, place: bytes, rewritten: Mapping[bytes, bytes]) -> bytes:
    """The RECORD at the tree path ``place``, right again for files that were rewritten (tree path -> text)."""
    site = os.path.dirname(os.path.dirname(place))
    names = {os.path.relpath(path, site): content for path, content in rewritten.items()}
    rows = text.split(b"\n")
    for number, row in enumerate(rows):
        content = names.get(row.partition(b",")[0])
        if content is not None and row.partition(b",")[2].strip(b",\r"):  # RECORD itself has no digest
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            end = b"\r" if row.endswith(b"\r") else b""
            rows[number] = b"%b,sha256=%b,%d%b" % (row.partition(b",")[0], digest, len(content), end)
    return b"\n".join(rows)


def records(
    paths: Iterable[bytes], read: Callable[[bytes], bytes], rewritten: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    """Of the RECORDs among tree paths those that must change for files that were rewritten, each with its new text;
    ``read`` gives what a path has now."""
    changed = {}
    for path in paths:
        if path.endswith(b".dist-info/RECORD"):
            text = read(path)
            mended = record(text, path, rewritten)
            if mended != text:
                changed[path] = mended
    return changed


def _named(place: bytes) -> re.Pattern[bytes]:
    """Where a text names ``place``, and not another that only begins or ends alike (``venv2``, ``/mnt/home/...``)."""
    return re.compile(rb"(?<![\w.-])" + re.escape(place) + rb"(?![\w-]|\.\w)")


def _requoted(text: bytes, old: bytes, new: bytes) -> bytes:
    """Of activate files (venv's, virtualenv's, uv's) each path is quoted whole, or bare where no shell needs that.

    Quotes stay when they are not needed any more: Nushell and xonsh want them always.
    """
    quoted, quoted_old = _quoted(new), _quoted(old)
    if quoted_old != old:
        return text.replace(quoted_old, quoted if quoted != new else b"'%b'" % new)
    if quoted == new:
        return text
    bare = re.compile(rb"(?<=[ =])" + re.escape(old) + rb"(?=[\s;])")
    return bare.sub(lambda _: quoted, text.replace(b"'%b'" % old, quoted))


def _quoted(path: bytes) -> bytes:
    return shlex.quote(os.fsdecode(path)).encode("utf-8", "surrogateescape")


def _shebang(python: bytes, options: bytes) -> bytes:
    """First lines of a script for ``python``, by pip's rule: 127 bytes are the least any Linux takes."""
    longest = 512 if sys.platform == "darwin" else 127
    if not _BLANK.search(python) and len(python) + len(options) + 3 <= longest:
        return b"#!" + python + options + b"\n"
    quoted = b'"%b"' % python if _BLANK.search(python) else python
    return b"#!/bin/sh\n'''exec' %b%b \"$0\" \"$@\"\n' '''\n" % (quoted, options)
