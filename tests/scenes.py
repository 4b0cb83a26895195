"""Scenes: a small real home at one fixed path, put back as it was as often as it is broken, and the real command line.

The venv has no pip of its own, so that there are few files; pip works on it from outside (``pip --python``), through
the hook like any other.
"""

from __future__ import annotations

import gc
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import tripwire
from copies import copy_home
from fingerprint import Fingerprint, fingerprint
from tripwire import Tripped, Wire
from wheels import build_wheel

from store import disk
from sysvenv import headstart
from sysvenv.cli import boundary
from sysvenv.home import Home

SYSVENV = str(Path(sys.executable).parent / "sysvenv")


class Answer(NamedTuple):
    """What a command said."""

    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        return self.output + self.errors


class Scene:
    """The home, what was kept of it under a name, and wheels: demo 1.0 and 2.0, other 1.0 and third 1.0."""

    def __init__(self, place: Path, root: Path | None = None) -> None:
        self.root = root or place / "home"
        self.venv = self.root / "venv"
        self.kept = place / "kept"
        self.wheels = place / "wheels"
        for directory in (self.kept, place / "user", place / "tmp"):
            directory.mkdir(parents=True, exist_ok=True)
        _build_wheels(self.wheels)
        self.environ = {
            "PATH": f"{self.venv}/bin:{os.environ['PATH']}",
            "HOME": str(place / "user"),
            "TMPDIR": str(place / "tmp"),
            "LANG": "C.UTF-8",
            "SYSVENV_HOME": str(self.root),
            "SYSVENV_YES": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }

    @property
    def site(self) -> Path:
        (found,) = self.venv.glob("lib/python*/site-packages")
        return found

    def pip(self, *arguments: str) -> list[str]:
        """The command that runs pip on the venv."""
        return [sys.executable, "-m", "pip", "--python", str(self.venv / "bin/python"), *arguments]

    def run(self, command: list[str]) -> Answer:
        """Run a command as it is, to its end."""
        done = subprocess.run(
            command, env=self.environ, cwd="/", capture_output=True, text=True, timeout=tripwire.SECONDS, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def broken(self, command: list[str], wire: Wire) -> Tripped:
        """Run a command over the tripwire."""
        return tripwire.run(command, str(self.root), wire, self.environ)

    def sysvenv(self, *arguments: str) -> Answer:
        """The command line in a forked process: all of it but the start of Python."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # xdist has threads; the child uses none of them
                pid = os.fork()
            if not pid:
                code = 99
                try:
                    code = self._be_sysvenv(list(arguments), output.fileno(), errors.fileno())
                finally:
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for stream in (output, errors):
                stream.seek(0)
            return Answer(code, output.read(), errors.read())

    def _be_sysvenv(self, arguments: list[str], output: int, errors: int) -> int:
        gc.disable()
        os.fsync = disk.sync_filesystem = lambda *_: None  # as in tests/tripwire.py
        os.environ.clear()
        os.environ.update(self.environ)
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((null, output, errors)):
            os.dup2(descriptor, number)
        sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "rw"[n > 0])) for n in range(3))
        code = boundary.run(arguments, headstart.for_command(arguments, Home.default(os.environ)))
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def keep(self, name: str) -> None:
        """Remember the home as it is now."""
        shutil.rmtree(self.kept / name, ignore_errors=True)
        copy_home(self.root, self.kept / name)

    def lay(self, name: str) -> None:
        """Put the home back as it was when it was kept under that name."""
        while self.root.exists():
            try:
                shutil.rmtree(self.root)
            except FileNotFoundError:
                continue  # what empties the trash behind the last command is still at work
        copy_home(self.kept / name, self.root)

    def seen(self) -> Fingerprint:
        """The environment, exactly; what there is of it."""
        return fingerprint(self.venv) if self.venv.is_dir() else {}

    def play(self) -> None:
        """Make the homes that operations start from: "bare" (a venv sysvenv does not know), "one", "two", "undone",
        "edited" (@1 has demo 1.0 and third, @2 demo 2.0 and other), "long" (@3 has big.py, @4 is called named, @5 is
        @1 again)."""
        self.root.mkdir()
        self._must(self.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(self.venv)]))
        (self.venv / "notes.txt").write_text("the user's own")
        (self.site / "by_hand.py").write_text("by = 'hand'\n")
        self.keep("bare")
        self._must(self.sysvenv("init"))
        self._must(self.run(self.pip("install", "demo==1.0", "third")))
        self.keep("one")
        self._must(self.run(self.pip("install", "demo==2.0", "other")))
        self.keep("two")
        self._must(self.sysvenv("undo"))
        self.keep("undone")
        self.lay("two")
        edit(self.site)
        self.keep("edited")
        big = self.site / "big.py"
        big.write_text(f"big = {random.Random(1).randbytes(20_000).hex()!r}\n")
        self._must(self.sysvenv("snapshot", "big"))
        self._must(self.sysvenv("snapshot", "--delete", "big"))
        big.unlink()
        self._must(self.sysvenv("snapshot", "named"))
        self._must(self.sysvenv("restore", "@1"))
        self.keep("long")

    @staticmethod
    def _must(answer: Answer) -> None:
        assert answer.code == 0, answer


def edit(site: Path) -> None:
    """Edit a text and a binary in place, save one anew, delete one, add one: what snapshots share, and what not."""
    with open(site / "demo/__init__.py", "a") as file:
        file.write("# edited\n")
    with open(site / "demo/blob.bin", "r+b") as file:
        file.write(b"\xff")
    (site / "other.py").unlink()
    (site / "other.py").write_text("saved = 'anew'\n")
    (site / "third.py").unlink()
    (site / "mine.py").write_text("mine = 1\n")


def _build_wheels(place: Path) -> None:
    one = {"demo/__init__.py": "version = 1\n", "demo/only_in_one.py": "x = 1\n", "demo/blob.bin": b"\0\1" * 50}
    two = {"demo/__init__.py": "version = 2\n", "demo/deep/new.py": "x = 2\n", "demo/blob.bin": b"\0\2" * 50}
    build_wheel(place, "demo", "1.0", {**one, "demo/empty.py": ""}, scripts={"demo-run": "demo:main"})
    build_wheel(place, "demo", "2.0", {**two, "demo/empty.py": ""}, scripts={"demo-run": "demo:main"})
    build_wheel(place, "other", "1.0", {"other.py": "import demo\n"})
    build_wheel(place, "third", "1.0", {"third.py": "three = 3\n"})
