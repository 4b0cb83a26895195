"""Two at once: who waits for whom, who does not wait, and who is noticed although they hold no lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenes import SYSVENV, Answer, Scene

from store.lock import Lock
from sysvenv.home import Home

CHANGING = [
    ["undo"], ["redo"], ["restore", "@1"], ["snapshot", "named"], ["snapshot", "--delete", "named"], ["clean"],
    ["clean", "--keep-baseline"], ["doctor", "--fix"],
]  # fmt: skip
READING = [["status"], ["status", "--check"], ["history"], ["diff", "@1"], ["list-snapshots"], ["verify"], ["doctor"],
           ["diff", "live"], ["config"]]  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Put back for each test by ``two``."""
    made = Scene(Path(os.path.realpath(tmp_path_factory.mktemp("two"))))
    made.play()
    return made


@pytest.fixture
def two(scene: Scene) -> Scene:
    scene.lay("two")
    return scene


@contextlib.contextmanager
def started(scene: Scene, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A sysvenv that goes on by itself."""
    child = subprocess.Popen(
        [SYSVENV, *arguments], env=scene.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ended(child: subprocess.Popen[str]) -> Answer:
    output, errors = child.communicate(timeout=60)
    return Answer(child.returncode, output, errors)


def held(scene: Scene) -> Lock:
    """The environment's lock, by somebody who installs torch."""
    return Lock(os.fsencode(Home.at(str(scene.root)).lock), "pip install torch")


@pytest.mark.parametrize("arguments", CHANGING, ids=" ".join)
def test_no_wait_ends_with_5(two: Scene, arguments: list[str]) -> None:
    """Every command that changes the environment: who is at work is named, and nothing was done."""
    if "doctor" in arguments:  # it takes the lock when there is something to put right
        shutil.rmtree(two.root / "store/index")
    before = two.seen()
    with held(two):
        answer = two.sysvenv(*arguments, "--no-wait")
    assert answer.code == 5, answer
    assert f"process {os.getpid()} (pip install torch) has been at work" in answer.errors.lower().replace("\n  ", " ")
    assert two.seen() == before


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_readers_do_not_wait(two: Scene, arguments: list[str]) -> None:
    """They answer while somebody is at work, with what is recorded by then."""
    with held(two):
        answer = two.sysvenv(*arguments)
    assert answer.code == (4 if arguments == ["doctor"] else 0), answer  # it misses a pip in this venv
    assert "aiting" not in answer.text


def test_who_waits_is_told_for_whom(two: Scene) -> None:
    """The pid, the command and for how long; then it goes on by itself."""
    lock = held(two)
    with lock, started(two, "undo") as child:
        assert child.stderr
        line = child.stderr.readline() + child.stderr.readline()
        assert f"Waiting for process {os.getpid()} (pip install torch), at work for" in line.replace("\n  ", " ")
        lock.release()
        answer = ended(child)
    assert answer.code == 0
    assert "Undone: @2" in answer.output


def test_pip_waits_for_sysvenv(two: Scene) -> None:
    """pip says for whom, then installs and is recorded."""
    lock = held(two)
    with lock:
        pip = subprocess.Popen(
            two.pip("install", "--force-reinstall", "--no-deps", "third"),
            env=two.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert pip.stderr
        line = pip.stderr.readline()
        assert f"sysvenv: waiting for process {os.getpid()} (pip install torch), at work for" in line
        lock.release()
        answer = ended(pip)
    assert answer.code == 0, answer
    assert "@3 recorded" in answer.errors


def test_uv_s_lock_is_waited_for(two: Scene) -> None:
    """uv takes flock(2) on .lock in the venv: undo waits until it lets go, names it, or ends with 5."""
    with open(two.venv / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        answer = two.sysvenv("undo", "--no-wait")
        assert answer.code == 5, answer
        if sys.platform.startswith("linux"):
            assert f"Process {os.getpid()}" in answer.errors
        with started(two, "undo") as child:
            assert child.stderr and "Waiting for" in child.stderr.readline()
            fcntl.flock(file, fcntl.LOCK_UN)
            assert ended(child).code == 0


@pytest.mark.skipif(not shutil.which("uv", path=os.path.dirname(sys.executable)), reason="uv is not installed")
def test_uv_waits_for_sysvenv(two: Scene) -> None:
    """The real uv does nothing while sysvenv holds that lock."""
    uv = os.path.join(os.path.dirname(sys.executable), "uv")
    words = [uv, "pip", "uninstall", "--python", str(two.venv / "bin/python"), "third"]
    with open(two.venv / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        child = subprocess.Popen(words, env=two.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        assert child.poll() is None
        assert (two.site / "third.py").exists()
        fcntl.flock(file, fcntl.LOCK_UN)
        assert child.wait(30) == 0
    assert not (two.site / "third.py").exists()


@pytest.fixture
def stubborn(two: Scene, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A pip with its hook switched off, in the middle of an installation: it builds what never gets ready."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n')
    (source / "b.py").write_text(
        "import time\ndef build_wheel(*_, **__):\n    open('busy', 'w').close()\n    time.sleep(60)\n"
    )
    pip = subprocess.Popen(
        two.pip("install", str(source)), env={**two.environ, "SYSVENV": "0"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (source / "busy").exists():
        assert time.monotonic() < deadline and pip.poll() is None, "pip did not come to its build"
        time.sleep(0.05)
    yield pip
    os.killpg(pip.pid, 9)
    pip.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("arguments", [["undo"], ["restore", "@1"], ["clean", "--keep-baseline"]], ids=" ".join)
def test_a_pip_without_its_hook_is_not_mixed_with(
    two: Scene, stubborn: subprocess.Popen[str], arguments: list[str]
) -> None:
    """A swap in the middle of its work would leave half a package: it is refused with a sentence, and works later."""
    before = two.seen()
    answer = two.sysvenv(*arguments)
    assert answer.code == 5, answer
    said = " ".join(answer.errors.split())
    assert "is changing the environment, and sysvenv does not record it. Nothing was changed." in said
    assert two.seen() == before
    os.killpg(stubborn.pid, 9)
    stubborn.wait()
    answer = two.sysvenv(*arguments)
    assert answer.code == 0, answer
    assert two.seen() != before


def test_what_changes_in_the_last_instant_is_noticed(two: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that comes between the look and the swap stops undo; the next one takes it back first."""
    from store import trees

    def write_marker(store: object, root: bytes, marker: object) -> None:
        (two.site / "late.py").write_text("late = 1\n")
        real(store, root, marker)

    real = trees.write_marker
    monkeypatch.setattr(trees, "write_marker", write_marker)
    answer = two.sysvenv("undo")
    assert answer.code == 5, answer
    assert "in the last instant. Nothing was changed." in " ".join(answer.errors.split())
    monkeypatch.undo()
    assert (two.site / "late.py").exists()
    answer = two.sysvenv("undo")
    assert answer.code == 0, answer
    assert "changes made without pip" in answer.output
    assert not (two.site / "late.py").exists()
