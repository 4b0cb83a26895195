"""The hook: which pips are recorded, and that pip stays pip whatever becomes of us."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hooked import ALL, Managed, children, drain, lock_is_free, start, wait_for

from sysvenv import hook, pip_gate, pip_hook
from sysvenv.home import Home

pytest_plugins = ["managed"]


# --- which command lines are pip's, and what they ask for


@pytest.mark.parametrize(
    ("line", "script", "arguments"),
    [
        ("python /v/bin/pip install six", "/v/bin/pip", "install six"),
        ("python /v/bin/pip3 install six", "/v/bin/pip3", "install six"),
        ("python /v/bin/pip3.11 install six", "/v/bin/pip3.11", "install six"),
        ("python -m pip install six", "pip", "install six"),
        ("python -mpip install six", "pip", "install six"),
        ("python -Im pip install six", "pip", "install six"),
        ("python -X dev -W ignore -Wd -I -m pip install six", "pip", "install six"),
        ("python --check-hash-based-pycs always -u -m pip list", "pip", "list"),
        ("python /s/pip/__pip-runner__.py --python x list", "/s/pip/__pip-runner__.py", "--python x list"),
        ("python /s/pip/__main__.py install six", "/s/pip/__main__.py", "install six"),
        ("python /s/pip install six", "/s/pip", "install six"),
        ("python pip.pyz install six", "pip.pyz", "install six"),
        ("python -- pip install six", "pip", "install six"),
        ("python", "", ""),
        ("python -", "", ""),
        ("python --", "", ""),
        ("python -m", "", ""),
        ("python -c pip install six", "", ""),
        ("python -m piptools install six", "", ""),
        ("python -m venv pip install", "", ""),
        ("python /v/bin/pipx install six", "", ""),
        ("python /v/bin/pip-compile install", "", ""),
        ("python setup.py pip install six", "", ""),
        ("python -c print(1) -m pip install", "", ""),
    ],
)
def test_a_pip_is_known_by_its_command_line(line: str, script: str, arguments: str) -> None:
    """pip in each of its spellings, and nothing that only mentions it."""
    assert pip_hook.pip_call(line.split()) == (script, arguments.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("install six", "install"),
        ("-q -vvv install six", "install"),
        ("--proxy install uninstall six", "uninstall"),
        ("--proxy=install uninstall six", "uninstall"),
        ("--prox list install", "install"),
        ("--timeout 5 --log list --cache-dir freeze install", "install"),
        ("--no-input --isolated --no-color install", "install"),
        ("--iso install", "install"),
        ("--use-feature x --use-deprecated y --keyring-provider z --cert a --retries 3 install", "install"),
        ("list", "list"),
        ("--version install", ""),
        ("-V", ""),
        ("install --help", ""),
        ("-h", ""),
        ("", ""),
        ("--quiet", ""),
    ],
)
def test_the_subcommand_is_found_behind_global_options(arguments: str, expected: str) -> None:
    """Options that take a value do not make their value the subcommand."""
    assert pip_hook.subcommand(arguments.split()) == expected


def test_every_global_option_of_pip_is_known(one: Managed) -> None:
    """The tables in the hook hold what this pip says it has."""
    tell = (
        "from pip._internal.cli.cmdoptions import general_group as g\n"
        "for make in g['options']:\n o = make()\n print(int(o.takes_value()), *o._long_opts)"
    )
    for line in one.run("python", "-c", tell).stdout.splitlines():
        takes_value, *names = line.split()
        table = pip_hook.VALUED if takes_value == "1" else pip_hook.FLAGS
        assert set(names) <= set(table), line


# --- which runs are recorded


def test_each_spelling_of_pip_is_recorded_once(managed: Managed) -> None:
    """pip, pip3, pip3.X, -m pip, -Im pip: one operation each, with the command as it was typed."""
    version = "{}.{}".format(*managed.site.parent.name[6:].split("."))
    spellings: list[list[str]] = [[name] for name in ("pip", "pip3", f"pip{version}")]
    spellings += [["python", *option.split()] for option in ("-m pip", "-Im pip", "-W ignore -X utf8 -mpip")]
    for spelling in spellings:
        done = managed.run(*spelling, "--timeout", "5", "uninstall", "-y", "no-such-distribution")
        steps = managed.steps()
        assert [step["step"] for step in steps] == ALL, (spelling, done)
        assert steps[0]["argv"][-5:] == ["--timeout", "5", "uninstall", "-y", "no-such-distribution"]
        assert steps[0]["home"] == str(managed.root)
        assert steps[2]["exit_code"] == 0
        assert done.returncode == 0
        assert done.stderr.endswith("RECORDED 0 0\n")
    assert lock_is_free(managed)


def test_pip_of_another_interpreter_with_python_ours_is_recorded(managed: Managed, other: str, demo: str) -> None:
    """`pip --python OURS` changes our venv, so it is recorded; with --python OTHER ours stays silent."""
    done = managed.run(other, "-m", "pip", "--python", managed.python, "install", demo)
    steps = managed.steps()
    assert [step["step"] for step in steps] == ALL, done
    assert steps[2]["report"] == ["demo-pkg"]
    assert managed.run("pip", "--python", managed.python, "uninstall", "-y", "demo-pkg").returncode == 0
    assert managed.names() == ALL
    done = managed.run("pip", "--python", other, "install", demo)
    assert done.returncode == 0, done
    done = managed.run("pip", "list", PIP_PYTHON=other)
    assert "demo" in done.stdout
    assert managed.run("pip", "uninstall", "-y", "demo-pkg", PIP_PYTHON=other).returncode == 0
    assert managed.names() == []


def test_what_changes_nothing_is_left_alone(one: Managed, demo: str, tmp_path: Path) -> None:
    """list, freeze, download, wheel, config, cache, debug, help; and SYSVENV=0."""
    for arguments in (
        ["list"],
        ["freeze"],
        ["--version"],
        ["download", demo, "-d", str(tmp_path)],
        ["wheel", demo, "-w", str(tmp_path / "w")],
        ["config", "list"],
        ["cache", "dir"],
        ["debug"],
        ["install", "--help"],
        ["check"],
        [],
    ):
        done = one.run("pip", *arguments)
        assert (done.returncode, one.names()) == (0, []), (arguments, done)
    assert one.run("pip", "uninstall", "-y", "no-such", SYSVENV="0").returncode == 0
    assert one.run("python", "-c", "print('pip install')").stderr == ""
    assert one.names() == []


def test_a_nested_pip_is_not_recorded_and_keeps_off_the_report(managed: Managed, demo: str) -> None:
    """SYSVENV_ACTIVE silences it for this venv only, and our PIP_REPORT does not reach it."""
    report = managed.root / "sysvenv-report-outer.json"
    report.write_text("outer")
    active = os.path.realpath(managed.venv)
    done = managed.run("pip", "install", demo, SYSVENV_ACTIVE=active, PIP_REPORT=str(report))
    assert (done.returncode, managed.names(), report.read_text()) == (0, [], "outer"), done
    done = managed.run("pip", "uninstall", "-y", "demo-pkg", SYSVENV_ACTIVE="/some/other/prefix")
    assert (done.returncode, managed.names()) == (0, ALL)


BACKEND = """\
import os
links = []
for number in os.listdir("/proc/self/fd"):
    try:
        links.append(os.readlink("/proc/self/fd/" + number))
    except FileNotFoundError:  # the one that listed them
        pass
