"""Fixtures: managed homes whose recorder only notes down what it is told, made once. A plugin of tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hooked import Managed, make_tool, pythons, slow_wheel
from wheels import build_wheel


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the fake recorder."""
    return make_tool(tmp_path_factory.mktemp("tool"))


@pytest.fixture(scope="session")
def homes(tool: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Managed]:
    """A managed home for each interpreter, made when first asked for. Tests leave it as they found it."""
    made: dict[str, Managed] = {}

    def home(version: str) -> Managed:
        if version not in made:
            root = tmp_path_factory.mktemp("managed") / "home with space"
            made[version] = Managed(root, pythons()[version], tool)
        return made[version]

    return home


@pytest.fixture(params=list(pythons()))
def managed(request: pytest.FixtureRequest, homes: Callable[[str], Managed]) -> Managed:
    """A managed home of each interpreter there is."""
    found = homes(request.param)
    found.steps()
    return found


@pytest.fixture
def one(homes: Callable[[str], Managed]) -> Iterator[Managed]:
    """A managed home of one interpreter, for what does not depend on its version."""
    version = "{}.{}".format(*sys.version_info[:2])
    found = homes(version if version in pythons() else next(iter(pythons())))
    found.steps()
    yield found
    found.lay()


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of a venv that is none of ours, with pip."""
    place = tmp_path_factory.mktemp("other") / "venv"
    subprocess.run([sys.executable, "-I", "-m", "venv", place], check=True)
    return str(place / "bin/python")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A wheel of one module."""
    return build_wheel(tmp_path_factory.mktemp("wheels"), "demo-pkg", "1.0", {"demo_pkg.py": "value = 1\n"})


@pytest.fixture
def slow(one: Managed, tmp_path: Path) -> Iterator[tuple[str, Callable[[], bool]]]:
    """A wheel that takes seconds to install, and whether pip is in the middle of it."""
    wheel = slow_wheel(tmp_path)
    yield wheel, lambda: (one.site / "slow_pkg/m50.py").exists()
    for path in one.site.glob("slow_pkg*"):
        shutil.rmtree(path)
