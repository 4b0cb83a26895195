"""What every test stands on: an empty home, no network unless asked for, and a header that says what this
machine can show and what it must skip."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tally
from _pytest.terminal import TerminalReporter
from effort import Effort
from effort import of as effort_of
from tally import Count

# Settings of the machine's own that would change what pip, Python or sysvenv do in a test.
_FOREIGN = (
    "SYSVENV",
    "XDG_",
    "PIP_",
    "UV_",
    "PYTHON",
    "VIRTUAL_ENV",
    "CONDA_",
    "CLICK_",
    "NO_COLOR",
    "FORCE_COLOR",
)
_PIP_BEFORE = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
_NO_INDEX = "https://offline.invalid/simple"


@pytest.fixture(autouse=True)
def isolated(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh HOME (returned), none of the user's settings, and a pip that cannot reach an index.

    Tests marked `network` keep the machine's pip settings: a mirror or a certificate may be what it needs.
    """
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    if request.node.get_closest_marker("network"):
        for name, value in _PIP_BEFORE.items():
            monkeypatch.setenv(name, value)
    else:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_INDEX_URL", _NO_INDEX)
        monkeypatch.setenv("UV_OFFLINE", "1")
    yield home


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine stays up: flushing would only cost time."""
    from store import disk

    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(disk, "sync_filesystem", lambda path: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``tests/run --faults`` gives these (tests/effort.py says what they mean)."""
    parser.addoption("--every-call", action="store_true", help="inject faults at every system call, not at a sample")
    parser.addoption("--faults", action="store_true", help="that, and long runs of the model and of races")
    parser.addoption("--short", action="store_true", help="with --faults: a larger sample, not everything")


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> Effort:
    """How much this run tries of what can be tried without end."""
    return effort_of(pytestconfig)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Counts broken points for the table at the end."""
    return lambda operation, kind, points, bad: record_property(tally.PROPERTY, (operation, kind, points, bad))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """The table of all that was broken."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    rows = [value for report in reports for name, value in report.user_properties if name == tally.PROPERTY]
    if rows:
        terminalreporter.section("broken on purpose, and how often that ended badly")
        for line in tally.table(rows):
            terminalreporter.line(line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, with the reason in the summary, what this machine cannot show."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("network") and (why := _no_network()):
        pytest.skip(f"needs PyPI: {why}")


def pytest_sessionstart() -> None:
    """Root's sysvenv means the system environment where there is one: a test must not.

    What nohup or a shell's `&` let us ignore, the programs under test would ignore too.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if os.geteuid() == 0 and os.path.isdir("/opt/system-python/history"):
        pytest.exit("root's /opt/system-python would be changed: run the tests as a user, or in a container", 1)


def pytest_report_header() -> list[str]:
    """What the filesystem of the temporary directory can do, and the interpreters the hook is tried with."""
    found = ", ".join(f"{version} ({path})" for version, path in interpreters().items()) or "none"
    return [f"filesystem of {tempfile.gettempdir()}: {_abilities()}", f"pythons: {found}"]


@functools.cache
def interpreters() -> dict[str, str]:
    """Minor version ("3.12") to path of each CPython >= 3.10 with venv and pip found here, this one included.

    Looked for on PATH, in pyenv's and in uv's directories. Shims are resolved to the interpreter they start.
    """
    places = [sys.executable]
    places += [path for minor in range(10, 16) if (path := shutil.which(f"python3.{minor}"))]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    places += sorted(glob.glob(f"{pyenv}/versions/3.*/bin/python3"))
    places += sorted(glob.glob(os.path.expanduser("~/.local/share/uv/python/cpython-3.*/bin/python3")))
    found: dict[str, str] = {}
    for place in places:
        version, path = _ask(place)
        if version:
            found.setdefault(version, path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


def _ask(python: str) -> tuple[str, str]:
    """Minor version and path of the base interpreter `python` starts; empty strings if it is of no use."""
    tell = (
        "import ensurepip, sys, venv;"
        "assert sys.implementation.name == 'cpython' and sys.version_info >= (3, 10);"
        "print('%d.%d' % sys.version_info[:2]); print(getattr(sys, '_base_executable', sys.executable))"
    )
    answer = subprocess.run([python, "-I", "-c", tell], capture_output=True, text=True, check=False)
    lines = answer.stdout.splitlines()
    return (lines[0], lines[1]) if answer.returncode == 0 and len(lines) == 2 else ("", "")


@functools.cache
def _no_network() -> str:
    """Why PyPI cannot be reached, or nothing."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, "six==1.17.0"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return "" if answer.returncode == 0 else answer.stderr.strip().rpartition("\n")[2]


def _abilities() -> str:
    """What was tried in the temporary directory: "hardlink yes, exchange yes, reflink no"."""
    with tempfile.TemporaryDirectory() as place:
        one, two = os.path.join(place, "one"), os.path.join(place, "two")
        for path in (one, two):
            with open(path, "wb") as file:
                file.write(path.encode())
        tries = {"hardlink": _links, "exchange": _exchanges, "reflink": _reflinks}
        return ", ".join(f"{name} {'yes' if attempt(one, two) else 'no'}" for name, attempt in tries.items())


def _links(one: str, two: str) -> bool:
    try:
        os.link(one, one + ".link")
    except OSError:
        return False
    return True


def _exchanges(one: str, two: str) -> bool:
    """renameat2(RENAME_EXCHANGE) on Linux, renamex_np(RENAME_SWAP) on macOS."""
    libc = ctypes.CDLL(None)
    if sys.platform == "darwin":
        return bool(libc.renamex_np(one.encode(), two.encode(), 2) == 0)
    here = -100
    return hasattr(libc, "renameat2") and libc.renameat2(here, one.encode(), here, two.encode(), 2) == 0


def _reflinks(one: str, two: str) -> bool:
    ficlone = 0x40049409
    try:
        with open(one, "rb") as source, open(two, "wb") as target:
            fcntl.ioctl(target, ficlone, source.fileno())
    except OSError:
        return False
    return True
