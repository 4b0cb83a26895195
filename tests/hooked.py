"""Managed venvs with the real hook and real pip, and a recorder that only notes down what it is told."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import interpreters
from wheels import build_wheel

from sysvenv import hook
from sysvenv.home import Home

REPOSITORY = Path(__file__).parent.parent
ALL = ["begin", "meanwhile", "finish"]
"""The recorder's steps, of a pip that came to its end."""

# Stands in for sysvenv/operations/record.py. FAKE_BEGIN, FAKE_MEANWHILE, FAKE_ARRIVALS,
# FAKE_AHEAD and FAKE_FINISH make it misbehave.
_RECORD = """
import fcntl, json, os, time
from typing import NamedTuple
from sysvenv.errors import SysvenvError

class Command(NamedTuple):
    argv: list
    cwd: str
    pid: int

class Outcome(NamedTuple):
    exit_code: int
    signal: int

def _note(step, **facts):
    with open(os.environ["FAKE_LOG"], "a") as log:
        log.write(json.dumps({"step": step, "pid": os.getpid(), **facts}) + "\\n")

def _misbehave(step):
    do = os.environ.get("FAKE_" + step.upper(), "")
    if do == "refuse": raise SysvenvError("the store is broken", "run sysvenv doctor")
    if do == "bug": {}["x"]
    if do == "exit": os._exit(3)
    if do == "killed": os.kill(os.getpid(), 9)
    if do.startswith("sleep"): time.sleep(float(do[5:]))

def begin(context, lock_fd, command, environ):
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    _note("begin", home=context.home.root, argv=command.argv, cwd=command.cwd, asked_by=command.pid,
          session=os.getpgid(0), asker_group=os.getpgid(command.pid))
    _misbehave("begin")
    return Recording()

class Recording:
    class session:
        class context:
            config = None
        class home:
            venv = os.path.dirname(os.environ["FAKE_LOG"]) + "/venv"
    def meanwhile(self):
        _note("meanwhile")
        _misbehave("meanwhile")
    def take_in_arrivals(self):
        if "FAKE_ARRIVALS" in os.environ:
            _note("arrivals")
            _misbehave("arrivals")
    def look_ahead(self):
        if "FAKE_AHEAD" in os.environ:  # else it is not told: a slow recorder hears of pip's end first
            _note("ahead")
            _misbehave("ahead")
    def finish(self, outcome, report):
        _misbehave("finish")
        names = None if report is None else [i["metadata"]["name"] for i in report["install"]]
        _note("finish", exit_code=outcome.exit_code, signal=outcome.signal, report=names)
        return outcome
"""
# And for sysvenv/operations/session.py, so that nothing of the store is needed: here, only the hook is on trial.
_SESSION = """
from typing import Any, NamedTuple

class Context(NamedTuple):
    home: Any
    config: Any
    tool_python: str
    wait: bool = True
    on_wait: Any = None
"""
_RENDER = """
import os
def recorded(result, config=None):
    os.write(2, b"RECORDED %d %d\\n" % result)
"""


def make_tool(place: Path) -> str:
    """An interpreter whose `-I -m sysvenv.supervise` is ours with a fake recorder behind it."""
    code = place / "code"
    for package in ("sysvenv", "store"):
        shutil.copytree(REPOSITORY / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "sysvenv/operations/record.py").write_text(_RECORD)
    (code / "sysvenv/operations/session.py").write_text(_SESSION)
    (code / "sysvenv/render/after_pip.py").write_text(_RENDER)
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", place / "env"], check=True)
    (site,) = (place / "env").glob("lib/python*/site-packages")
    # The libraries are this environment's own; should sysvenv itself be among them, `code` comes first.
    libraries = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site / "code.pth").write_text("\n".join([str(code), *libraries]) + "\n")
    return str(place / "env/bin/python")


class Managed:
    """A home with a managed venv: `root`/venv with pip and the hook, `root`/history, and the fake's log."""

    def __init__(self, root: Path, python: str, tool: str) -> None:
        self.root = root
        self.venv = root / "venv"
        self.bin = self.venv / "bin"
        self.python = str(self.bin / "python")
        self.tool = tool
        (root / "history").mkdir(parents=True)
        (root / "store").mkdir()
        self.log = root / "log"
        subprocess.run([python, "-I", "-m", "venv", self.venv], check=True)
        (self.site,) = self.venv.glob("lib/python*/site-packages")
        self.lay()

    @property
    def tree_site(self) -> bytes:
        """Site-packages as a tree path."""
        return os.fsencode(self.site.relative_to(self.venv))

    def lay(self) -> None:
        """Put the hook in, as it should be."""
        hook.lay(Home.at(str(self.root)), self.tree_site, self.tool)

    def environment(self, **extra: str) -> dict[str, str]:
        """Of a pip to be started, with the given variables on top."""
        return {**os.environ, "FAKE_LOG": str(self.log), **extra}

    def steps(self) -> list[dict[str, Any]]:
        """What the recorder has noted since the last call."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return [json.loads(line) for line in lines]

    def has_begun(self) -> bool:
        """Whether the recorder has noted something."""
        return self.log.exists() and self.log.stat().st_size > 0

    def names(self) -> list[str]:
        """The steps' names alone."""
        return [step["step"] for step in self.steps()]

    def run(
        self, *command: str | Path, input: str | None = None, cwd: Path | None = None, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` (a name in the venv's bin, or a path) to its end."""
        program = self.bin / command[0] if os.sep not in str(command[0]) else command[0]
        return subprocess.run(
            [program, *command[1:]],
            env=self.environment(**extra),
            input=input,
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def pythons() -> dict[str, str]:
    """The interpreters to try the hook with; SYSVENV_TEST_PYTHONS (paths joined by ':') adds older ones."""
    found = dict(interpreters())
    for path in filter(None, _ADDED.split(os.pathsep)):
        tell = [path, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        told = subprocess.run(tell, capture_output=True, text=True, check=True)
        found.setdefault(told.stdout.strip(), path)
    return found


_ADDED = os.environ.get("SYSVENV_TEST_PYTHONS", "")


def slow_wheel(place: Path, megabytes: int = 60) -> str:
    """A wheel pip works on for seconds, so that there is a middle to interrupt it in."""
    files = {f"slow_pkg/m{number}.py": f"x = {number}\n" * 40 for number in range(megabytes * 40)}
    return build_wheel(place, "slow-pkg", "1.0", files)


def wait_for(happened: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something has happened, but not for ever."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def start(managed: Managed, *command: str, **extra: str) -> subprocess.Popen[str]:
    """A pip in a session of its own, so that it is the leader of its process group as in a shell."""
    return subprocess.Popen(
        [managed.bin / command[0], *command[1:]],
        env=managed.environment(**extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lock_is_free(managed: Managed) -> bool:
    """Whether nobody is at work there."""
    with open(managed.root / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def drain(terminal: int) -> str:
    """All that still comes from a terminal, until nobody has it open."""
    text = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:
            block = b""
        if not block:
            os.close(terminal)
            return text.decode(errors="replace")
        text += block


def children(parent: int) -> list[int]:
    """The processes that one started and has not buried."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(name))
    return found