open(os.environ["SEEN"], "w").write(" ".join(links))
raise SystemExit("enough seen")
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at /proc")
def test_descriptors_do_not_reach_what_pip_starts(one: Managed, tmp_path: Path) -> None:
    """A daemon that some build starts must not keep the environment locked for ever."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'built-pkg'\nversion = '1'\n"
    )
    done = one.run("pip", "install", str(source), SEEN=str(tmp_path / "seen"))
    steps = one.steps()
    assert [step["step"] for step in steps] == ALL, done
    assert done.returncode == steps[2]["exit_code"] == 1, done
    open_there = (tmp_path / "seen").read_text()
    assert "/dev/null" in open_there or "pipe:" in open_there
    assert "/lock" not in open_there


def test_a_venv_without_a_home_around_it_is_left_alone(one: Managed, tmp_path: Path) -> None:
    """A copy of our venv elsewhere, or the hook in a project's venv, records nothing and says nothing."""
    shutil.move(one.root / "history", tmp_path / "history")
    try:
        done = one.run("pip", "uninstall", "-y", "no-such-distribution")
    finally:
        shutil.move(tmp_path / "history", one.root / "history")
    assert done.returncode == 0
    assert "sysvenv" not in done.stderr
    assert one.names() == []


def test_pip_replaces_and_removes_itself(managed: Managed, tmp_path: Path) -> None:
    """What waits for pip must not need anything from site-packages."""
    tell = "import ensurepip, os; print(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'))"
    bundled = managed.run("python", "-c", tell).stdout.strip()
    shutil.copytree(managed.venv, tmp_path / "saved", symlinks=True)
    again = ["install", "--no-compile", "--force-reinstall", "--find-links", bundled, "pip"]
    done = managed.run("python", "-m", "pip", *again)
    assert (done.returncode, managed.names()) == (0, ALL), done
    done = managed.run("pip", "uninstall", "-y", "pip")
    assert (done.returncode, managed.names()) == (0, ALL), done
    assert not (managed.bin / "pip").exists()
    shutil.rmtree(managed.venv)
    shutil.move(tmp_path / "saved", managed.venv)


