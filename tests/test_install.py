"""install.sh: what it puts where, that a second run keeps everything, and that a failed one changes nothing.

Most tests give it a stand-in for Python, a shell script that makes directories instead of environments: they are
about install.sh's own decisions and take tenths of a second. The last ones install for real, from PyPI.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHELLS = [shell for name in ("dash", "bash", "ksh", "zsh") if (shell := shutil.which(name))]
STAND_IN = r"""#!/bin/sh
# Stands in for Python: answers what install.sh asks, makes directories where Python would make environments.
case "$*" in
*ensurepip.version*) printf '3.11.9\n%s\n%s\n' "${STAND_IN_MAKER-venv}" "$0" ;;
"-I -m venv "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-I -m pip install "*) sleep "${STAND_IN_SLEEP:-0}"; echo "${STAND_IN_SAYS:-}"; exit "${STAND_IN_PIP:-0}" ;;
"-I -m sysvenv --version") echo "sysvenv 0.1.0" ;;
"-I -m sysvenv init"*)
    site=$SYSVENV_HOME/venv/lib/python3.11/site-packages
    mkdir -p "$SYSVENV_HOME/history" "$SYSVENV_HOME/venv/bin" "$site/__pycache__" && cd "$site"
    touch _sysvenv.pth _sysvenv.py __pycache__/_sysvenv.cpython-311.pyc six.py ;;
"-I -c import os, sys; os.replace"*) mv -T "$4" "$5" ;;
"-I -c from sysvenv.__main__ import start; start() "*) shift 3; echo "sysvenv was given: $*" ;;
*) echo "the stand-in does not know: $*" >&2; exit 99 ;;
esac
"""
Answer = subprocess.CompletedProcess[str]


class Machine:
    """A home directory and a checkout in a path with spaces, and what install.sh does with them."""

    def __init__(self, place: Path) -> None:
        self.home = place / "home of one"
        self.checkout = place / "a checkout"
        self.python = place / "stand in" / "python3.11"
        self.home.mkdir()
        self.python.parent.mkdir()
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)
        copy_checkout(self.checkout)
        self.tool = self.home / ".local/share/sysvenv"
        self.packages = self.home / ".local/python-packages"
        self.runs_under = "/bin/sh"

    def run(self, *arguments: str, shell: str = "/bin/bash", **environ: str) -> Answer:
        """Run install.sh without a terminal; `shell` is the user's."""
        settings = {"HOME": str(self.home), "SHELL": shell, "PATH": os.environ["PATH"], **environ}
        return run([self.runs_under, str(self.checkout / "install.sh"), *arguments], settings)

    def install(self, *arguments: str, shell: str = "/bin/bash", **environ: str) -> str:
        """Install with the stand-in, which must succeed; returns what was said."""
        answer = self.run("--python", str(self.python), *arguments, shell=shell, **environ)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def builds(self) -> list[str]:
        """Names of the tool environments."""
        return sorted(path.name for path in self.tool.iterdir() if path.is_dir() and not path.is_symlink())

    def current(self) -> str:
        """Name of the tool environment in use."""
        return os.readlink(self.tool / "current")

    def path_in(self, start: str, **environ: str) -> list[str]:
        """PATH as a new shell has it, started by `start`."""
        settings = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "TERM": "dumb", **environ}
        return run([*start.split(), "printenv PATH"], settings).stdout.splitlines()[-1].split(":")

    def sysvenv(self, *arguments: str) -> Answer:
        """Run the installed command."""
        return run([str(self.home / ".local/bin/sysvenv"), *arguments], {"PATH": os.environ["PATH"]})


def run(words: list[str], environ: dict[str, str], user: str | None = None) -> Answer:
    """Run a program that has no terminal and stands in the root directory."""
    no_terminal = subprocess.DEVNULL
    return subprocess.run(
        words, env=environ, user=user, stdin=no_terminal, capture_output=True, text=True, cwd="/", check=False
    )


