"""Several Pythons: `sysvenv init --python` on an environment of another one, there and back, and what is in the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import small_disk
from conftest import interpreters
from fingerprint import fingerprint
from projects import committed, project
from recorded import Environment, copied
from wheels import build_wheel

from sysvenv import fresh, history, venv
from sysvenv.cli.boundary import run
from sysvenv.errors import SysvenvError
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import aside, doctor, rewind, setup, status, switch_python
from sysvenv.operations.results import Initialised
from sysvenv.operations.switch_python import Wanted
from sysvenv.requested import Request

pytest_plugins = ["homes"]

HERE = "{}.{}".format(*sys.version_info[:2])
OTHERS = {version: path for version, path in interpreters().items() if version != HERE}
pytestmark = [
    pytest.mark.skipif(not OTHERS, reason="there is no other Python here"),
    pytest.mark.usefixtures("unflushed"),
]
VERSION, PYTHON = list(OTHERS.items())[-1] if OTHERS else ("", "")
OLD, NEW = f"lib/python{HERE}/site-packages", f"lib/python{VERSION}/site-packages"


class Moved(NamedTuple):
    """A home that was switched to another Python, which can be taken away."""

    place: Path
    python: Path


@pytest.fixture(scope="module")
def moved(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """After @2, with a model of the user's: @3 switched to the other Python, through a link."""
    place = tmp_path_factory.mktemp("moved")
    python = place / "base/bin" / f"python{VERSION}"
    python.parent.mkdir(parents=True)
    python.symlink_to(PYTHON)
    env = copied(grown, place / "home")
    (env.site / "demo/model.bin").write_bytes(b"the user's")
    result = initialise(env, str(python))
    assert (result.outcome, result.switch.rewound.recorded) == ("switched", 3)
    assert result.switch.rewound.notes == (
        f"Files of yours stay in {env.venv / OLD}, where this Python does not look: 1.",
    )
    return Moved(place / "home", python)


@pytest.fixture
def env(moved: Moved, tmp_path: Path) -> Environment:
    """A copy of it."""
    return copied(moved.place, tmp_path / "env")


