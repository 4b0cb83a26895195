"""What is in a tree, so that two sides can be shown to have ended in the same state."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from glob import glob

Fingerprint = dict[str, tuple[int | str, ...]]


class StatesDiffer(Exception):
    """A measured command did not lead where it should; its time means nothing."""


def fingerprint(root: str) -> Fingerprint:
    """Path -> kind, mode, mtime and content or target. Of directories only the mode.

    Left out is what is sysvenv's own: the marker, uv's lock, and the hook with its bytecode.
    """
    found: Fingerprint = {}
    for directory, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(directory, name)
            inside = os.path.relpath(path, root)
            if inside in (".sysvenv", ".lock") or name.startswith(("_sysvenv.", "_sysvenv_gate.")):
                continue
            facts = os.lstat(path)
            mode = stat.S_IMODE(facts.st_mode)
            if stat.S_ISLNK(facts.st_mode):
                found[inside] = ("link", facts.st_mtime_ns, os.readlink(path))
            elif stat.S_ISDIR(facts.st_mode):
                found[inside] = ("directory", mode)
            else:
                found[inside] = ("file", mode, facts.st_mtime_ns, facts.st_size, _digest(path))
    return found


def expect_same(seen: Fingerprint, expected: Fingerprint, what: str) -> None:
    """Raises StatesDiffer, naming a path, unless both are the same."""
    different = sorted(path for path in seen.keys() | expected.keys() if seen.get(path) != expected.get(path))
    if different:
        path = different[0]
        raise StatesDiffer(
            f"{what}: {len(different)} paths differ, e.g. {path}: {seen.get(path)} instead of {expected.get(path)}"
        )


def distributions(root: str) -> dict[str, tuple[str, frozenset[tuple[str, str]]]]:
    """What pip and uv must agree on: name of each .dist-info -> the files its RECORD vouches for, with digests.

    Without what each installer writes for itself, and without launchers, whose first line names the venv.
    """
    found = {}
    for record in glob(os.path.join(root, "lib/python*/site-packages/*.dist-info/RECORD")):
        with open(record, newline="", encoding="utf-8") as lines:
            rows = [(row[0], row[1]) for row in csv.reader(lines) if row and row[1]]
        own = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
        kept = frozenset(row for row in rows if os.path.basename(row[0]) not in own and not row[0].startswith("../"))
        name = os.path.basename(os.path.dirname(record)).removesuffix(".dist-info")
        found[name] = (name, kept)
    return found


def expect_distributions(root: str, other: str, what: str) -> None:
    """Raises StatesDiffer unless two venvs hold the same distributions with the same files; installers aside."""
    seen, expected = distributions(root), distributions(other)
    for tool in ("pip-", "setuptools-"):
        for each in (seen, expected):
            for name in [name for name in each if name.startswith(tool)]:
                del each[name]
    different = sorted(name for name in seen.keys() | expected.keys() if seen.get(name) != expected.get(name))
    if different:
        raise StatesDiffer(f"{what}: {len(different)} distributions differ, e.g. {different[0]}")


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
