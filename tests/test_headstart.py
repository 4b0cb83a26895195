"""The head start: an audit that begins before the rest of sysvenv is imported, and is never more than a help."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fingerprint import fingerprint
from recorded import Environment

from store import second
from sysvenv import headstart
from sysvenv.cli import plain
from sysvenv.cli.boundary import run
from sysvenv.cli.table import COMMANDS
from sysvenv.headstart import HeadStart
from sysvenv.home import Home
from sysvenv.operations import look, rewind
from sysvenv.operations.session import Session

pytest_plugins = ["homes"]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process pays however small the tree is."""
    monkeypatch.setattr(second, "WORTH_IT", 0)
    monkeypatch.setattr(second, "processors", lambda: 2)


@pytest.fixture
def home(upgraded: Environment, eager: None) -> Environment:
    """An environment with something to undo, whose live tree has an index."""
    rewind.undo(upgraded.context)
    rewind.redo(upgraded.context)
    return upgraded


def is_held(path: str) -> bool:
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def close(ahead: HeadStart) -> None:
    if ahead.second is not None:
        ahead.second.close()
    for descriptor in (ahead.lock, ahead.uv_lock):
        if descriptor is not None:
            os.close(descriptor)


def test_the_commands_it_is_for_are_commands() -> None:
    """Its names are those of the table."""
    assert set(COMMANDS) >= headstart.COMMANDS | headstart.READERS


@pytest.mark.parametrize("command", ["undo", "status"])
def test_an_undo_goes_on_from_it(home: Environment, command: str) -> None:
    """Both locks are held while it looks, the session takes them over, and all are free afterwards."""
    ahead = headstart.for_command([command], home.home)
    assert ahead.second is not None
    locks = [home.home.lock, home.home.venv + "/.lock"]
    assert [is_held(path) for path in locks] == [command == "undo"] * 2
    context = home.context._replace(ahead=ahead)
    if command == "undo":
        before = fingerprint(home.home.venv)
        assert rewind.undo(context).operation == 1
        assert rewind.redo(home.context).operation == 2
        assert fingerprint(home.home.venv) == before
    else:
        assert not look.quick_drift(look.glance(context))
        ahead.second.close()
    assert not any(is_held(path) for path in locks)
    with pytest.raises(ProcessLookupError):
        os.kill(ahead.second.pid, 0)


def test_what_it_finds_counts(home: Environment) -> None:
    """An edit seen only by the second process is undone like any other."""
    place = home.site / "demo/__init__.py"
    content = place.read_bytes()
    place.write_bytes(content + b"# edited\n")
    ahead = headstart.begin(home.home)
    time.sleep(0.1)  # it looks at everything
    undone = rewind.undo(home.context._replace(ahead=ahead))
    assert [step.kind for step in undone.steps] == ["external"]
    assert place.read_bytes() == content


@pytest.mark.parametrize("trouble", ["marker", "index", "other checkout"])
def test_a_wrong_guess_does_no_harm(home: Environment, trouble: str) -> None:
    """It went by a marker that is not what the session reads, or by an index that is gone meanwhile."""
    marker = Path(home.home.venv, ".sysvenv")
    value = json.loads(marker.read_text())
    if trouble == "marker":
        marker.write_text(json.dumps(dict(reversed(value.items()))))
        assert headstart.begin(home.home).second is None
    ahead = headstart.begin(home.home)
    if trouble == "index":
        Path(home.home.store, "index", value["checkout"]).unlink()
    elif trouble == "other checkout":
        ahead.checkout = "0" * 16
    before = fingerprint(home.home.venv)
    assert rewind.undo(home.context._replace(ahead=ahead)).operation == 1
    assert rewind.redo(home.context).operation == 2
    assert fingerprint(home.home.venv) == before


