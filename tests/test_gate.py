"""The gate: pip imports while the audit runs, and does nothing before that has ended; whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hooked import ALL, Managed, children, drain, lock_is_free, start, wait_for

from store.second import processors

pytest_plugins = ["managed"]

AUDIT = {"FAKE_BEGIN": "sleep2"}
"""Two seconds in which nothing may be written; pip's imports take a fifth of one."""
LAST = "pip._internal.commands.install"


def tree(managed: Managed) -> dict[str, tuple[int, int]]:
    """Every path of the venv, with inode and mtime: of directories too, so nothing can come and go unseen."""
    found = {}
    for folder, folders, names in os.walk(managed.venv):
        for name in [*folders, *names, "."]:
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            found[path] = (seen.st_ino, seen.st_mtime_ns)
    return found


class Watched:
    """A pip that tells what it imports, and what there is of it while the audit has not ended."""

    def __init__(self, managed: Managed, place: Path, *command: str, **extra: str) -> None:
        self.said = place / "imports"
        self.managed = managed
        managed.steps()
        self.before = tree(managed)
        with open(self.said, "w") as stream:
            self.pip = subprocess.Popen(
                [managed.python, "-X", "importtime", *command],
                env=managed.environment(**(AUDIT | extra)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                start_new_session=True,
            )

    def imported(self) -> set[str]:
        """The modules this pip has imported up to now."""
        lines = self.said.read_text().splitlines()
        return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}

    def hold(self) -> set[str]:
        """See that nothing has been written shortly before the audit ends; what pip has imported then."""
        wait_for(self.managed.has_begun, "begin")
        time.sleep(1.5)
        assert tree(self.managed) == self.before
        assert self.managed.names() == ["begin"]
        return self.imported()

    def end(self) -> int:
        """Let it come to its end; its exit code."""
        self.pip.communicate(timeout=60)
        return self.pip.returncode


@pytest.fixture
def clean(one: Managed) -> Iterator[Managed]:
    """A home in which demo-pkg is gone again afterwards."""
    yield one
    one.run("pip", "uninstall", "-y", "demo-pkg", SYSVENV="0")
    one.steps()


def test_pip_imports_while_the_audit_runs_and_writes_nothing(clean: Managed, demo: str, tmp_path: Path) -> None:
    """All of pip's imports are done when the audit ends; then it installs, and is recorded."""
    pip = Watched(clean, tmp_path, "-m", "pip", "install", "--no-compile", demo)
    imported = pip.hold()
    assert {"pip._internal.cli.main", "pip._internal.cli.req_command"} <= imported
    assert pip.end() == 0
    assert clean.names() == ["meanwhile", "finish"]
    assert (clean.site / "demo_pkg.py").exists()


@contextmanager
def without_bytecode(managed: Managed) -> Iterator[None]:
    """As after `find -name __pycache__ -delete`."""
    bytecode = next((managed.site / "pip/_internal/commands/__pycache__").glob("install.*.pyc"))
    content = bytecode.read_bytes()
    bytecode.unlink()
    try:
        yield
    finally:
        bytecode.write_bytes(content)


@contextmanager
def older_layout(managed: Managed) -> Iterator[None]:
    """As a pip whose commands are somewhere else."""
    folder = managed.site / "pip/_internal/commands"
    shutil.copytree(folder, folder.parent / "orders")
    for package in ("commands", "orders"):
        text = (folder.parent / package / "__init__.py").read_text()
        (folder.parent / package / "__init__.py").write_text(text.replace(LAST, LAST.replace("commands", "orders")))
    (folder / "install.py").rename(managed.root / "install.py")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        (folder.parent / "orders").rename(folder)
        text = (folder / "__init__.py").read_text()
        (folder / "__init__.py").write_text(text.replace(LAST.replace("commands", "orders"), LAST))


