"""The system tier: an environment that everybody uses and only root changes, and a pip that finds the right one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from everybody import ALICE, BOB, PLACES, REPOSITORY, ROOT, Everybody, everybody
from open_tool import NOBODY
from wheels import build_wheel

from sysvenv import home as homes
from sysvenv import owner, processes, selection
from sysvenv.cli import boundary
from sysvenv.home import Home

root = pytest.mark.root
VERSION = 'python3 -c "import demo; print(demo.version)"'
OURS = ("/opt/system-python", "/usr/local/bin", "/usr/local/lib/sysvenv", "/etc/profile.d")


@pytest.fixture(scope="module")
def bare() -> Iterator[Everybody]:
    """The machine without sysvenv."""
    with everybody() as machine:
        yield machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Everybody]:
    """The machine with a system environment at @1, demo 1.0; root's umask is one that closes everything."""
    with everybody() as machine:
        for version in ("1.0", "2.0"):
            build_wheel(machine.place / "wheels", "demo", version, {"demo/__init__.py": f"version = {version!r}\n"})
        machine.installed("--no-system-venv")
        machine.shell(ROOT, "umask 077; sysvenv --system init; pip install -q demo==1.0")
        yield machine


# --- install.sh ---------------------------------------------------------------------------------------------


@root
def test_uninstall_takes_back_just_what_was_added(bare: Everybody) -> None:
    """Twice installed, once uninstalled: not a file more or less than before, in any of the three places."""
    before = bare.state(*PLACES)
    said = bare.installed("--no-system-venv")
    assert "/usr/local/bin/pip and pip3" in said and "sudo sysvenv --system init" in said
    first = bare.state(*PLACES).keys() - before.keys()
    added = {path.rpartition("/root")[2] for path in first}
    assert {"/usr/local/bin/pip", "/usr/local/bin/pip3", "/usr/local/bin/sysvenv"} <= added
    assert "/etc/profile.d/sysvenv.sh" in added
    bare.installed("--no-system-venv")
    done = bare.install("--system", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert bare.state(*PLACES) == before


@root
def test_second_run_and_uninstall_keep_history(machine: Everybody) -> None:
    """An upgrade keeps all there is; without --purge the venv stays, with plain pip; with it, even that goes."""
    before = machine.state("/opt/system-python/history")
    assert "/opt/system-python/venv (kept)" in machine.installed()
    assert machine.state("/opt/system-python/history") == before
    with_hook = machine.state("/opt/system-python")
    assert machine.install("--uninstall", "--system").returncode == 0
    gone = {os.path.basename(path) for path in with_hook.keys() - machine.state("/opt/system-python").keys()}
    assert gone and all(name.startswith("_sysvenv") for name in gone)
    assert "demo" in machine.do(ROOT, "/opt/system-python/venv/bin/pip list").stdout
    refused = machine.install("--uninstall", "--system", "--purge")
    assert refused.returncode == 1 and "--uninstall --system --purge --yes" in refused.stderr
    machine.installed()
    assert "recorded; take it back" in machine.shell(ROOT, "pip install -q demo==2.0; sysvenv undo")


@root
@pytest.mark.parametrize("name", ["usr/local/bin/pip", "usr/local/bin/pip3", "etc/profile.d/sysvenv.sh"])
def test_what_somebody_else_put_there_stays(bare: Everybody, name: str) -> None:
    """A pip that is not ours is named and not replaced, and nothing is installed; --uninstall leaves it too."""
    theirs = bare.at(f"/{name}")
    theirs.write_text("#!/bin/sh\necho theirs\n")
    before = bare.state(*PLACES)
    try:
        done = bare.install("--system", "--python", str(bare._builder))
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)
        assert f"/{name} exists and is not install.sh's" in done.stderr
        assert bare.install("--system", "--uninstall").returncode == 0
        assert bare.state(*PLACES) == before
    finally:
        theirs.unlink()


@root
def test_refusals(bare: Everybody) -> None:
    """Each is a sentence and what to type, and changes nothing."""
    before = bare.state(*PLACES)
    closed = bare.home(ALICE) / "python3"
    shutil.copy(bare._builder, closed)
    closed.write_text(closed.read_text().replace("\\n\\n'", f"\\n{bare.home(ALICE)}\\n'"))
    for done, sentence in (
        (bare.install("--system", user=ALICE), "sudo ./install.sh --system"),
        (bare.install("--no-system-venv"), "goes with --system"),
        (bare.install("--system", "--demo"), "does not go with --system"),
        (bare.install("--system", "--python", str(closed)), "is closed to others"),
        (
            bare.do(ROOT, f"chmod o+w /opt; '{bare.checkout}/install.sh' --system; r=$?; chmod o-w /opt; exit $r"),
            "/opt",
        ),
    ):
        assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 2, done.stderr
        assert sentence in done.stderr
    bare.at("/opt").chmod(0o755)
    assert bare.state(*PLACES) == before