@pytest.mark.parametrize("held", ["lock", "venv/.lock"])
def test_it_waits_for_nobody(home: Environment, held: str) -> None:
    """Whoever is at work is not disturbed, and the session says who that is."""
    with open(os.path.join(home.home.root, held)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        opened = len(os.listdir("/proc/self/fd"))
        assert headstart.begin(home.home).second is None
        assert len(os.listdir("/proc/self/fd")) == opened


def test_the_callers_own_lock_is_used(home: Environment) -> None:
    """Under the hook the lock is open already, and stays the hook's."""
    with open(home.home.lock, "r+") as file:
        ahead = headstart.begin(home.home, file.fileno())
        assert ahead.second is not None and ahead.lock is None and ahead.uv_lock is not None
        assert is_held(home.home.lock)
        with Session(home.context._replace(ahead=ahead), "pip", file.fileno()) as session:
            session.enter()
            assert not session.audit()
        assert is_held(home.home.lock)
    assert not is_held(home.home.lock)


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["history"], {"HOME": "/nowhere"}),
        ([], {"HOME": "/nowhere"}),
        (["undo", "--help"], {"HOME": "/nowhere"}),
        (["undo"], {"SYSVENV_HOME": "relative"}),
        (["undo"], {"HOME": "/nowhere"}),
        (["status"], {"HOME": "/nowhere"}),
    ],
    ids=str,
)
def test_there_is_none_where_it_makes_no_sense(arguments: list[str], environ: dict[str, str]) -> None:
    """Other commands, help, no home: whatever there is to say is said later, by the command itself."""
    home = Home.default(environ) if "SYSVENV_HOME" not in environ else None
    assert headstart.for_command(arguments, home).second is None


# --- the plain forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["undo", "undo 2", "undo 0", "redo", "redo 3", "restore web", "restore @4", "status"],
)
def test_plain_forms_are_told_from_others(line: str) -> None:
    """What people type in a panic needs no click."""
    assert plain.find(line.split()) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["undo", "@4"],
        ["undo", "--to", "@4"],
        ["undo", "1", "2"],
        ["undo", "-y"],
        ["undo", ""],
        ["restore"],
        ["restore", "--help"],
        ["status", "x"],
        ["status", "--check"],
        ["clean"],
        ["history"],
        ["--version"],
    ],
    ids=str,
)
def test_what_is_not_plain_is_for_click(arguments: list[str]) -> None:
    """Options, questions and mistakes are read and answered as ever."""
    assert plain.find(arguments) is None


@pytest.mark.parametrize("command", [["undo"], ["undo", "99"], ["redo"], ["restore", "none"], ["status"]], ids=str)
def test_a_plain_form_says_what_the_whole_one_says(
    home: Environment, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same exit code and the same words, with and without click."""
    monkeypatch.setenv("SYSVENV_HOME", home.home.root)
    ended = []
    for _ in ("plain", "click"):
        code = run(command)
        ended.append((code, without_times(capsys.readouterr())))
        if command == ["undo"]:
            rewind.redo(home.context)
        monkeypatch.setattr(plain, "find", lambda arguments: None)
    assert ended[0] == ended[1]


def without_times(printed: object) -> str:
    return re.sub(r"in [0-9.]+ s", "in some time", str(printed))


def test_undo_imports_no_click(home: Environment) -> None:
    """click, humanize and packaging stay out of it, and whatever else takes long and is not needed."""
    code = (
        "import sys\n"
        "from sysvenv import headstart\n"
        "early = sorted(sys.modules)\n"
        "import os; os._exit = lambda code: (print('EARLY', *early, file=sys.stderr), "
        "print('MODULES', *sorted(sys.modules), file=sys.stderr))\n"
        "from sysvenv.__main__ import start; sys.argv = ['sysvenv', 'undo']; start()"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={**os.environ, "SYSVENV_HOME": home.home.root},
        capture_output=True,
        text=True,
        check=False,
    )
    early, _, late = answer.stderr.partition("EARLY")[2].partition("MODULES")
    assert "sysvenv.operations.rewind" in late.split(), answer
    heavy = {"click", "humanize", "packaging", "tomli", "subprocess", "tempfile", "pathlib", "dataclasses", "inspect"}
    heavy |= {"logging", "urllib", "email", "importlib.metadata", "hashlib", "backports.zstd"}
    assert not heavy & set(late.split())
    assert not {"typing", "json", "re", "enum", "store.tree", "xxhash"} & set(early.split())