# --- the report


def test_the_report_reaches_the_recorder_and_leaves_nothing_behind(managed: Managed, demo: str, tmp_path: Path) -> None:
    """URL, digest and requested flag of each wheel; in a private file that is gone afterwards."""
    done = managed.run("pip", "install", demo, TMPDIR=str(tmp_path))
    assert managed.steps()[2]["report"] == ["demo-pkg"], done
    done = managed.run("pip", "uninstall", "-y", "demo-pkg", TMPDIR=str(tmp_path))
    assert managed.steps()[2]["report"] is None
    assert not [name for name in os.listdir(tmp_path) if "report" in name]


def test_the_users_own_report_wins(one: Managed, demo: str, tmp_path: Path) -> None:
    """By option, abbreviated option, environment or configuration file: pip writes it, and we get none."""
    config = tmp_path / "pip.conf"
    config.write_text(f"[install]\nreport = {tmp_path}/3\n")
    dry = ["pip", "install", "--dry-run", demo]
    one.run(*dry, "--report", str(tmp_path / "0"))
    one.run(*dry, f"--repo={tmp_path}/1")
    one.run(*dry, PIP_REPORT=str(tmp_path / "2"))
    one.run(*dry, PIP_CONFIG_FILE=str(config))
    reports = [step["report"] for step in one.steps() if step["step"] == "finish"]
    assert reports == [None] * 4
    assert all((tmp_path / str(number)).stat().st_size > 100 for number in range(4))