@contextmanager
def held_lock(managed: Managed) -> Iterator[None]:
    """As while an undo is about to exchange the tree pip's modules come from."""
    with open(managed.root / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        child = subprocess.Popen(["sleep", "1"], pass_fds=[lock.fileno()])
    yield
    child.wait()


@pytest.mark.parametrize("arrange", [without_bytecode, older_layout, held_lock])
def test_pip_waits_before_it_imports_anything(clean: Managed, demo: str, tmp_path: Path, arrange) -> None:  # type: ignore[no-untyped-def]
    """Bytecode that would be written, a pip laid out otherwise, somebody at work: no overlap, and nothing is lost."""
    with arrange(clean):
        pip = Watched(clean, tmp_path, "-m", "pip", "install", "--no-compile", demo)
        imported = pip.hold()
        assert not [name for name in imported if name.startswith("pip._")]
        assert pip.end() == 0
    assert clean.names() == ["meanwhile", "finish"]
    assert (clean.site / "demo_pkg.py").exists()


def test_bytecode_is_written_again_after_the_gate(clean: Managed, demo: str, tmp_path: Path) -> None:
    """What plain pip would leave of bytecode, a held pip leaves too."""
    with without_bytecode(clean):
        assert Watched(clean, tmp_path, "-m", "pip", "install", demo).end() == 0
        assert list((clean.site / "pip/_internal/commands/__pycache__").glob("install.*.pyc"))
    assert (clean.site / "__pycache__").is_dir()


FOREIGN = "import os, sys\nopen(os.path.join(sys.prefix, 'written'), 'w').close()\n"


@pytest.mark.parametrize("way", ["package", "module", "script"])
def test_what_is_only_called_pip_waits_too(one: Managed, tmp_path: Path, way: str) -> None:
    """No program of that name gets past us, although it never imports what the gate hangs on."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/__init__.py").touch()
    (tmp_path / "pip/__main__.py").write_text(FOREIGN)
    (tmp_path / "pip/pip.py").write_text(FOREIGN)
    (tmp_path / "pip/pip").write_text(FOREIGN)
    place = tmp_path if way == "package" else tmp_path / "pip"
    command = [str(tmp_path / "pip/pip")] if way == "script" else ["-m", "pip"]
    pip = Watched(one, tmp_path, *command, "install", "x", PYTHONPATH=str(place), PYTHONDONTWRITEBYTECODE="1")
    try:
        pip.hold()
        assert pip.end() == 0
        assert one.names() == ["meanwhile", "finish"]
        (one.venv / "written").unlink()
    finally:
        pip.pip.kill()


BACKEND = """\
import os
with open(os.environ["SEEN"], "w") as stream:
    stream.write(" ".join(sorted({"SYSVENV_ACTIVE", "PIP_REPORT"} & os.environ.keys())))
raise SystemExit("enough seen")
"""


@pytest.mark.parametrize(
    ("trouble", "variables"), [({}, "PIP_REPORT SYSVENV_ACTIVE"), ({"FAKE_BEGIN": "refuse"}, "")], ids=["go", "plain"]
)
def test_only_a_recorded_pip_is_told_so(one: Managed, tmp_path: Path, trouble: dict[str, str], variables: str) -> None:
    """The variables reach pip's children only where there is somebody to record it."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/backend.py").write_text(BACKEND)
    (tmp_path / "source/pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'built-pkg'\nversion = '1'\n"
    )
    done = one.run("pip", "install", str(tmp_path / "source"), SEEN=str(tmp_path / "seen"), **trouble)
    assert (done.returncode, (tmp_path / "seen").read_text()) == (1, variables), done


def test_a_pip_that_ends_before_the_gate(one: Managed) -> None:
    """Wrong general options: pip says so and its exit code stays; the recorder hears of a pip that did nothing."""
    command = ["pip", "--timeout", "soon", "install", "x"]
    plain, hooked = one.run(*command, SYSVENV="0"), one.run(*command)
    assert (hooked.returncode, hooked.stdout) == (plain.returncode, plain.stdout) == (2, "")
    assert hooked.stderr.replace("RECORDED 2 0\n", "") == plain.stderr
    steps = one.steps()
    assert ([step["step"] for step in steps], steps[2]["exit_code"]) == (ALL, 2)


# --- who dies, or is told to, before the gate opens


def begun(managed: Managed, demo: str) -> tuple[subprocess.Popen[str], int, int]:
    """A pip whose audit is in progress: W, S, P."""
    managed.steps()
    pip = start(managed, "pip", "install", demo, **AUDIT)
    wait_for(managed.has_begun, "begin")
    recorder = managed.steps()[0]["pid"]
    (inner,) = [child for child in children(pip.pid) if child != recorder]
    return pip, recorder, inner


def ended(managed: Managed) -> None:
    """Nobody is left, and nothing was installed."""
    wait_for(lambda: lock_is_free(managed), "the lock free again")
    assert not (managed.site / "demo_pkg.py").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("pause", [0, 1])
def test_ending_the_outer_process_before_the_gate_ends_pip(
    one: Managed, demo: str, number: signal.Signals, pause: float
) -> None:
    """With plain pip that process would have been pip: nothing is installed, nobody says anything."""
    pip, _, inner = begun(one, demo)
    time.sleep(pause)
    pip.send_signal(number)
    assert pip.communicate() == ("", "RECORDED 130 2\n")
    assert pip.returncode == -number
    wait_for(lambda: not os.path.exists(f"/proc/{inner}"), "pip's end")
    ended(one)


def test_killing_pip_before_the_gate(one: Managed, demo: str) -> None:
    """The process the shell waits for ends as pip did, after the recorder was told."""
    pip, _, inner = begun(one, demo)
    os.kill(inner, signal.SIGKILL)
    stdout, stderr = pip.communicate()
    assert (pip.returncode, stdout, stderr) == (-signal.SIGKILL, "", "RECORDED 137 9\n")
    assert one.steps()[-1]["signal"] == signal.SIGKILL
    ended(one)


def test_killing_the_recorder_before_the_gate(clean: Managed, demo: str) -> None:
    """pip runs, unrecorded, with one line that says so."""
    pip, recorder, _ = begun(clean, demo)
    os.kill(recorder, signal.SIGKILL)
    stdout, stderr = pip.communicate()
    assert (pip.returncode, "Successfully installed" in stdout) == (0, True)
    assert "was killed by signal 9; this pip is not recorded" in stderr
    assert lock_is_free(clean)


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.15, 1.0])
def test_ctrl_c_before_the_gate(one: Managed, demo: str, pause: float) -> None:
    """At whatever import pip is: ^C ends all three without a word, and nothing was installed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(one.bin / "pip", ["pip", "install", demo], one.environment(FAKE_BEGIN="sleep30"))
    wait_for(one.has_begun, "begin")
    time.sleep(pause)
    os.write(terminal, b"\x03")
    text = drain(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGINT
    assert text.replace("^C", "").strip() == ""
    ended(one)
    assert one.names() == ["begin"]


# --- between pip's last deed and its end

SLOW_END = """\
import time
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(1)
slow = Slow()
"""


@pytest.fixture
def slow_end(tmp_path: Path) -> dict[str, str]:
    """What makes an interpreter take a second to be taken down, after its last exit handler."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_END)
    return {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}