def copy_checkout(target: Path) -> None:
    """What install.sh takes from a checkout."""
    target.mkdir()
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("pyproject.toml", "README.md", "LICENSE", "install.sh"):
        shutil.copy(ROOT / name, target)
    for name in ("sysvenv", "store"):
        shutil.copytree(ROOT / name, target / name, ignore=skip)


def contents(root: Path) -> dict[str, str]:
    """Everything below `root`: path to contents or link target."""
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_install_in_every_shell(machine: Machine, shell: str) -> None:
    """It runs in plain POSIX shells, leaves a command that works, and nothing in the checkout."""
    machine.runs_under = shell
    before = contents(machine.checkout)
    said = machine.install()
    assert contents(machine.checkout) == before
    assert machine.sysvenv("undo", "two words").stdout == "sysvenv was given: undo two words\n"
    assert "sysvenv undo" in said
    assert not list(machine.home.rglob("*.sysvenv*"))


def test_second_run_upgrades_and_keeps_data(machine: Machine) -> None:
    """A second run puts a new build beside the old one and switches; data and start-up files stay."""
    machine.install()
    kept = machine.packages / "history" / "1_after.json"
    kept.write_text("{}")
    start_up = (machine.home / ".bashrc").read_text()
    first = machine.current()
    assert "yours, kept" in machine.install()
    second = machine.current()
    assert machine.builds() == sorted([first, second])
    assert kept.exists()
    assert (machine.home / ".bashrc").read_text() == start_up
    machine.install()
    assert machine.builds() == sorted([second, machine.current()])


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("NewConnectionError", "PyPI could not be reached"),
        ("[Errno 28] No space left on device", "the disk is full"),
        ("something new", "pip could not install"),
    ],
)
def test_a_failed_run_leaves_the_old_tool(machine: Machine, says: str, sentence: str) -> None:
    """When the new build cannot be made, the installed one stays in use; no half of a build is left."""
    machine.install()
    before = machine.current()
    answer = machine.run("--python", str(machine.python), STAND_IN_PIP="1", STAND_IN_SAYS=says)
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert "untouched" in answer.stderr
    assert machine.builds() == [before] == [machine.current()]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_an_interrupted_run_leaves_the_old_tool(machine: Machine, number: str) -> None:
    """Killed while pip installs, the old tool stays in use; what SIGKILL leaves, the next run takes away."""
    machine.install()
    before = machine.current()
    settings = {"HOME": str(machine.home), "SHELL": "/bin/bash", "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        ["/bin/sh", str(machine.checkout / "install.sh"), "--python", str(machine.python)],
        env={**settings, "STAND_IN_SLEEP": "2", "TMPDIR": str(machine.home)},  # what SIGKILL leaves, stays here
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = time.monotonic() + 20
    while len(machine.builds()) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    os.killpg(process.pid, signal.Signals[number])
    assert process.wait() != 0
    assert machine.current() == before
    assert machine.builds() == [before] or number == "SIGKILL"
    machine.install()
    assert machine.builds() == sorted([before, machine.current()])


def test_launcher_says_when_its_python_is_gone(machine: Machine) -> None:
    """An operating system upgrade can take the base Python away: one sentence, and the way back."""
    machine.install()
    (machine.tool / "current/bin/python").unlink()
    answer = machine.sysvenv("undo")
    assert answer.returncode == 1
    assert answer.stderr.rstrip().endswith("run install.sh again; nothing is lost")
    machine.install()
    assert machine.sysvenv("undo").returncode == 0


def test_a_command_of_pipx_is_not_overwritten(machine: Machine) -> None:
    """Another sysvenv at the place of ours is named, not replaced."""
    command = machine.home / ".local/bin/sysvenv"
    command.parent.mkdir(parents=True)
    command.symlink_to("../pipx/venvs/sysvenv/bin/sysvenv")
    answer = machine.run("--python", str(machine.python))
    assert answer.returncode == 1
    assert "pipx uninstall sysvenv" in answer.stderr
    assert command.is_symlink()


# --- PATH -------------------------------------------------------------------------------------------------

# How the shell of a user is started anew, and whether that is a login: then /etc/profile may begin PATH afresh.
START = {
    "bash": {"bash -ic": False, "bash -lc": True},
    "zsh": {"zsh -ic": False},
    "fish": {"fish -c": False},
    "sh": {"sh -lc": True, "bash -lc": True},
}


@pytest.mark.parametrize("shell", START)
def test_a_new_shell_finds_the_venv_first(machine: Machine, shell: str) -> None:
    """In a new shell the venv's pip comes first, then our command; each once, and after an active project's."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not on this machine")
    machine.install(shell=f"/usr/bin/{shell}")
    machine.install(shell=f"/usr/bin/{shell}")
    ours = [str(machine.packages / "venv/bin"), str(machine.home / ".local/bin")]
    for start, login in START[shell].items():
        found = machine.path_in(start)
        assert found[:2] == ours, start
        assert len(set(found)) == len(found), start
        inherited = [*ours, "/usr/bin", "/bin"]
        if not login:
            assert machine.path_in(start, PATH=":".join(inherited)) == inherited, start
            project = ["/project/bin", *inherited]
            assert machine.path_in(start, PATH=":".join(project), VIRTUAL_ENV="/project") == project, start


def test_start_up_files_come_back_as_they_were(machine: Machine) -> None:
    """Lines are added once, through symlinks, and taken out again without a trace."""
    files = {".bashrc": "alias ll='ls -l'\n", ".zshrc": "# mine\n", "dotfiles/profile": "umask 022\n"}
    (machine.home / "dotfiles").mkdir()
    for name, text in files.items():
        (machine.home / name).write_text(text)
        (machine.home / name).chmod(0o600)
    (machine.home / ".profile").symlink_to("dotfiles/profile")
    for shell in ("/bin/bash", "/bin/zsh", "/usr/bin/fish"):
        machine.install(shell=shell)
    changed = {name for name, text in files.items() if (machine.home / name).read_text() != text}
    assert changed == set(files)
    assert (machine.home / ".profile").is_symlink()
    assert machine.run("--uninstall").returncode == 0
    assert {name: (machine.home / name).read_text() for name in files} == files
    assert {(machine.home / name).stat().st_mode & 0o777 for name in files} == {0o600}
    assert not (machine.home / ".config/fish/conf.d/sysvenv.fish").exists()


def test_lines_somebody_cut_in_half_are_left_alone(machine: Machine) -> None:
    """A block without its end could swallow a user's own lines: it is named and not touched."""
    machine.install()
    start_up = machine.home / ".bashrc"
    start_up.write_text("# >>> sysvenv >>>\nalias precious=1\n")
    assert "could not be written" in machine.install()
    answer = machine.run("--uninstall")
    assert "yourself" in answer.stderr
    assert start_up.read_text() == "# >>> sysvenv >>>\nalias precious=1\n"


def test_no_modify_path_prints_the_lines(machine: Machine) -> None:
    """With --no-modify-path no start-up file is written; what is printed does the same."""
    said = machine.install("--no-modify-path")
    assert not (machine.home / ".bashrc").exists()
    (machine.home / ".profile").write_text(said.partition("start-up file:\n")[2])
    assert machine.path_in("sh -lc")[0] == str(machine.packages / "venv/bin")


def test_another_home_is_kept_for_new_shells(machine: Machine, tmp_path: Path) -> None:
    """SYSVENV_HOME as it was at install time holds in new shells too, odd characters and all."""
    place = tmp_path / 'it\'s $HOME `x` "q" \\'
    for shell, start in (("bash", "bash -ic"), ("fish", "fish -c")):
        if shutil.which(shell):
            machine.install(shell=f"/usr/bin/{shell}", SYSVENV_HOME=str(place))
            settings = {"HOME": str(machine.home), "PATH": "/usr/bin:/bin"}
            answer = run([*start.split(), "printenv SYSVENV_HOME PATH"], settings)
            assert answer.stdout.splitlines()[-2] == str(place)
            assert answer.stdout.splitlines()[-1].startswith(f"{place}/venv/bin:")
    assert not machine.packages.exists()


# --- refusals and uninstalling ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "sentence"),
    [
        (["--frobnicate"], {}, 2, "unknown argument: --frobnicate"),
        (["--purge"], {}, 2, "--purge goes with --uninstall"),
        (["--python"], {}, 2, "--python needs a path"),
        (["--python", "/bin/true"], {}, 1, "not a Python 3.10 or newer"),
        ([], {"HOME": "/does/not/exist"}, 1, "does not exist"),
        ([], {"HOME": ""}, 1, "HOME is not set"),
        ([], {"SYSVENV_HOME": "relative/path"}, 1, "SYSVENV_HOME is not an absolute path"),
        ([], {"TMPDIR": "/does/not/exist"}, 1, "temporary directory"),
    ],
)
def test_refusals(machine: Machine, arguments: list[str], settings: dict[str, str], code: int, sentence: str) -> None:
    """Each refusal is one sentence and what to do, before anything is written."""
    if not arguments:
        arguments = ["--python", str(machine.python)]
    answer = machine.run(*arguments, **settings)
    assert (answer.returncode, len(answer.stderr.splitlines())) == (code, 2), answer.stderr
    assert sentence in answer.stderr
    assert not machine.packages.exists()