# --- which environment --------------------------------------------------------------------------------------


@root
def test_root_and_users_each_have_their_own(machine: Everybody) -> None:
    """Each installs, breaks and undoes; nobody's work shows in, or does anything to, somebody else's environment."""
    machine.shell(ROOT, "umask 077; pip install -q demo==2.0; sysvenv undo; sysvenv redo")
    assert machine.shell(ALICE, VERSION) == "2.0\n", "what root installs, everybody can read"
    assert "this is the system environment's pip" in machine.shell(ROOT, "pip --version; sysvenv undo")
    roots = machine.state("/opt/system-python")
    none = machine.do(ALICE, "pip install demo")
    assert (none.returncode, none.stdout) == (1, "")
    assert "you have no environment of your own yet" in none.stderr and "sysvenv init" in none.stderr
    said = machine.shell(ALICE, "pip install -q demo==1.0", SYSVENV_YES="1")
    assert "this is your environment's pip: ~/.local/python-packages/venv" in said
    said = machine.shell(ALICE, "pip install -q demo==2.0; sysvenv undo; sysvenv redo")
    assert "this is" not in said, "its own comes first after a login"
    assert [machine.shell(user, VERSION) for user in (ROOT, ALICE, BOB)] == ["1.0\n", "2.0\n", "1.0\n"]
    alices = machine.home(ALICE) / ".local/python-packages"
    before = machine.state(str(alices))
    for command in ("sysvenv undo", "sysvenv status", f"'{alices}/venv/bin/pip' install demo==1.0"):
        assert machine.do(BOB, command, SYSVENV_HOME=str(alices)).returncode == 1, command
    assert machine.state(str(alices)) == before
    assert machine.state("/opt/system-python") == roots


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A venv whose pip says that it is it."""
    venv = tmp_path / "project"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin/pip").write_text('#!/bin/sh\necho "project: $*"\n')
    (venv / "bin/pip").chmod(0o755)
    return venv


def test_no_home_directory() -> None:
    """A daemon without HOME is told so: nothing is made in the root directory."""
    assert "HOME is not set" in routed("list", HOME="").stderr


def routed(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What the routing pip does, as it stands in the repository."""
    router = str(REPOSITORY / "sysvenv/installer/pip_router.sh")
    settings = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", **environ}
    return subprocess.run(["sh", router, *words], env=settings, capture_output=True, text=True, check=False)


def test_an_active_environment_wins(stub: Path) -> None:
    """Its pip is run, with all arguments, and one line says which it is."""
    done = routed("install", "two words", VIRTUAL_ENV=str(stub))
    assert done.stdout == "project: install two words\n"
    assert done.stderr == f"sysvenv: this is the active environment's pip: {stub}\n"
    (stub / "bin/pip").unlink()
    done = routed("install", "x", VIRTUAL_ENV=str(stub))
    assert (done.returncode, done.stdout) == (1, "") and "has no pip of its own" in done.stderr


def test_a_named_home_is_the_one(stub: Path) -> None:
    """SYSVENV_HOME means to pip what it means to sysvenv; nothing there, and nothing happens."""
    stub.rename(stub.parent / "venv")
    assert routed("list", SYSVENV_HOME=str(stub.parent)).stdout == "project: list\n"
    assert "not an absolute path" in routed("list", SYSVENV_HOME="here").stderr
    (stub.parent / "venv/bin/pip").unlink()
    assert "has no pip" in routed("list", SYSVENV_HOME=str(stub.parent)).stderr


