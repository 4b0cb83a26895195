"""pip stays pip: whatever it is asked, it does and says the same with the hook as without."""

from __future__ import annotations

import sys

import pytest
from hooked import make_tool
from parity import Ground, compare, usable

# The rest differs from these in what pip does, hardly in what we do: `python tests/parity.py` plays them all.
PLAYED = (
    "install with a dependency and a script",
    "upgrade",
    "failing: no such package",
    "failing: bad option",
    "dry run",
    "target",
    "user",
    "requirements file",
    "file URL",
    "editable",
    "version control",
    "report to stdout",
    "uninstall, asked for",
    "wheel",
    "Ctrl-C",
    "TERM",
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Where both pips run."""
    place = tmp_path_factory.mktemp("parity")
    return Ground(place, sys.executable, make_tool(place / "tool"))


@pytest.mark.parametrize("scenario", [name for name in PLAYED if name in usable()])
def test_hooked_pip_does_what_plain_pip_does(ground: Ground, scenario: str) -> None:
    """Same exit code, stdout, stderr and files; ours aside."""
    assert compare(ground, scenario) == []