# --- whatever becomes of the recorder, pip runs


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ({"FAKE_BEGIN": "refuse"}, "the store is broken (run sysvenv doctor); this pip is not recorded"),
        ({"FAKE_BEGIN": "bug"}, "internal error: KeyError: 'x'; this pip is not recorded"),
        ({"FAKE_BEGIN": "exit"}, "ended with exit code 3; this pip is not recorded"),
        ({"FAKE_BEGIN": "killed"}, "was killed by signal 9; this pip is not recorded"),
        ({"FAKE_MEANWHILE": "refuse"}, "the store is broken (run sysvenv doctor)"),
        ({"FAKE_MEANWHILE": "bug"}, "internal error: KeyError: 'x'"),
        ({"FAKE_MEANWHILE": "killed"}, "was killed by signal 9; the next sysvenv command records"),
        ({"FAKE_FINISH": "refuse"}, "the store is broken (run sysvenv doctor); the next sysvenv command"),
        ({"FAKE_FINISH": "bug"}, "internal error: KeyError: 'x'; the next"),
        ({"FAKE_FINISH": "exit"}, "ended with exit code 3; the next"),
    ],
    ids=lambda value: "-".join(f"{k}-{v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_pip_runs_whatever_the_recorder_does(one: Managed, trouble: dict[str, str], told: str) -> None:
    """Same exit code and stdout as plain pip, and one line that says what was the matter."""
    failing = ["pip", "install", "no-such-distribution-anywhere"]
    plain = one.run(*failing, SYSVENV="0")
    hooked = one.run(*failing, **trouble)
    assert (hooked.returncode, hooked.stdout) == (plain.returncode, plain.stdout)
    extra = [line for line in hooked.stderr.splitlines() if line not in plain.stderr.splitlines()]
    ours = [line for line in extra if line.startswith("sysvenv: ")]
    assert len(ours) == 1, hooked.stderr
    assert told in ours[0]
    assert "Traceback" not in hooked.stderr
    assert lock_is_free(one)


BROKEN: dict[str, Callable[[Path], str]] = {
    "missing": lambda place: str(place / "gone"),
    "not executable": lambda place: _script(place, "#!/bin/sh\n", 0o644),
    "no program": lambda place: _script(place, "\x7fELF nonsense", 0o755),
    "bad interpreter": lambda place: _script(place, "#!/no/such/shell\n", 0o755),
    "exits early": lambda place: _script(place, "#!/bin/sh\necho chatter >&2; echo more; exit 0\n", 0o755),
    "crashes": lambda place: _script(place, "#!/bin/sh\nkill -SEGV $$\n", 0o755),
    "without sysvenv": lambda place: _bare_venv(place),
    "hangs": lambda place: _script(place, "#!/bin/sh\nexec sleep 600\n", 0o755),
    "speaks gibberish": lambda place: _script(place, '#!/bin/sh\neval "echo zzz >&$5"\nexit 0\n', 0o755),
}


def _script(place: Path, text: str, mode: int) -> str:
    path = place / "tool"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def _bare_venv(place: Path) -> str:
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", place / "bare"], check=True)
    return str(place / "bare/bin/python")


@pytest.mark.parametrize("how", BROKEN)
def test_pip_runs_with_a_broken_tool(one: Managed, tmp_path: Path, how: str) -> None:
    """A tool that is missing, damaged or silent costs one line, and a hanging one its time-out."""
    hook.lay(Home.at(str(one.root)), one.tree_site, BROKEN[how](tmp_path))
    module = one.site / "_sysvenv_gate.py"
    text = module.read_text()
    assert "START_SECONDS = 20.0" in text
    module.write_text(text.replace("START_SECONDS = 20.0", "START_SECONDS = 1.0"))
    done = one.run("pip", "uninstall", "-y", "no-such-distribution")
    plain = one.run("pip", "uninstall", "-y", "no-such-distribution", SYSVENV="0")
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout) == (0, "")
    extra = [line for line in done.stderr.splitlines() if line not in plain.stderr.splitlines()]
    assert len(extra) == 1, done.stderr
    assert extra[0].startswith("sysvenv: ")
    assert "not recorded" in extra[0]
    assert one.names() == []


@pytest.mark.parametrize("name", ["_sysvenv.py", "_sysvenv_gate.py"])
@pytest.mark.parametrize("damage", ["gone", "empty", "syntax", "old protocol"])
def test_pip_runs_with_a_damaged_hook(one: Managed, name: str, damage: str) -> None:
    """Half a hook costs one line as well, and nothing at all where no pip runs."""
    module = one.site / (name if damage != "old protocol" else "_sysvenv_gate.py")
    text = module.read_text()
    module.unlink()
    if damage != "gone":
        old = text.replace('PROTOCOL = "2"', 'PROTOCOL = "1"')
        module.write_text({"empty": "", "syntax": "def (", "old protocol": old}[damage])
    shutil.rmtree(one.site / "__pycache__", ignore_errors=True)
    done = one.run("pip", "uninstall", "-y", "no-such-distribution")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "sysvenv" in line] == done.stderr.splitlines()[:1]
    assert one.run("python", "-c", "pass").stderr == ""