@root
@pytest.mark.parametrize("shell", ["dash", "bash", "zsh"])
def test_path_precedence(machine: Everybody, shell: str) -> None:
    """A project's, the user's own, the routing pip, the system's, the distribution's; each once."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not on this machine")
    own = machine.home(NOBODY) / ".local/python-packages/venv/bin"
    own.mkdir(parents=True, exist_ok=True)
    os.chown(own, NOBODY, NOBODY)
    source = f'{shell} -c ". /etc/profile.d/sysvenv.sh; . /etc/profile.d/sysvenv.sh; echo \\$PATH"'
    system = "/usr/local/bin:/opt/system-python/venv/bin:/usr/bin:/bin"
    for given, expected in (("/usr/local/bin:/usr/bin:/bin", system), ("/usr/bin:/bin", system)):
        setting = f"PATH={given} HOME='{machine.home(NOBODY)}'"
        assert machine.do(NOBODY, f"{setting} {source}").stdout == f"{own}:{expected}\n"
        assert machine.do(ALICE, f"{setting} {source}").stdout == f"{expected}\n", "not what is somebody else's"
        active = machine.do(NOBODY, f"{setting} VIRTUAL_ENV=/p {source}").stdout
        assert active == f"{expected}\n"


@root
def test_doctor_and_status_know_the_precedence(machine: Everybody) -> None:
    """All is well after a login; another pip before the routing one is named."""
    assert "All is well" in machine.shell(ROOT, "sysvenv doctor")
    other = machine.place / "other"
    other.mkdir()
    (other / "pip").write_text("#!/bin/sh\n")
    (other / "pip").chmod(0o755)
    assert f"{other}/pip comes before" in machine.shell(ROOT, f'PATH="{other}:$PATH" sysvenv status')


def test_which_home_a_command_speaks_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SYSVENV_HOME; of root the system's, where there is one and no own environment is on PATH; else one's own."""
    monkeypatch.setattr(homes, "SYSTEM", str(tmp_path / "system"))
    own = {"HOME": "/h", "PATH": "/usr/bin"}
    users = Home.at("/h/.local/python-packages")
    for uid, expected in ((0, users), (1000, users)):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert Home.default(own) == expected
    (tmp_path / "system/history").mkdir(parents=True)
    assert Home.default(own) == users
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Home.default(own).is_system
    assert Home.default({**own, "PATH": f"/usr/bin:{users.venv}/bin"}) == users
    assert Home.default({**own, "SYSVENV_HOME": "/x"}) == Home.at("/x")


def test_system_is_an_option_before_the_command() -> None:
    """Behind the command it is the command's."""
    assert selection.split(["status", "--system"]) == ("", ["status", "--system"])
    assert selection.split(["--system", "status", "--json"]) == (homes.SYSTEM, ["status", "--json"])
    assert selection.select({"HOME": "/h"}, homes.SYSTEM).root == homes.SYSTEM
    misplaced = boundary.explain(click.NoSuchOption("--system", ctx=click.Context(click.Command("status"))))
    assert "before the command" in misplaced.message and misplaced.exit_code == 2


# --- guests -------------------------------------------------------------------------------------------------


@root
def test_guests_may_look(machine: Everybody) -> None:
    """status, history, diff and list-snapshots of the system's environment are for everybody."""
    for command, shown in (
        ("status", "/opt/system-python/venv"),
        ("status --check", "/opt/system-python/venv"),
        ("history --detailed", "demo==1.0"),
        ("list-snapshots", "baseline"),
        ("diff @0 @1 --files --patch", "demo/__init__.py"),
        ("diff @1", "demo"),
    ):
        assert shown in machine.shell(ALICE, f"sysvenv --system {command}"), command
    assert "sudo" not in machine.shell(ALICE, "sysvenv --system status")


@root
def test_guests_change_nothing(machine: Everybody) -> None:
    """Whatever a user tries is answered by one sentence and what to type, and not a file is another afterwards."""
    before = machine.state(*OURS)
    commands = ("undo", "redo", "restore @0", "snapshot x", "snapshot --delete none", "clean", "gc", "du", "verify")
    commands += ("doctor", "doctor --fix", "init", "config ui.color never", "hook", "hook --remove")
    commands += ("share baseline", "export baseline", "undo --dry-run", "gc --dry-run")
    tried = [f"sysvenv --system {command}" for command in commands]
    tried.append("SYSVENV_HOME=/opt/system-python sysvenv undo")
    for command in tried:
        done = machine.do(ALICE, command)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert "/opt/system-python/venv is root's: you may look at it" in done.stderr, command
        assert len(done.stderr.splitlines()) == 2, command
    for pip in ("python3 -m pip", "pip", "pip3"):
        for words in ("install demo==2.0", "install -U pip", "uninstall -y demo"):
            done = machine.do(ALICE, f"/opt/system-python/venv/bin/{pip} {words}")
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
            assert "is root's: you may use it, not change it" in done.stderr
    elsewhere = f"/opt/system-python/venv/bin/pip install -q --target '{machine.home(ALICE)}/t' demo"
    assert machine.do(ALICE, elsewhere).stderr == ""
    assert machine.state(*OURS) == before


