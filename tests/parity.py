"""Plain pip against hooked pip: exit code, stdout, stderr and files must be the same, but for ours.

    python tests/parity.py [PYTHON]     prints one line a scenario

Both run in the same place, one after the other, each from the same copy of a fresh venv.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from hooked import Managed, make_tool
from wheels import build_wheel

from sysvenv import hook

# A build backend that needs no setuptools: a regular wheel, and one with a .pth for an editable install.
_BACKEND = """
import os, time
from wheels import build_wheel as make
def _waited():
    if os.environ.get("WAIT"):
        open(os.environ["WAIT"], "w").close()
        time.sleep(30)
def build_wheel(directory, *_, **__):
    _waited()
    return os.path.basename(make(directory, "source-pkg", "3.0", {"source_pkg.py": "x = 3\\n"}))
def build_editable(directory, *_, **__):
    return os.path.basename(make(directory, "source-pkg", "3.0", {"source_pkg.pth": os.getcwd() + "\\n"}))
"""
_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "source-pkg"
version = "3.0"
"""

# Name -> pip's arguments, run in a directory with wheels/, source/, repository/ (git) and requirements.txt. More
# than one command: those before the last only prepare.
SCENARIOS: dict[str, list[str]] = {
    "install by name": ["install --find-links wheels demo-pkg"],
    "install with a dependency and a script": ["install --find-links wheels needs-demo"],
    "upgrade": ["install wheels/demo_pkg-1.0-py3-none-any.whl", "install --find-links wheels -U demo-pkg"],
    "already satisfied": ["install wheels/demo_pkg-1.0-py3-none-any.whl", "install demo-pkg"],
    "failing: no such package": ["install no-such-package-anywhere"],
    "failing: conflict": ["install --find-links wheels demo-pkg==1.0 demo-pkg==2.0"],
    "failing: bad option": ["install --no-such-option"],
    "failing: broken source": ["install ./broken"],
    "dry run": ["install --dry-run --find-links wheels needs-demo"],
    "target": ["install --target elsewhere --find-links wheels needs-demo"],
    "prefix": ["install --prefix elsewhere --find-links wheels needs-demo"],
    "user": ["install --user --find-links wheels demo-pkg"],
    "requirements file": ["install --find-links wheels -r requirements.txt"],
    "hashes required": ["install --require-hashes --find-links wheels -r requirements.txt"],
    "local wheel": ["install wheels/demo_pkg-1.0-py3-none-any.whl"],
    "file URL": ["install file:{work}/wheels/demo_pkg-1.0-py3-none-any.whl"],
    "source directory": ["install ./source"],
    "editable": ["install -e ./source"],
    "version control": ["install git+file://{work}/repository"],
    "report to stdout": ["install --report - --find-links wheels needs-demo"],
    "report to a file": ["install --report report.json --find-links wheels needs-demo"],
    "quiet report": ["install --quiet --dry-run --report - --find-links wheels needs-demo"],
    "verbose": ["install -v --no-index --find-links wheels demo-pkg"],
    "no compile": ["install --no-compile --no-deps --find-links wheels needs-demo"],
    "uninstall": ["install --find-links wheels needs-demo", "uninstall -y demo-pkg needs-demo"],
    "uninstall what is not there": ["uninstall -y no-such-package"],
    "uninstall, asked for": ["install --find-links wheels demo-pkg", "uninstall demo-pkg"],
    "list": ["list"],
    "wheel": ["wheel --find-links wheels -w out needs-demo ./source"],
    "download": ["download --find-links wheels -d out needs-demo"],
    "help": ["install --help"],
    "Ctrl-C": ["install ./source"],
    "TERM": ["install ./source"],
}
_SIGNALS = {"Ctrl-C": signal.SIGINT, "TERM": signal.SIGTERM}


class Seen(NamedTuple):
    """What a pip run left and said."""

    exit_code: int
    stdout: str
    stderr: str
    files: dict[str, str]