def test_a_home_that_cannot_be_written_costs_one_line(one: Managed) -> None:
    """No lock file to be had: plain pip."""
    lock = one.root / "lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    try:
        done = one.run("pip", "uninstall", "-y", "no-such-distribution")
    finally:
        lock.rmdir()
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "sysvenv" in line] == done.stderr.splitlines()[:1]


def test_the_environment_does_not_reach_the_recorder(one: Managed, tmp_path: Path) -> None:
    """A decoy on PYTHONPATH and in the working directory is not what records."""
    for package in ("sysvenv", "store", "json"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('decoy')\n")
    shutil.rmtree(tmp_path / "json")
    decoyed = {"PYTHONPATH": str(tmp_path), "HOME": "/nowhere"}
    done = one.run("pip", "uninstall", "-y", "no-such", cwd=tmp_path, **decoyed)
    assert (done.returncode, one.names()) == (0, ALL), done


def test_closed_standard_streams(one: Managed) -> None:
    """`pip <&- 2>&-`: our pipes must not land on the descriptors that are free."""
    for closed in ("<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"):
        command = f'"{one.bin}/pip" uninstall -y no-such-distribution {closed}'
        done = one.run("/bin/sh", "-c", command)
        plain = one.run("/bin/sh", "-c", command, SYSVENV="0")
        assert done.returncode == plain.returncode, (closed, done, plain)
        assert one.names() == ALL, closed


# --- prompts, signals


def test_prompts_are_pips_own(one: Managed, demo: str) -> None:
    """pip uninstall asks on the same stdin, and gets the answer."""
    assert one.run("pip", "install", demo).returncode == 0
    kept = one.run("pip", "uninstall", "demo-pkg", input="n\n")
    assert "Proceed" in kept.stdout
    assert (one.site / "demo_pkg.py").exists()
    gone = one.run("pip", "uninstall", "demo-pkg", input="y\n")
    assert "Successfully uninstalled" in gone.stdout
    assert not (one.site / "demo_pkg.py").exists()
    assert one.names() == ["begin", "meanwhile", "finish"] * 3


def test_ctrl_c_on_a_terminal(one: Managed, slow: tuple[str, Callable[[], bool]]) -> None:
    """^C reaches pip alone; it says so, the recorder finishes, and the exit code is pip's."""
    wheel, busy = slow
    outcomes = []
    for extra in ({"SYSVENV": "0"}, {}):
        for path in one.site.glob("slow_pkg*"):
            shutil.rmtree(path)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(one.bin / "pip", ["pip", "install", "--no-compile", wheel], one.environment(**extra))
        wait_for(busy, "pip in the middle")
        os.write(terminal, b"\x03")
        text = drain(terminal)
        _, status = os.waitpid(pid, 0)
        outcomes.append(os.waitstatus_to_exitcode(status))
        assert "Operation cancelled by user" in text, text
        assert "Traceback" not in text
    steps = one.steps()
    assert [step["step"] for step in steps] == ALL, text
    assert outcomes[0] == outcomes[1] == steps[2]["exit_code"] == 1
    assert "RECORDED 1 0" in text


def test_ctrl_c_before_pip_starts(one: Managed) -> None:
    """While the recorder still waits for its turn, ^C ends everything without a traceback and nothing runs."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = one.environment(FAKE_BEGIN="sleep30")
        os.execve(one.bin / "pip", ["pip", "uninstall", "-y", "no-such"], environment)
    wait_for(one.has_begun, "begin")
    os.write(terminal, b"\x03")
    text = drain(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGINT
    assert text.replace("^C", "").strip() == ""
    wait_for(lambda: lock_is_free(one), "the lock free again")
    assert one.names() == ["begin"]


def test_a_second_ctrl_c_says_that_it_is_saving(one: Managed) -> None:
    """After pip has ended, ^C cannot break off the recording; it says what is going on."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = one.environment(FAKE_FINISH="sleep3")
        os.execve(one.bin / "pip", ["pip", "uninstall", "-y", "no-such"], environment)
    seen = b""
    while b"Skipping" not in seen:
        seen += os.read(terminal, 65536)
    time.sleep(1.5)
    os.write(terminal, b"\x03")
    text = drain(terminal)
    _, status = os.waitpid(pid, 0)
    assert (os.waitstatus_to_exitcode(status), one.names()) == (0, ALL)
    assert "saving what it changed" in text
    assert "RECORDED 0 0" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_outer_process_reaches_pip(
    one: Managed, slow: tuple[str, Callable[[], bool]], number: signal.Signals
) -> None:
    """kill PID ends pip, and the process the shell waits for ends by the same signal, after the recording."""
    wheel, busy = slow
    pip = start(one, "pip", "install", wheel)
    wait_for(busy, "pip in the middle")
    pip.send_signal(number)
    _, stderr = pip.communicate()
    assert pip.returncode == -number, stderr
    assert one.steps()[2]["signal"] == number
    assert f"RECORDED {128 + number} {number}" in stderr
    assert not (one.site / "slow_pkg-1.0.dist-info/RECORD").exists()


def test_killing_the_outer_process_kills_pip(one: Managed, slow: tuple[str, Callable[[], bool]]) -> None:
    """kill -9 PID: with plain pip that would have been pip. It is recorded, under the lock."""
    wheel, busy = slow
    pip = start(one, "pip", "install", wheel)
    wait_for(busy, "pip in the middle")
    pip.kill()
    pip.wait()
    wait_for(lambda: lock_is_free(one), "the lock free again")
    steps = one.steps()
    assert [step["step"] for step in steps] == ALL
    assert steps[2]["signal"] == signal.SIGKILL
    assert not (one.site / "slow_pkg-1.0.dist-info/RECORD").exists()
    pip.communicate()


def test_killing_the_recorder_leaves_pip_running(one: Managed, slow: tuple[str, Callable[[], bool]]) -> None:
    """pip finishes with its own exit code, under the lock, and one line says that it is not recorded yet."""
    wheel, busy = slow
    pip = start(one, "pip", "install", "--no-compile", wheel, FAKE_MEANWHILE="sleep60")
    wait_for(busy, "pip in the middle")
    os.kill(one.steps()[0]["pid"], signal.SIGKILL)
    time.sleep(0.1)
    assert pip.poll() is None
    assert not lock_is_free(one)
    stdout, stderr = pip.communicate()
    assert (pip.returncode, "Successfully installed" in stdout) == (0, True)
    assert "was killed by signal 9; the next sysvenv command records" in stderr
    assert lock_is_free(one)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_the_lock_outlives_all_but_pip(one: Managed, slow: tuple[str, Callable[[], bool]]) -> None:
    """Recorder and outer process killed: nobody may swap the tree while pip still writes."""
    wheel, busy = slow
    pip = start(one, "pip", "install", "--no-compile", wheel, FAKE_MEANWHILE="sleep60")
    wait_for(busy, "pip in the middle")
    recorder = one.steps()[0]["pid"]
    inner = [child for child in children(pip.pid) if child != recorder]
    os.kill(recorder, signal.SIGKILL)
    pip.kill()
    pip.wait()
    assert len(inner) == 1
    assert not lock_is_free(one)
    wait_for(lambda: lock_is_free(one), "the lock free again")
    pip.communicate()
    assert (one.site / "slow_pkg-1.0.dist-info/RECORD").exists()


def test_ctrl_z_and_fg(one: Managed, slow: tuple[str, Callable[[], bool]]) -> None:
    """A shell's job control stops all of it and continues all of it; pip then finishes."""
    wheel, busy = slow
    pid, terminal = pty.fork()
    if pid == 0:
        # A shell between, as no process of a group without one in its session can be stopped by ^Z.
        os.execve("/bin/bash", ["bash", "--norc", "-i"], one.environment(PS1="$ ", HISTFILE="/dev/null"))
    os.write(terminal, f"'{one.bin}/pip' install --no-compile '{wheel}'\n".encode())
    wait_for(busy, "pip in the middle")
    os.write(terminal, b"\x1a")
    time.sleep(0.5)
    count = sum(1 for _ in os.scandir(one.site / "slow_pkg"))
    time.sleep(0.5)
    assert sum(1 for _ in os.scandir(one.site / "slow_pkg")) == count
    os.write(terminal, b"fg\n")
    wait_for((one.site / "slow_pkg-1.0.dist-info/RECORD").exists, "pip's end")
    os.write(terminal, b"exit $?\n")
    text = drain(terminal)
    _, status = os.waitpid(pid, 0)
    assert "Stopped" in text
    assert os.waitstatus_to_exitcode(status) == 0
    assert "RECORDED 0 0" in text
    assert one.names() == ALL


def test_pip_sees_the_same_process_group_and_terminal(one: Managed) -> None:
    """A job of the shell stays one job."""
    one.run("pip", "uninstall", "-y", "no-such-distribution")
    begin = one.steps()[0]
    assert begin["session"] == begin["asker_group"]


# --- the files


def test_lay_writes_only_what_differs_and_remove_takes_it_all(tmp_path: Path) -> None:
    """Never through an inode that another tree may share; afterwards nothing of ours is left."""
    site = b"lib/python3.12/site-packages"
    home, venv = Home.at(str(tmp_path)), tmp_path / "venv"
    target = venv / site.decode()
    target.mkdir(parents=True)
    (tmp_path / "store").mkdir()
    names = ["_sysvenv.pth", "_sysvenv.py", "_sysvenv.start", "_sysvenv_gate.py"]
    assert len(hook.missing(home, site, "/tool")) == 4
    assert len(hook.lay(home, site, "/tool")) == 4
    assert (sorted(os.listdir(target)), hook.missing(home, site, "/tool")) == (names, [])
    assert hook.lay(home, site, "/tool") == []
    os.link(target / "_sysvenv_gate.py", tmp_path / "twin")
    (target / "__pycache__").mkdir()
    for module in ("_sysvenv", "_sysvenv_gate"):
        (target / f"__pycache__/{module}.cpython-312.pyc").write_bytes(b"old")
    assert hook.lay(home, site, "/it's \\ odd\udcff") == [site + b"/_sysvenv_gate.py"]
    assert b"'/tool'" in (tmp_path / "twin").read_bytes()
    assert os.listdir(target / "__pycache__") == []
    scope: dict[str, object] = {}
    exec(compile((target / "_sysvenv_gate.py").read_text(), "_sysvenv_gate.py", "exec"), scope)
    assert scope["TOOL_PYTHON"] == "/it's \\ odd\udcff"
    hook.remove(str(venv), site)
    hook.remove(str(venv), site)
    assert os.listdir(target) == ["__pycache__"]


def test_what_is_laid_stands_alone() -> None:
    """The lines `files` replaces are there, once: the tool's path, and how one file finds the other."""
    gate, module = (Path(each.__file__).read_text() for each in (pip_gate, pip_hook))
    assert gate.count('\nTOOL_PYTHON = ""') == 1
    assert module.count("from sysvenv import pip_gate") == 1
    laid = hook.files("/a/b", b"s")
    assert b"TOOL_PYTHON = '/a/b'" in laid[b"s/_sysvenv_gate.py"]
    assert b"from sysvenv" not in laid[b"s/_sysvenv.py"] + laid[b"s/_sysvenv_gate.py"]