def test_windows_is_refused(machine: Machine, tmp_path: Path) -> None:
    """Git Bash on Windows gets a sentence that names the way out, WSL."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "uname").write_text("#!/bin/sh\necho MINGW64_NT-10.0\n")
    (fake / "uname").chmod(0o755)
    answer = machine.run(PATH=f"{fake}:{os.environ['PATH']}")
    assert answer.returncode == 1
    assert "Windows" in answer.stderr
    assert "WSL" in answer.stderr


def test_missing_ensurepip_names_the_remedy(machine: Machine, tmp_path: Path) -> None:
    """Debian's Python without python3-venv: the package is named, unless virtualenv or uv can do it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    names = "awk cat chmod cp cut date df dirname grep id ln mkdir mktemp mv readlink rm sed sleep tail touch uname"
    for name in names.split():
        (tools / name).symlink_to(str(shutil.which(name)))
    arguments, settings = ["--python", str(machine.python)], {"PATH": str(tools), "STAND_IN_MAKER": ""}
    answer = machine.run(*arguments, **settings)
    assert answer.returncode == 1
    assert "ensurepip" in answer.stderr
    assert "Install virtualenv or uv" in answer.stderr
    (tools / "apt-get").symlink_to("/bin/true")
    assert "sudo apt install python3.11-venv" in machine.run(*arguments, **settings).stderr
    (tools / "uv").write_text('#!/bin/sh\nmkdir -p "$5/bin" && cp "$4" "$5/bin/python"\n')
    (tools / "uv").chmod(0o755)
    answer = machine.run(*arguments, **settings)
    assert answer.returncode == 0, answer.stderr