class Ground:
    """One place in which both pips run, and the fresh venv each starts from."""

    def __init__(self, place: Path, python: str, tool: str) -> None:
        self.managed = Managed(place / "home", python, tool)
        self.fresh = place / "fresh"
        self.work = place / "work"
        self.inputs = place / "inputs"
        shutil.copytree(self.managed.venv, self.fresh, symlinks=True)
        _make_inputs(self.inputs)

    def run(self, scenario: str, *, hooked: bool) -> Seen:
        """Play the scenario from the beginning."""
        for old in (self.managed.venv, self.work):
            shutil.rmtree(old, ignore_errors=True)
        # Links will do: neither pip nor Python writes into a file that is there.
        shutil.copytree(self.fresh, self.managed.venv, symlinks=True, copy_function=os.link)
        shutil.copytree(self.inputs, self.work, symlinks=True)
        if not hooked:
            hook.remove(str(self.managed.venv), self.managed.tree_site)
        self.managed.steps()
        *before, last = [line.format(work=self.work).split() for line in SCENARIOS[scenario]]
        for words in before:
            assert self._pip(words, "").returncode == 0
        self.managed.steps()
        done = self._pip(last, scenario)
        steps = self.managed.names()
        recorded = hooked and last[0] in ("install", "uninstall") and "--help" not in last
        assert steps == (["begin", "meanwhile", "finish"] if recorded else []), (scenario, steps, done)
        trees = {"venv": self.managed.venv, "work": self.work}
        files = {f"{name}/{path}": fact for name, tree in trees.items() for path, fact in _files(tree).items()}
        return Seen(done.returncode, _settled(done.stdout), _settled(done.stderr), files)

    def _pip(self, words: list[str], scenario: str) -> subprocess.CompletedProcess[str]:
        marker = self.work / "waiting"
        extra = {"HOME": str(self.work / "user"), "PIP_CACHE_DIR": str(self.work / "cache"), "PIP_NO_INDEX": "1"}
        extra |= {"GIT_CONFIG_NOSYSTEM": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if scenario in _SIGNALS:
            extra["WAIT"] = str(marker)
        pip = subprocess.Popen(
            [self.managed.bin / "pip", *words],
            env=self.managed.environment(**extra),
            cwd=self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if scenario in _SIGNALS:
            while pip.poll() is None and not marker.exists():
                time.sleep(0.02)
            if scenario == "Ctrl-C":  # what the terminal does: the whole foreground process group
                os.killpg(pip.pid, signal.SIGINT)
            else:
                pip.send_signal(signal.SIGTERM)
                pip.wait()
                os.killpg(pip.pid, signal.SIGKILL)  # the backend lives on, with plain pip too, and holds stdout
        stdout, stderr = pip.communicate("y\n", timeout=120)
        return subprocess.CompletedProcess(pip.args, pip.returncode, stdout, stderr)


def _make_inputs(place: Path) -> None:
    wheels = place / "wheels"
    for version in ("1.0", "2.0"):
        files = {"demo_pkg/__init__.py": f"version = {version}\n", "demo_pkg/data.txt": "text\n"}
        build_wheel(wheels, "demo-pkg", version, files)
    code = {"needs_demo.py": "def main(): print('hello')\n"}
    build_wheel(wheels, "needs-demo", "1.0", code, requires=["demo-pkg<2"], scripts={"needs": "needs_demo:main"})
    (place / "requirements.txt").write_text("# pinned\ndemo-pkg==1.0\nneeds-demo\n")
    for name in ("source", "broken", "repository"):
        (place / name).mkdir()
        (place / name / "pyproject.toml").write_text(_PROJECT)
        (place / name / "backend.py").write_text(_BACKEND if name != "broken" else "raise ValueError('broken')\n")
        shutil.copy(Path(__file__).parent / "wheels.py", place / name)
    if shutil.which("git"):
        git = ["git", "-C", str(place / "repository"), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], check=True)


def _files(root: Path) -> dict[str, str]:
    """Path -> mode and content. Of bytecode only that it is there: it holds the time of the installation."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("cache", ".git")]
        for name in [*folders, *names]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if "_sysvenv" in name:
                continue
            if stat.S_ISLNK(mode):
                fact = os.readlink(path)
            elif stat.S_ISDIR(mode) or name.endswith(".pyc"):
                fact = ""
            else:
                content = Path(path).read_bytes()
                if b"/pip-" in content:  # a temporary directory's name, as in a direct_url.json
                    content = _settled(content.decode("latin-1")).encode()
                fact = hashlib.sha256(content).hexdigest()
            found[os.path.relpath(path, root)] = f"{mode:o} {fact}"
    return found


def _settled(text: str) -> str:
    """Without names of temporary directories, times, and the lines that are ours."""
    text = re.sub(r"pip-([a-z-]+)-[a-z0-9_]{8}\b", r"pip-\1-XXXXXXXX", text)
    text = re.sub(r"\b\d+(\.\d+)? ?(ms|s|seconds|kB/s|MB/s)\b", "TIME", text)
    return "".join(line for line in text.splitlines(True) if not line.startswith(("sysvenv: ", "RECORDED ")))


def compare(ground: Ground, scenario: str) -> list[str]:
    """What differs between the two pips; empty if nothing does."""
    plain, hooked = ground.run(scenario, hooked=False), ground.run(scenario, hooked=True)
    differences = [
        f"{name}: plain {a!r}, hooked {b!r}"
        for name, a, b in zip(Seen._fields[:3], plain[:3], hooked[:3], strict=True)
        if a != b
    ]
    paths = sorted(plain.files.keys() | hooked.files.keys())
    differences += [
        f"{path}: plain {plain.files.get(path)}, hooked {hooked.files.get(path)}"
        for path in paths
        if plain.files.get(path) != hooked.files.get(path)
    ]
    return differences


def usable() -> list[str]:
    """The scenarios this machine can play."""
    return [name for name in SCENARIOS if name != "version control" or shutil.which("git")]


def main() -> int:
    """Print how each scenario compares; exit code 1 if one differs."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    worst = 0
    with tempfile.TemporaryDirectory() as place:
        ground = Ground(Path(place), python, make_tool(Path(place) / "tool"))
        for scenario in usable():
            differences = compare(ground, scenario)
            print(f"{'differs' if differences else 'same':8}{scenario}", *differences, sep="\n        ")
            worst = max(worst, bool(differences))
    return worst


if __name__ == "__main__":
    sys.exit(main())
