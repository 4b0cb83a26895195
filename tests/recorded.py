"""Homes with a real environment whose pip runs are recorded, without the hook around them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from wheels import build_wheel

from sysvenv.config import Config
from sysvenv.home import Home
from sysvenv.operations import record, setup
from sysvenv.operations.record import Command, Outcome
from sysvenv.operations.results import Recorded
from sysvenv.operations.session import Context


class Environment:
    """A home, and wheels to install into it."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.home = Home.at(str(root))
        self.wheels = wheels
        self.venv = Path(self.home.venv)
        self.context = Context(self.home, Config(), sys.executable)

    @property
    def site(self) -> Path:
        (found,) = self.venv.glob("lib/python*/site-packages")
        return found

    @property
    def bin(self) -> str:
        return str(self.venv / "bin")

    def begin(self) -> None:
        """Put the environment under sysvenv's care: @0."""
        setup.initialise(self.context)

    def pip(self, *arguments: str) -> Recorded:
        """Run pip to its end and record it."""
        recording = record.begin(self.context, None, Command(["python", "-m", "pip", *arguments], "/", os.getpid()), {})
        return recording.finish(Outcome(self.bare_pip(*arguments)), None)

    def bare_pip(self, *arguments: str) -> int:
        """Run pip without recording it; its exit code."""
        command = [f"{self.bin}/python", "-m", "pip", *arguments]
        if "install" in arguments:
            command += ["--find-links", str(self.wheels), "--no-index"]
        outside = {**os.environ, "SYSVENV": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=outside, capture_output=True, text=True, check=False)
        return done.returncode

    def wheel(self, name: str, version: str, files: dict[str, str | bytes], **more: object) -> None:
        """Offer a wheel."""
        build_wheel(self.wheels, name, version, files, **more)  # type: ignore[arg-type]


def copied(source: Path, target: Path) -> Environment:
    """A copy of a home. Hardlinks stay hardlinks; the indexes name inodes, so they are left to be rebuilt."""
    subprocess.run(["cp", "-a", source, target], check=True)
    for index in (target / "packages/store/index").iterdir():
        index.unlink()
    return Environment(target / "packages", target / "wheels")
