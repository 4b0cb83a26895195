"""Fixtures: a home with history, made once and copied, to be damaged. A plugin of tests.

@0 is the beginning, @1 installed demo 1.0 (snapshot ``one``), @2 upgraded it to 2.0, @3 was a ``clean``, undone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from damaged import FAKE_PIP, Broken
from fingerprint import Fingerprint, environment
from tiny import ONE, SITE, TWO, Tiny

from sysvenv import venv
from sysvenv.operations import label, rewind


def _build_fresh(root: str, place: str, base: str, *, bytecode: bool) -> None:
    """A venv of three files: the real one has hundreds, and is copied and restored with each test."""
    os.makedirs(os.path.join(root, SITE))
    os.makedirs(os.path.join(root, "bin"))
    shutil.copy(os.path.join(place, "pyvenv.cfg"), root)
    os.symlink(base, os.path.join(root, "bin/python"))
    Path(root, "bin/pip").write_text(FAKE_PIP)


@pytest.fixture(scope="session")
def damageable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, dict[int, Fingerprint]]:
    """The home as it is before any damage, and its states."""
    tiny = Tiny(tmp_path_factory.mktemp("damageable") / "home")
    states = {}
    info = tiny.site / "pip-1.dist-info"
    info.mkdir(parents=True)
    (tiny.root / "venv/bin").mkdir()
    (tiny.root / "venv/bin/pip").write_text(FAKE_PIP)
    os.chmod(tiny.root / "venv/bin/pip", 0o755)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pip\nVersion: 1\n")
    (info / "RECORD").write_text("pip-1.dist-info/METADATA,,\npip-1.dist-info/RECORD,,\n../../../bin/pip,,\n")
    tiny.begin()
    states[0] = environment(tiny.venv)
    tiny.pip("1.0", ONE)
    states[1] = environment(tiny.venv)
    label.snapshot(tiny.context, "one")
    tiny.pip("2.0", TWO)
    states[2] = environment(tiny.venv)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(venv, "build_fresh", _build_fresh)
        rewind.clean(tiny.context)
    rewind.undo(tiny.context)
    assert environment(tiny.venv) == states[2]
    return tiny, states


@pytest.fixture
def broken(
    damageable: tuple[Tiny, dict[int, Fingerprint]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Broken:
    """A copy of it."""
    tiny, states = damageable
    copy = tiny.copy(tmp_path / "packages")
    monkeypatch.setenv("SYSVENV_HOME", str(copy.root))
    monkeypatch.setenv("SYSVENV_YES", "0")
    monkeypatch.setenv("PATH", f"{copy.root}/venv/bin:{os.environ['PATH']}")
    monkeypatch.setattr(venv, "build_fresh", _build_fresh)
    return Broken(copy, states, capsys)
