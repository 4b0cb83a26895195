"""Fixtures: homes with history, made once and copied, as making one takes seconds. A plugin of tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import Environment, copied


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a new environment (made once: it takes seconds), and wheels of demo 1.0 and 2.0 and other 1.0."""
    place = tmp_path_factory.mktemp("begun") / "home"
    made = Environment(place / "packages", place / "wheels")
    made.venv.parent.mkdir(parents=True)
    subprocess.run([sys.executable, "-I", "-m", "venv", made.venv], check=True)
    for cache in made.venv.rglob("__pycache__"):
        shutil.rmtree(cache)
    made.wheel(
        "demo", "1.0", {"demo/__init__.py": "one = 1\ntwo = 2\n", "demo/blob.bin": b"\0\1", "demo/gone.py": "x\n"},
        scripts={"demo-run": "demo:main"},
    )  # fmt: skip
    made.wheel("demo", "2.0", {"demo/__init__.py": "one = 1\ntwo = 22\n", "demo/blob.bin": b"\0\2", "demo/new.py": "y"})
    made.wheel("other", "1.0", {"other.py": "import demo\n"})
    made.begin()
    return place


@pytest.fixture(scope="session")
def grown(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after @1, which installed demo 1.0, and @2, which upgraded it to 2.0."""
    place = tmp_path_factory.mktemp("grown") / "home"
    made = copied(begun, place)
    made.pip("install", "demo==1.0")
    made.pip("install", "demo==2.0")
    return place


@pytest.fixture
def env(begun: Path, tmp_path: Path) -> Environment:
    """A fresh home: operation @0 is the beginning."""
    return copied(begun, tmp_path / "env")


@pytest.fixture
def upgraded(grown: Path, tmp_path: Path) -> Environment:
    """A home where @1 installed demo 1.0 and @2 upgraded it to 2.0."""
    return copied(grown, tmp_path / "env")