def test_recording_begins_when_pip_has_done_its_work(one: Managed, slow_end: dict[str, str]) -> None:
    """Taking pip's interpreter down costs as much as recording one package: both happen at once."""
    done = one.run("pip", "uninstall", "-y", "no-such", FAKE_AHEAD="", **slow_end)
    assert (done.returncode, one.names()) == (0, ["begin", "meanwhile", "ahead", "finish"]), done


def test_a_recorder_that_fails_ahead_of_pips_end_tries_again(one: Managed, slow_end: dict[str, str]) -> None:
    """One line, pip's exit code, and the recording after all."""
    done = one.run("pip", "uninstall", "-y", "no-such", FAKE_AHEAD="refuse", **slow_end)
    assert (done.returncode, one.names()) == (0, ["begin", "meanwhile", "ahead", "finish"]), done
    assert "the store is broken (run sysvenv doctor); trying again when pip has ended" in done.stderr
    assert done.stderr.endswith("RECORDED 0 0\n")


@pytest.fixture
def slow_work(tmp_path: Path) -> dict[str, str]:
    """What makes a pip take a second longer, before it says that it is done."""
    if processors() < 2:
        pytest.skip("with one processor nothing is done while pip works")
    (tmp_path / "sitecustomize.py").write_text("import atexit, time\natexit.register(time.sleep, 1)\n")
    return {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}


def test_a_recorder_looks_for_what_arrives(one: Managed, slow_work: dict[str, str]) -> None:
    """As long as pip works, and not once it has said that it is done."""
    done = one.run("pip", "uninstall", "-y", "no-such", FAKE_ARRIVALS="", FAKE_AHEAD="", **slow_work)
    names = one.names()
    assert (done.returncode, names[:2], names[-2:]) == (0, ["begin", "meanwhile"], ["ahead", "finish"]), done
    assert 2 <= names.count("arrivals") == len(names) - 4
    assert done.stderr.endswith("RECORDED 0 0\n")


@pytest.mark.parametrize(
    ("fake", "told"),
    [("refuse", "the store is broken (run sysvenv doctor)"), ("bug", "internal error: KeyError: 'x'")],
)
def test_a_recorder_that_fails_while_pip_works_tries_again(
    one: Managed, slow_work: dict[str, str], fake: str, told: str
) -> None:
    """One line, no second attempt before pip's end, pip's exit code, and the recording after all."""
    done = one.run("pip", "uninstall", "-y", "no-such", FAKE_ARRIVALS=fake, FAKE_AHEAD="", **slow_work)
    assert (done.returncode, one.names()) == (0, ["begin", "meanwhile", "arrivals", "ahead", "finish"]), done
    assert f"{told}; trying again when pip has ended" in done.stderr
    assert done.stderr.endswith("RECORDED 0 0\n")
