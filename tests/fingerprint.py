"""The judge: what a tree on disk looks like to a user, so that two can be compared exactly."""

from __future__ import annotations

import os
import stat
from pathlib import Path

OURS = frozenset({b".sysvenv", b".lock"})
"""Our own files in the root: the marker, and the file uv locks."""

Fingerprint = dict[bytes, tuple[object, ...]]


def fingerprint(root: str | bytes | Path, *, ours: bool = False) -> Fingerprint:
    """Path -> kind, mode, mtime_ns and content or target; of directories only the mode, as they are no one's property.

    Without ``ours``, our own files are left out: the marker, uv's lock, the hook in site-packages and its bytecode.
    """
    found: Fingerprint = {}
    _walk(os.fsencode(root), b"", found, ours)
    return found


def environment(root: str | bytes | Path) -> Fingerprint:
    """The fingerprint without bytecode, which Python may write at any time."""
    return {path: seen for path, seen in fingerprint(root).items() if b"__pycache__" not in path.split(b"/")}


def _walk(root: bytes, directory: bytes, found: Fingerprint, ours: bool) -> None:
    for each in os.scandir(os.path.join(root, directory)):
        path = os.path.join(directory, each.name)
        if not ours and (path in OURS or each.name.startswith((b"_sysvenv.", b"_sysvenv_gate."))):
            continue
        seen = each.stat(follow_symlinks=False)
        mode = stat.S_IMODE(seen.st_mode)
        if stat.S_ISLNK(seen.st_mode):
            found[path] = ("link", seen.st_mtime_ns, os.readlink(each.path))
        elif stat.S_ISDIR(seen.st_mode):
            found[path] = ("directory", mode)
            _walk(root, path, found, ours)
        elif stat.S_ISREG(seen.st_mode):
            with open(each.path, "rb") as file:
                found[path] = ("file", mode, seen.st_mtime_ns, file.read())
        else:
            found[path] = ("special", stat.S_IFMT(seen.st_mode), mode)
