"""A sysvenv that every user of the machine can run: pytest's own directories and root's are closed to others."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LIBRARIES = ("click", "xxhash", "packaging", "tomli", "humanize", "backports")
NOBODY = 65534
"""The user without rights that every system has."""


@contextmanager
def open_place() -> Iterator[Path]:
    """A directory others can reach."""
    place = Path(tempfile.mkdtemp(prefix="sysvenv-open-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def make_tool(place: Path) -> str:
    """Install sysvenv there, with copies of what it needs; the interpreter to start it with. Skips where others cannot
    run this Python at all."""
    base = os.path.realpath(sys.executable)
    tried = subprocess.run([base, "-I", "-c", "import venv, ensurepip"], user=NOBODY, capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"other users cannot run {base}")
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
    return str(place / "tool/bin/python")
