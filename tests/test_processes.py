"""Who still runs from a tree that is to be replaced, against real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysvenv import processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

WAIT = "import sys, time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Something like an environment: bin/python is a link to the interpreter, as venv makes it."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return tmp_path / "venv"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for child in starter.children:
        child.kill()
        child.communicate()


class Starter:
    """Starts programs that say "up" once they stand."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self.children: list[subprocess.Popen[str]] = []

    def __call__(self, *command: str, **more: object) -> int:
        child: subprocess.Popen[str] = subprocess.Popen(
            command, **{"cwd": self.cwd, "stdout": subprocess.PIPE, "text": True} | more
        )
        self.children.append(child)
        assert child.stdout and child.stdout.readline() == "up\n"
        return child.pid


def why(tree: Path, pid: int) -> str:
    return {program.pid: program.why for program in processes.holding([str(tree)])}.get(pid, "")


def test_nobody_holds_a_tree_nobody_uses(tree: Path) -> None:
    """No false alarm; neither from ourselves nor from a directory whose name only starts alike."""
    assert processes.holding([str(tree)]) == []
    assert processes.holding([]) == []


def test_a_program_of_the_tree_is_named(tree: Path, start: Starter) -> None:
    """`venv/bin/python app.py` goes on with what it imported from the old tree."""
    pid = start(str(tree / "bin" / "python"), "-I", "-c", WAIT)
    [program] = processes.holding([str(tree)])
    assert (program.pid, program.why) == (pid, "runs from")
    assert program.name.startswith("python")
    assert processes.holding([str(tree)], exclude=[pid]) == []
    assert processes.holding([str(tree) + "-other"]) == []


def test_a_program_found_on_path_is_named(tree: Path, start: Starter) -> None:
    """Typed as `python`, neither the command line nor /proc/PID/exe names the tree; its PATH does."""
    pid = start("/bin/sh", "-c", 'exec python -I -c "$0"', WAIT, env={"PATH": f"{tree}/bin:/usr/bin:/bin"})
    assert why(tree, pid) == "runs from"


def test_a_relative_program_is_named(tree: Path, start: Starter) -> None:
    """`bin/python` is taken from where the program stands."""
    pid = start("/bin/sh", "-c", 'exec bin/python -I -c "$0"', WAIT, cwd=tree)
    assert why(tree, pid) == "runs from"


def test_a_script_of_the_tree_is_named(tree: Path, start: Starter) -> None:
    """A script of the environment run by another interpreter."""
    script = tree / "bin" / "tool"
    script.write_text(WAIT)
    assert why(tree, start(sys.executable, "-I", str(script))) == "runs from"


def test_a_mapped_library_is_named(tree: Path, start: Starter) -> None:
    """A Python from elsewhere that loaded an extension module of the tree."""
    library = tree / "lib.so"
    library.write_bytes(b"x" * 4096)
    code = "import mmap, os; m = mmap.mmap(os.open(sys.argv[-1], os.O_RDONLY), 0, access=mmap.ACCESS_READ); "
    # The name of the library stands behind the code, further along than a script would.
    pid = start(sys.executable, "-I", "-c", f"import sys; {code}{WAIT}", "1", "2", str(library))
    assert why(tree, pid) == "maps"


def test_who_stands_in_the_tree_is_named(tree: Path, start: Starter, tmp_path: Path) -> None:
    """A shell there sees the old tree until it says `cd .`; so does one that came through a link."""
    pid = start("/bin/sh", "-c", "echo up; read line", cwd=tree / "bin", stdin=subprocess.PIPE)
    assert why(tree, pid) == "stands in"
    assert processes.shell_stands_in([str(tree)], pid)
    assert not processes.shell_stands_in([str(tmp_path / "elsewhere")], pid)
    (tmp_path / "link").symlink_to(tree)
    assert processes.shell_stands_in([str(tmp_path / "link")], pid)


def test_a_dead_process_is_nobody(tree: Path) -> None:
    """Processes end while we look."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not processes.shell_stands_in([str(tree)], child.pid)
    assert processes.start_time(child.pid) == 0


def test_start_time_and_boot_tell_a_process_for_ever(start: Starter) -> None:
    """A pid is used again; with its start and the boot it is not."""
    first = start(sys.executable, "-c", WAIT)
    time.sleep(0.05)
    second = start(sys.executable, "-c", WAIT)
    assert 0 < processes.start_time(first) < processes.start_time(second)
    assert len(processes.boot_id()) == 36
    assert processes.start_time(first) == processes.start_time(first)


def test_a_name_with_a_parenthesis_does_not_mislead(start: Starter, tmp_path: Path) -> None:
    """The second field of /proc/PID/stat is the name, in parentheses, and may hold some itself."""
    sleep = tmp_path / "a) S 1 ("
    shutil.copy(os.path.realpath("/bin/sh"), sleep)
    pid = start(str(sleep), "-c", "echo up; read line", stdin=subprocess.PIPE)
    assert processes.start_time(pid) > processes.start_time(os.getpid())
    [program] = processes.holding([str(tmp_path)], exclude=[os.getpid()])
    assert (program.pid, program.name) == (pid, "a) S 1 (")