def test_uninstall_keeps_the_venv(machine: Machine) -> None:
    """Without --purge the venv and its history stay, without our hook: plain pip goes on there."""
    machine.install()
    answer = machine.run("--uninstall")
    assert answer.returncode == 0
    assert not machine.tool.exists()
    assert not (machine.home / ".local/bin/sysvenv").exists()
    assert (machine.packages / "history").is_dir()
    left = sorted(path.name for path in (machine.packages / "venv").rglob("*") if path.is_file())
    assert left == ["six.py"]
    assert "~/.local/python-packages" in answer.stdout
    assert machine.run("--uninstall").returncode == 0


def test_purge_asks(machine: Machine, tmp_path: Path) -> None:
    """--purge deletes only what is ours, and only when told so: without a terminal that takes --yes."""
    machine.install()
    answer = machine.run("--uninstall", "--purge")
    assert answer.returncode == 1
    assert "--yes" in answer.stderr
    assert (machine.home / ".local/bin/sysvenv").exists()
    other = tmp_path / "photos"
    other.mkdir()
    answer = machine.run("--uninstall", "--purge", "--yes", SYSVENV_HOME=str(other))
    assert "does not look like a home of sysvenv" in answer.stderr
    assert other.exists()
    answer = machine.run("--uninstall", "--purge", "--yes")
    assert answer.returncode == 0
    assert not machine.packages.exists()
    assert "nothing of it is left" in answer.stdout


