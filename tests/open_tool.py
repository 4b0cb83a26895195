"""A sysvenv that every user of the machine can run: pytest's own directories and root's are closed to others."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import images
import pytest

REPOSITORY = Path(__file__).parent.parent
LIBRARIES = ("click", "xxhash", "packaging", "tomli", "humanize", "backports")
NOBODY = 65534
"""The user without rights that every system has."""


@contextmanager
def open_tool() -> Iterator[tuple[str, Path]]:
    """The interpreter to start it with, and a directory others can reach. Needs root."""
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="sysvenv-open-"))
        stack.callback(shutil.rmtree, place)
        place.chmod(0o755)
        base = _open_base(place, stack)
        subprocess.run([base, "-I", "-m", "venv", "--without-pip", place / "tool"], check=True)
        (site,) = (place / "tool").glob("lib/python*/site-packages")
        skip = shutil.ignore_patterns("__pycache__")
        for package in ("sysvenv", "store"):
            shutil.copytree(REPOSITORY / package, site / package, ignore=skip)
        for library in LIBRARIES:
            found = importlib.util.find_spec(library)
            for directory in (found.submodule_search_locations or []) if found else []:
                shutil.copytree(directory, site / library, ignore=skip, dirs_exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rX", place / "tool"], check=True)
        yield str(place / "tool/bin/python"), place


def _open_base(place: Path, stack: ExitStack) -> str:
    """The base interpreter of this one, by a path everybody may go; below /root it is mounted at another."""
    base = os.path.realpath(sys.executable)
    if _anybody_can_run(base):
        return base
    images.call("mount", "--bind", sys.base_prefix, _made(place / "base"))
    stack.callback(images.call, "umount", place / "base")
    base = str(place / "base" / os.path.relpath(base, sys.base_prefix))
    if not _anybody_can_run(base):
        pytest.skip(f"other users cannot run {sys.executable}")
    return base


def _anybody_can_run(python: str) -> bool:
    try:
        tried = subprocess.run([python, "-I", "-c", "import venv, ensurepip"], user=NOBODY, cwd="/", check=False)
    except PermissionError:
        return False
    return tried.returncode == 0


def _made(path: Path) -> Path:
    path.mkdir()
    return path
