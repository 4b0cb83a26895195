"""A home whose environment is made by hand: a handful of files, no pip, so that it can be broken hundreds of times."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from copies import copy_home

from sysvenv.config import Config
from sysvenv.home import Home
from sysvenv.operations import record, setup
from sysvenv.operations.record import Command, Outcome
from sysvenv.operations.results import Recorded
from sysvenv.operations.session import Context

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
WRITTEN = 1_700_000_000_987_654_321
PIP = Command(["python", "-m", "pip", "install", "demo"], "/", 1)
ONE = {
    "demo/__init__.py": "version = 1\n",
    "demo/only_in_one.py": "x = 1\n",
    "demo/empty.py": "",
    "demo/__pycache__/__init__.cpython-311.pyc": "bytecode of one",
}
TWO = {
    "demo/__init__.py": "version = 2\n",
    "demo/deep/new.py": "x = 2\n",
    "demo/empty.py": "",
    "demo/__pycache__/__init__.cpython-311.pyc": "bytecode of two",
}


class Tiny:
    """A home with a hand-made environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = Home.at(str(root))
        self.context = Context(self.home, Config(), sys.executable)
        self.site = Path(self.home.venv) / SITE

    @property
    def venv(self) -> str:
        return self.home.venv

    def begin(self) -> None:
        """Make the environment and put it under sysvenv's care: @0."""
        self.make()
        setup.initialise(self.context)

    def make(self) -> None:
        """Make the environment only."""
        (self.root / "venv/bin").mkdir(parents=True, exist_ok=True)
        self.site.mkdir(parents=True, exist_ok=True)
        base = os.path.realpath(sys.executable)
        home, version = os.path.dirname(base), sys.version.split()[0]
        (self.root / "venv/pyvenv.cfg").write_text(f"home = {home}\nversion = {version}\nexecutable = {base}\n")
        os.symlink(base, self.root / "venv/bin/python")
        os.symlink("python", self.root / "venv/bin/python3")
        os.symlink("lib", self.root / "venv/lib64")
        (self.site / "by_hand.py").write_text("x = 0\n")
        (self.root / "venv/notes.txt").write_text("the user's own")

    def install(self, version: str, files: Mapping[str, str]) -> None:
        """What pip does to the files, unrecorded: the old version goes, the new one comes."""
        for name in [name for name in os.listdir(self.site) if name.startswith("demo")]:
            shutil.rmtree(self.site / name)
        info = f"demo-{version}.dist-info"
        members = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n",
            f"{info}/INSTALLER": "pip\n",
        }
        rows = [f"{path},," for path in [*members, f"{info}/RECORD"] if "__pycache__" not in path]
        members[f"{info}/RECORD"] = "\n".join(rows) + "\n"
        for path, content in members.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(content)
            os.utime(self.site / path, ns=(WRITTEN, WRITTEN))

    def pip(self, version: str, files: Mapping[str, str]) -> Recorded:
        """The same, recorded."""
        recording = record.begin(self.context, None, PIP, {})
        recording.meanwhile()
        self.install(version, files)
        return recording.finish(Outcome(0), None)

    def copy(self, target: Path) -> Tiny:
        """A copy on new inodes, which its indexes know."""
        copy_home(self.root, target)
        return Tiny(target)


def begun(root: Path, operation: int) -> Tiny:
    """A home at that operation: @0 is empty, @1 has demo 1, @2 has demo 2."""
    home = Tiny(root)
    home.begin()
    for version, files in [("1.0", ONE), ("2.0", TWO)][:operation]:
        home.pip(version, files)
    return home