@root
def test_roots_projects_are_roots_own(machine: Everybody) -> None:
    """What root tracks goes to a store in root's home, which no user reads; `envs` shows the system's to all."""
    project = machine.home(ROOT) / "shop"
    machine.shell(ROOT, f"mkdir '{project}'; cd '{project}'; python3 -m venv --without-pip .venv; sysvenv track")
    assert not machine.at("/opt/system-python/envs").exists()
    assert (machine.home(ROOT) / ".local/python-packages/store").stat().st_mode & 0o777 == 0o700
    said = machine.shell(ROOT, f"cd '{project}'; sysvenv envs; sysvenv status")
    assert "~/shop/.venv" in said and "/opt/system-python/venv" in said
    assert "for everybody" in " ".join(said.split()), said
    assert machine.shell(ROOT, "sysvenv status").startswith("In /opt/system-python/venv:")
    guests = machine.shell(ALICE, "sysvenv envs")
    assert "/opt/system-python/venv" in guests and "shop" not in guests
    machine.shell(ROOT, f"sysvenv untrack --purge '{project}'")


@root
def test_guests_have_no_way_in(machine: Everybody) -> None:
    """Nothing of the system's can be written, moved or locked by a user, and second copies are closed to all."""
    before = machine.state(*OURS)
    home = "/opt/system-python"
    for attempt in (
        f"echo x >{home}/venv/x",
        f"echo x >>{home}/venv/pyvenv.cfg",
        f"mv {home} /tmp/taken",
        f"rm -rf {home}/store/objects",
        f"chmod 777 {home}/venv",
        f"ln {home}/venv/pyvenv.cfg {home}/store/second",
        "echo x >/usr/local/bin/pip",
        "echo x >/etc/profile.d/sysvenv.sh",
        f"cat {home}/store/pristine/*/*",
        *(f"flock --nonblock {home}/{lock} true" for lock in ("lock", "store/lock", "venv/.lock")),
    ):
        assert machine.do(BOB, attempt).returncode != 0, attempt
    assert machine.state(*OURS) == before
    opened = [path for path, (_, mode, *_) in before.items() if int(str(mode)) & 0o22 and not os.path.islink(path)]
    assert opened == []


@root
def test_a_guests_program_does_not_hold_root_up(machine: Everybody) -> None:
    """Whatever a user runs there, even what looks like a pip that is not recorded: root's undo goes on."""
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    script = machine.home(BOB) / "pip"
    script.write_text(code)
    words = ["setpriv", f"--reuid={BOB}", f"--regid={BOB}", "--clear-groups", "/opt/system-python/venv/bin/python"]
    inside = ["nsenter", f"--mount=/proc/{machine._pid}/ns/mnt", *words, str(script), "install", "x"]
    with subprocess.Popen(inside, env={"SYSVENV": "0"}, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout and program.stdout.readline() == "up\n"
            assert processes.user(program.pid) == BOB
            machine.shell(ROOT, "sleep 2.1; sysvenv undo; sysvenv redo")
        finally:
            program.kill()
    assert processes.user(program.pid) == -1


def test_a_python_that_only_some_can_run() -> None:
    """doctor names what keeps everybody else out: the topmost directory, or the program itself."""
    with tempfile.TemporaryDirectory() as place:
        python = Path(place) / "python"
        python.touch(0o700)
        assert owner.closed_to_others(str(python)) == place
        os.chmod(place, 0o755)
        assert owner.closed_to_others(str(python)) == str(python)
        python.chmod(0o755)
        assert owner.closed_to_others(str(python)) == ""


def test_only_what_root_or_the_user_wrote_is_trusted(tmp_path: Path) -> None:
    """doctor --fix takes no content from a place that anybody else may have written to."""
    place = tmp_path / "cache"
    assert not owner.is_trusted(str(place))
    place.mkdir()
    assert owner.is_trusted(str(place)) and owner.is_trusted(sys.prefix)
    place.chmod(0o777)
    assert not owner.is_trusted(str(place))
    if os.geteuid() == 0:
        place.chmod(0o755)
        os.chown(place, NOBODY, NOBODY)
        assert not owner.is_trusted(str(place))
