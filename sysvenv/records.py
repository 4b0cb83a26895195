"""Which paths of a tree a distribution says are its own: RECORD, and what older formats have instead.

A RECORD has thousands of rows, an environment tens of thousands, all read around every pip: so the fast path
handles bytes and splits, and only what looks odd (quotes, `..`) is looked at closely. Formats: PyPA
"Recording installed projects" (RECORD is csv, paths relative to site-packages), setuptools
(installed-files.txt is relative to the .egg-info).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from sysvenv.metadata import read_regular

# Where a row of RECORD is not plainly a path below site-packages. "\n" stands for its start or end.
_ODD_STARTS = (b"\n.", b"\n/", b"\n\n")
_ODD_PARTS = (b"/.", b"//", b"/\n", b"\r", b"\0")


def claims(root: str, location: bytes) -> set[bytes]:
    """Tree paths that belong to the distribution at `location` (a tree path); directories are not among them.

    What RECORD names, whether it is there or not; of an .egg-info, installed-files.txt, else the packages
    that top_level.txt names; of an .egg, all in it. Always the files of the metadata directory itself, and
    only those where nothing else is told. Never a path outside the tree: absolute ones and those whose `..`
    lead out are dropped.
    """
    tree = os.fsencode(root)
    path = os.path.join(tree, location)
    if not os.path.isdir(path):
        return {location}
    claimed = set(_files_below(path, location))
    site = os.path.dirname(location)
    if location.endswith(b".dist-info"):
        record = read_regular(path + b"/RECORD")
        claimed.update(_inside(_record_paths(record), site, tree))
    elif location.endswith(b".egg-info"):
        installed = read_regular(path + b"/installed-files.txt")
        if installed:
            claimed.update(_inside(_lines(installed), location, tree))
        else:
            claimed.update(_top_level_files(path, site, tree))
    return claimed


def _record_paths(record: bytes) -> Sequence[bytes]:
    """First field of each row."""
    record = record.rstrip(b"\n")
    if b'"' in record:
        return _csv_paths(record)
    return [line.partition(b",")[0] for line in record.split(b"\n")]


def _csv_paths(record: bytes) -> Sequence[bytes]:
    """The same of a RECORD with quoted names, which may hold commas, quotes and line ends."""
    import csv

    try:
        return [row[0].encode("latin-1") for row in _rows(record) if row]
    except csv.Error:  # NUL, a field of 128 kB: an open quote swallows the rest
        return [line.partition(b",")[0].strip(b'"') for line in record.split(b"\n")]


def _rows(record: bytes) -> Iterator[list[str]]:
    """The rows of a RECORD. latin-1 maps every byte to one character and back, so names that are no UTF-8 come through.
    Raises csv.Error."""
    import csv
    import io

    yield from csv.reader(io.StringIO(record.decode("latin-1"), newline=""))


def sha256_in(record: bytes, site: bytes, root: str) -> dict[bytes, str]:
    """Tree path -> SHA-256, in hexadecimal digits, as a RECORD of the site-packages ``site`` says.

    Rows without one are left out: RECORD's own, and bytecode's. An installer that rewrites a script states its new one.
    """
    import base64
    import csv

    found: dict[bytes, str] = {}
    try:
        for row in _rows(record):
            if len(row) > 1 and row[1].startswith("sha256="):
                try:
                    found[row[0].encode("latin-1")] = base64.urlsafe_b64decode(row[1][7:] + "==").hex()
                except ValueError:
                    continue  # no base64: a row that says nothing
    except csv.Error:
        return {}
    tree = os.fsencode(root)
    inside = {_normalized(path, site, tree): sha256 for path, sha256 in found.items()}
    return {path: sha256 for path, sha256 in inside.items() if path and len(sha256) == 64}


def _lines(data: bytes) -> Sequence[bytes]:
    return [line.strip() for line in data.split(b"\n")]


def _inside(paths: Sequence[bytes], base: bytes, tree: bytes) -> set[bytes]:
    """`paths`, relative to the tree path `base`, as tree paths; those that are none are dropped."""
    prefix = base + b"/"
    odd: list[bytes] = []
    # One search of all paths for what few RECORDs have is ten times as fast as one in each path.
    if _has(paths, _ODD_STARTS):
        odd = [path for path in paths if not path or path[0] in b"./"]
        paths = [path for path in paths if path and path[0] not in b"./"]
    if _has(paths, _ODD_PARTS):
        paths, odd = [], [*odd, *paths]
    inside = {prefix + path for path in paths}
    inside.update(_normalized(path, base, tree) for path in odd)
    inside.discard(b"")
    return inside


def _has(paths: Iterable[bytes], parts: Iterable[bytes]) -> bool:
    joined = b"\n%b\n" % b"\n".join(paths)
    return any(part in joined for part in parts)


def _normalized(path: bytes, base: bytes, tree: bytes) -> bytes:
    """Tree path of an odd `path` relative to `base`; b"" if it leads out of the tree or nowhere."""
    path = path.rstrip(b"\r")
    if not path or path.startswith(b"/") or b"\0" in path:
        return b""
    parts = base.split(b"/")
    for part in path.split(b"/"):
        if part == b"..":
            if not parts:
                return b""
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    if len(parts) > 1 and parts[0] == b"lib64" and os.path.islink(tree + b"/lib64"):
        parts[0] = b"lib"  # venv makes lib64 a link to lib; the tree has the file once
    return b"/".join(parts)


def _top_level_files(info: bytes, site: bytes, tree: bytes) -> Iterator[bytes]:
    """Files of the packages and modules that top_level.txt names, but for namespaces, which others share."""
    shared = set(_lines(read_regular(info + b"/namespace_packages.txt")))
    for name in _lines(read_regular(info + b"/top_level.txt")):
        if not name or name in shared or b"/" in name or name.startswith(b".") or b"\0" in name:
            continue
        for path in (name, name + b".py"):
            claimed = site + b"/" + path
            if os.path.isdir(os.path.join(tree, claimed)):
                yield from _files_below(os.path.join(tree, claimed), claimed)
            elif os.path.lexists(os.path.join(tree, claimed)):
                yield claimed


def _files_below(directory: bytes, path: bytes) -> Iterator[bytes]:
    """Tree paths of all files below `directory`, `path` in the tree. Links are files, not followed."""
    try:
        entries = os.scandir(directory)
    except OSError:
        return
    with entries:
        for entry in entries:
            below = path + b"/" + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path, below)
            else:
                yield below
