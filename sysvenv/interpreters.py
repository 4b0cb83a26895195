"""Interpreters: which Python of this machine a version, a command name or a path means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from sysvenv import fresh
from sysvenv.environ import Pythons
from sysvenv.errors import SysvenvError
from sysvenv.fresh import Base

_VERSION = re.compile(r"(?:python)?(3\.\d+(?:\.\d+)?)")
_FIXED = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
_NEWEST = 30
"""Of the minor versions that are looked for when a person is told what there is."""


def find(asked: str, places: Pythons) -> Base:
    """The interpreter that is meant. Raises SysvenvError where there is none, naming those there are.

    A version, "3.12" or "3.12.1", is looked for on PATH, then where pyenv, uv, the system and Homebrew put theirs;
    anything else is a path, or a command's name.
    """
    version = version_of(asked)
    if not version:
        return fresh.probe(asked)
    if fresh.is_too_old(version):
        oldest = ".".join(map(str, fresh.OLDEST))
        raise SysvenvError(f"Python {version} is too old: {oldest} or later is needed.", "Give another: --python 3.N")
    for base in _usable(version, places):
        return base
    raise SysvenvError(
        f"There is no Python {version} here; found: {_told(places)}.",
        f"Install it (your system's packages, pyenv, or: uv python install {version}), or give its path: --python PATH",
    )


def version_of(asked: str) -> str:
    """The version that is asked for, "" where it is a path or another command: "3.12" of "3.12" and "python3.12"."""
    found = _VERSION.fullmatch(asked)
    return found[1] if found else ""


def is_of(version: str, wanted: str) -> bool:
    """Whether a full version is what was asked for: 3.12.1 is a 3.12."""
    return (version + ".").startswith(wanted + ".")


def _usable(wanted: str, places: Pythons) -> Iterator[Base]:
    """Those of that version that run; a shim of pyenv's may not."""
    minor = ".".join(wanted.split(".")[:2])
    for directory in _directories(minor, places):
        path = f"{directory}/python{minor}"
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            continue
        try:
            base = fresh.probe(path)
        except SysvenvError:
            continue
        if is_of(base.version, wanted):
            yield base


def _directories(minor: str, places: Pythons) -> list[str]:
    on_path = [directory for directory in places.path.split(os.pathsep) if os.path.isabs(directory)]
    managed = [*_versions(f"{places.pyenv}/versions", f"{minor}."), *_versions(places.uv, f"cpython-{minor}.")]
    return list(dict.fromkeys([*on_path, *managed, *_FIXED]))


def _versions(directory: str, beginning: str) -> list[str]:
    """bin of each version that a manager keeps in ``directory``, the newest first."""
    try:
        names = [name for name in os.listdir(directory) if name.startswith(beginning)]
    except OSError:
        return []
    names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)], reverse=True)
    return [f"{directory}/{name}/bin" for name in names]


def _told(places: Pythons) -> str:
    minors = (f"{fresh.OLDEST[0]}.{number}" for number in range(fresh.OLDEST[1], _NEWEST))
    found = [base.version for minor in minors for base in list(_usable(minor, places))[:1]]
    return ", ".join(found) or "none that can be used"