# --- for real ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_place() -> Iterator[Path]:
    """A directory other users can reach (pytest's own cannot be)."""
    place = Path(tempfile.mkdtemp(prefix="sysvenv test "))
    place.chmod(0o755)
    copy_checkout(place / "a checkout")
    yield place
    shutil.rmtree(place)


def settings_of(home: Path) -> dict[str, str]:
    """The environment of a user with that home; how PyPI is reached stays as this machine has it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return {**kept, "HOME": str(home), "SHELL": "/bin/bash", "PATH": os.environ["PATH"]}


def newcomer(place: Path, user: str | None) -> None:
    """install.sh, then install, break, undo in new shells, then uninstall; as `user` or as we are."""
    home = place / f"home of {user}"
    home.mkdir()
    if user:
        shutil.chown(home, user)

    def do(*words: str) -> str:
        answer = run(list(words), settings_of(home), user)
        assert answer.returncode == 0, f"{words}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    def in_new_shell(command: str) -> str:
        return do("bash", "-lc", command)

    script = str(place / "a checkout" / "install.sh")
    version = "python -c 'import six; print(six.__version__)'"
    assert "is installed" in do(script)
    in_new_shell("pip install six==1.16.0")
    in_new_shell("pip install six==1.17.0")
    in_new_shell("sysvenv undo")
    assert in_new_shell(version) == "1.16.0\n"
    in_new_shell("sysvenv redo")
    assert in_new_shell(version) == "1.17.0\n"
    do(script, "--uninstall")
    assert "six" in do(str(home / ".local/python-packages/venv/bin/pip"), "list")
    do(script)
    in_new_shell("sysvenv undo")
    assert in_new_shell(version) == "1.16.0\n"
    do(script, "--uninstall", "--purge", "--yes")
    assert not (home / ".local/python-packages").exists()


def nobody_has_python() -> bool:
    """Whether there is a Python with venv that the user nobody can run."""
    usable = "python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))'"
    return not run(["sh", "-c", usable], {"PATH": os.environ["PATH"]}, "nobody").returncode


@pytest.mark.slow
@pytest.mark.network
def test_newcomer(open_place: Path) -> None:
    """A newcomer's whole way, from a path with spaces: install, break, undo, upgrade, uninstall, come back."""
    if os.geteuid() == 0 and nobody_has_python():
        pytest.skip("done as a user without rights, below")
    newcomer(open_place, None)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.root
def test_newcomer_as_another_user(open_place: Path) -> None:
    """The same as a user without rights, whose home and Python are not root's."""
    if not nobody_has_python():
        pytest.skip("no Python with venv that the user nobody can run")
    newcomer(open_place, "nobody")


@pytest.mark.slow
@pytest.mark.network
def test_demo(open_place: Path) -> None:
    """README's first command runs through, shows a real break and a real undo, and leaves what it installed."""
    home, temporary = open_place / "home of the demo", open_place / "tmp"
    home.mkdir()
    temporary.mkdir()
    settings = {**settings_of(home), "TMPDIR": str(temporary)}
    answer = run([str(open_place / "a checkout" / "install.sh"), "--demo"], settings)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "ImportError" in answer.stdout
    assert "mtimes are as they were" in answer.stdout
    assert list(temporary.iterdir()) == []
    assert (home / ".local/bin/sysvenv").exists()