@pytest.fixture
def before(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A home at @2 with the first Python, whose wheels pip finds."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(upgraded.wheels))
    return upgraded


def initialise(env: Environment, python: str, *, carry: bool = False, dry_run: bool = False) -> Initialised:
    return setup.initialise(env.context, Wanted(python, fresh.probe(python), carry), dry_run)


def numbers(env: Environment) -> list[int]:
    return History(env.home).numbers()


def leftovers(env: Environment) -> list[str]:
    return [name for name in os.listdir(f"{env.home.store}/trees") if "building" in name]


def test_there_and_back(env: Environment, moved: Moved) -> None:
    """Interpreter link, pyvenv.cfg, packages, bytecode and hook are all of one Python, undo and redo go back and forth,
    the user's file stays where it is, and uv's lock one inode."""
    switched, lock = fingerprint(env.venv), os.stat(env.venv / ".lock").st_ino
    assert os.readlink(env.venv / f"bin/python{VERSION}") == str(moved.python)
    assert venv.read_interpreter(env.home.venv).minor == VERSION
    assert sorted(os.listdir(env.venv / OLD)) == ["demo"]
    assert {"_sysvenv.py", "_sysvenv.pth", "pip"} <= set(os.listdir(env.venv / NEW))
    told = rewind.undo(env.context)
    assert told.steps[0].command == ("sysvenv", "init", "--python", str(moved.python))
    old = fingerprint(env.venv)
    assert os.listdir(env.venv / "lib") == [f"python{HERE}"]
    assert {"_sysvenv.py", "demo", "pip"} <= set(os.listdir(env.venv / OLD))
    rewind.redo(env.context)
    assert fingerprint(env.venv) == switched
    rewind.restore(env.context, "@2")
    assert fingerprint(env.venv) == old
    rewind.restore(env.context, "@3")
    assert fingerprint(env.venv) == switched
    assert (env.venv / OLD / "demo/model.bin").read_bytes() == b"the user's"
    assert os.stat(env.venv / ".lock").st_ino == lock
    assert History(env.home).read(3).kind == history.PYTHON


def test_a_tree_of_the_other_python_is_made_into_this_one(env: Environment) -> None:
    """With one tree kept, each step turns the other Python's tree into what it needs; nothing of its hook stays."""
    few = env.context._replace(
        config=env.context.config._replace(store=env.context.config.store._replace(keep_trees=1))
    )
    states = {"@2": set[str](), "@3": set[str](), "@1": set[str]()}
    for target in ("@2", "@3", "@1", "@3", "@2", "@1", "@3"):
        rewind.restore(few, target)
        found = {str(path.relative_to(env.venv)) for path in env.venv.rglob("*") if "__pycache__" not in path.parts}
        states[target] = states[target] or found
        assert found == states[target], target
    assert not list((env.venv / OLD).glob("_sysvenv*"))


def test_the_same_python_is_kept(env: Environment, moved: Moved) -> None:
    """By version, by path, by another name of it, or by a virtual environment made from it: nothing to do."""
    for word in (str(moved.python), PYTHON, str(env.venv / "bin/python")):
        assert initialise(env, word).outcome == "kept"
    by_version = Wanted(VERSION, fresh.probe(PYTHON)._replace(path="/another/python"))
    assert setup.initialise(env.context, by_version).outcome == "kept"
    assert numbers(env) == [0, 1, 2, 3]


def test_a_second_switch_uses_the_state_of_the_first(
    env: Environment, moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is built again, and clean uses it too."""
    switched = fingerprint(env.venv)
    rewind.undo(env.context)
    monkeypatch.setattr(venv, "build_fresh", None)
    assert initialise(env, str(moved.python)).outcome == "switched"
    assert fingerprint(env.venv) == switched
    assert History(env.home).read(4).manifest == History(env.home).read(3).manifest
    assert rewind.clean(env.context).unchanged


def test_a_python_that_is_gone(env: Environment, moved: Moved, tmp_path: Path) -> None:
    """Redo and restore say which one, and change nothing; doctor tells which states need it. Once back, it works."""
    rewind.undo(env.context)
    old, head = fingerprint(env.venv), read_head(env.home)
    aside_link = tmp_path / "link"
    os.rename(moved.python, aside_link)
    try:
        for attempt in (lambda: rewind.redo(env.context), lambda: rewind.restore(env.context, "@3")):
            with pytest.raises(SysvenvError, match=f"@3 needs Python {VERSION}.* at {moved.python}, which is gone"):
                attempt()
        assert (fingerprint(env.venv), read_head(env.home), numbers(env)) == (old, head, [0, 1, 2, 3])
        found = doctor.doctor(env.context, "", fix=False).findings
        assert any("cannot go to @3." in each.message for each in found if each.severity == "warning")
    finally:
        os.rename(aside_link, moved.python)
    rewind.redo(env.context)
    assert venv.read_interpreter(env.home.venv).minor == VERSION


def test_away_from_a_python_that_is_gone(
    env: Environment, moved: Moved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with the whole tree lost: init alone says what to type, and with another Python it leads on."""
    aside_link = tmp_path / "link"
    os.rename(moved.python, aside_link)
    try:
        shutil.rmtree(env.venv)
        with pytest.raises(SysvenvError, match="which is gone") as caught:
            setup.initialise(env.context)
        assert "sysvenv init --python" in caught.value.hint
        monkeypatch.setattr(aside, "fresh_state", lambda *_: History(env.home).read(0).manifest)  # else it is built
        assert initialise(env, os.path.realpath(sys.executable)).outcome == "switched"
        assert venv.read_interpreter(env.home.venv).minor == HERE
        assert History(env.home).read(4).kind == history.EXTERNAL
    finally:
        os.rename(aside_link, moved.python)


def test_made_anew_by_hand(before: Environment) -> None:
    """rm -rf and another Python's venv: status lists its packages, undo brings the old one back, redo the new one."""
    env, old = before, fingerprint(before.venv)
    shutil.rmtree(env.venv)
    subprocess.run([PYTHON, "-I", "-m", "venv", "--without-pip", env.venv], check=True)
    build_wheel(env.wheels, "data", "1.0", {"data/model.txt": "of the package"})
    subprocess.run([sys.executable, "-m", "pip", "--python", env.venv / "bin/python", "install", "-q", "data"],
                   check=True, env={**os.environ, "SYSVENV": "0"})  # fmt: skip
    new = fingerprint(env.venv)
    told = status.status(env.context, "", check=True)
    assert [change.name for change in told.changed if change.after] == ["data"]
    rewind.undo(env.context)
    assert fingerprint(env.venv) == old
    rewind.redo(env.context)
    assert fingerprint(env.venv) == new


def test_carry(
    before: Environment, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for comes along at its version, wherever it came from: an index, a file, a directory that is
    edited in, a repository; what it needs comes with it; the environment's own pip.conf holds; undo takes all back."""
    env = before
    for name in ("PIP_CONFIG_FILE", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    (env.venv / "pip.conf").write_text(f"[global]\nfind-links = {env.wheels}\n")
    build_wheel(env.wheels, "needy", "1.0", {"needy.py": "import other"}, requires=["other"])
    build_wheel(env.wheels, "needy", "2.0", {"needy.py": ""})
    file = build_wheel(tmp_path / "file", "filed", "1.0", {"filed.py": ""})
    mine = project(tmp_path / "a project")
    env.pip("install", "needy==1.0", file)
    env.pip("install", "--no-build-isolation", "-e", str(mine))
    if not shutil.which("git"):
        pytest.skip("there is no git here")
    env.pip("install", f"git+{committed(project(tmp_path / 'theirs', 'theirs')).as_uri()}")
    old = fingerprint(env.venv)
    result = initialise(env, PYTHON, carry=True)
    assert result.switch.carried == ("demo 2.0", "filed 1.0", "mine 1.0", "needy 1.0", "theirs 1.0")
    modules = "import demo, needy, filed, theirs, mine; print(mine.__file__)"
    done = subprocess.run([env.venv / "bin/python", "-c", modules], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(mine / "src/mine.py")
    assert list((env.venv / NEW / "__pycache__").glob("needy*.pyc"))
    assert "Successfully installed" in capfd.readouterr().err
    assert leftovers(env) == []
    assert (env.venv / "pip.conf").exists()
    rewind.undo(env.context)
    assert fingerprint(env.venv) == old


def test_what_cannot_be_carried_is_named(before: Environment, tmp_path: Path) -> None:
    """A file or directory that is gone; no wheel for the other Python. Nothing is changed."""
    env = before
    wheel = Path(build_wheel(env.wheels, "native", "1.0", {"native.py": ""}))
    wheel.rename(wheel.with_name(f"native-1.0-cp{HERE.replace('.', '')}-none-any.whl"))
    gone = build_wheel(tmp_path / "file", "filed", "1.0", {"filed.py": ""})
    env.pip("install", "native", gone)
    os.unlink(gone)
    with pytest.raises(SysvenvError, match=r"cannot be carried: filed 1.0 \(.*\.whl is gone\)\. Nothing"):
        initialise(env, PYTHON, carry=True)
    for name in ("filed-1.0", "demo-2.0"):
        (env.site / f"{name}.dist-info/REQUESTED").unlink()  # so that pip is asked less
    old, known = fingerprint(env.venv), numbers(env)
    with pytest.raises(SysvenvError, match=rf"Python {VERSION}.*: native 1.0, .* Nothing was changed") as caught:
        initialise(env, PYTHON, carry=True)
    assert "pip uninstall native" in caught.value.hint
    assert (fingerprint(env.venv), numbers(env), leftovers(env)) == (old, known, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_killed_while_it_builds(before: Environment, number: signal.Signals) -> None:
    """The environment and its history are as they were; the next session takes away what was half built."""
    env, old = before, fingerprint(before.venv)
    environ = {**os.environ, "SYSVENV_HOME": env.home.root, "PYTHONPATH": str(Path(setup.__file__).parents[2])}
    command = [sys.executable, "-m", "sysvenv", "init", "--python", PYTHON]
    with subprocess.Popen(command, env=environ, text=True, stderr=subprocess.PIPE, start_new_session=True) as process:
        _wait(lambda: bool(leftovers(env)) and any(Path(env.home.store, "trees").glob("*.building/bin/python")))
        os.killpg(process.pid, number)
        told = process.communicate()[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert ("Interrupted" in told and leftovers(env) == []) or number == signal.SIGKILL
    assert setup.initialise(env.context).outcome == "kept"
    assert (fingerprint(env.venv), numbers(env), leftovers(env)) == (old, [0, 1, 2], [])


def test_those_that_cannot_be_had_are_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, whatever stands beside it, without asking pip for each."""
    asked = [Request(f"p{number}", "1", (f"p{number}==1",)) for number in range(40)]
    calls: list[list[str]] = []

    def could_install(place: bytes, arguments: list[str], settings: str) -> bool:
        calls.append(arguments)
        return not {"p0==1", "p17==1", "p39==1"} & set(arguments)

    monkeypatch.setattr(aside, "could_install", could_install)
    assert [request.name for request in switch_python._lost(b"", asked, "")] == ["p0", "p17", "p39"]
    assert len(calls) < 40


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.root
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is built where there is too little room; where that is misjudged, nothing is lost."""
    if why := small_disk.missing("ext4"):
        pytest.skip(why)
    with small_disk.mounted("ext4", tmp_path) as directory:
        env = Environment(directory / "packages", tmp_path / "wheels")
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", env.venv], check=True)
        (env.site / "by_hand.py").touch()
        env.begin()
        old = fingerprint(env.venv)
        small_disk.fill(directory, 4 << 20)
        for size in (aside.SIZE, 0):
            monkeypatch.setattr(aside, "SIZE", size)
            with pytest.raises((SysvenvError, OSError, aside.room.StoreError)) as caught:
                initialise(env, PYTHON)
            assert "space" in str(caught.value).lower() or "takes about" in str(caught.value)
            assert (fingerprint(env.venv), numbers(env), leftovers(env)) == (old, [0], [])
        small_disk.empty(directory)
        assert rewind.clean(env.context, keep_baseline=True).unchanged


def test_words(env: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed, and what is told: the plan, what stays behind, the version that is not there, the option alone."""
    monkeypatch.setenv("SYSVENV_HOME", env.home.root)
    monkeypatch.setenv("PATH", f"/usr/bin:{os.path.dirname(os.path.realpath(sys.executable))}")
    rewind.undo(env.context)
    assert run(["init", "--python", PYTHON, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Would switch to: Python {VERSION}")
    assert "Would stay behind: demo 2.0\n" in told
    assert max(map(len, told.splitlines())) <= 80
    assert numbers(env) == [0, 1, 2, 3]
    assert run(["init", "--python", HERE, "--json"]) == 0
    assert '"outcome": "kept"' in capsys.readouterr().out
    assert run(["init", "--python", "3.99"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "There is no Python 3.99 here; found: " in told
    assert f"{HERE}." in told
    assert run(["init", "--carry"]) == 2
