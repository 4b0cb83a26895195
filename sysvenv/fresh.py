"""A fresh environment: made by venv, or by virtualenv or uv where Python lacks ensurepip, for a place of its
own.

An environment has its path in its scripts, so one that is to be switched in whole must be made right for a
place where another still stands. venv's own templates are filled in for that place (its quoting differs
between versions); pip's scripts are rewritten, in both forms pip knows, and their rows of RECORD with them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from store.named import NamedTuple
from sysvenv.errors import SysvenvError
from sysvenv.relocate import records, relocated

if TYPE_CHECKING:
    import subprocess

# The oldest Python whose start tells us the command line, which recording rests on: sys.orig_argv came with 3.10,
# and before that only Linux has another way (sysvenv.pip_hook).
OLDEST = (3, 8) if sys.platform == "linux" else (3, 10)

_PROBE = """
import sys
try:
    import ensurepip, venv
    pip = "pip"
except ImportError:
    pip = "none"
print("%d.%d.%d" % sys.version_info[:3], pip, getattr(sys, "_base_executable", None) or sys.executable)
"""

# Run by the base interpreter. setup_scripts is the documented place to change what activate is told. _setup_pip
# is private: it saves half the time by not compiling what would name the wrong path, and if a later Python does
# not call it, venv installs pip its own way. So does ensurepip without a _run_pip.
_MAKE = '''
import os, subprocess, sys, venv
for name in list(os.environ):
    if name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV", "__PYVENV")):
        del os.environ[name]
root, place = sys.argv[1:]
pip = """import ensurepip
run = getattr(ensurepip, "_run_pip", None)
if run:
    ensurepip._run_pip = lambda args, *more: run([*args, "--no-compile"], *more)
ensurepip.bootstrap(upgrade=True, default_pip=True)"""
class Builder(venv.EnvBuilder):
    def _setup_pip(self, context):
        subprocess.check_output([context.env_exe, "-I", "-c", pip], stderr=subprocess.STDOUT)
    def setup_scripts(self, context):
        name = os.path.basename(place)
        context.prompt = context.prompt.replace(context.env_name, name)
        context.env_dir, context.env_name = place, name
        context.env_exe = os.path.join(place, os.path.relpath(context.env_exe, root))
        super().setup_scripts(context)
try:
    Builder(symlinks=True, with_pip=True).create(root)
except subprocess.CalledProcessError as error:
    sys.exit((error.output or b"").decode(errors="replace") or str(error))
except (OSError, ValueError) as error:
    sys.exit(str(error))
'''

_ANOTHER = "give another: --python PATH"


class Base(NamedTuple):
    """An interpreter to make environments from."""

    path: str
    """The base interpreter itself, if what was given belongs to a virtual environment."""
    version: str
    """Full version, "3.12.1"."""
    has_ensurepip: bool

    @property
    def minor(self) -> str:
        """ "3.12" """
        return ".".join(self.version.split(".")[:2])


def create(root: str, python: str | None) -> None:
    """See sysvenv.venv.create."""
    root = os.path.abspath(root)
    if os.path.lexists(root):
        raise SysvenvError(f"{root} is there already", "move it away, or let `sysvenv init` adopt it")
    # A name of its own, so that what a kill leaves is told apart from an environment, and goes next time.
    stage = root + ".building"
    try:
        os.makedirs(os.path.dirname(root), exist_ok=True)
        _remove(stage)
        build(stage, root, python or _running_base())
        os.rename(stage, root)
    except OSError as error:
        raise SysvenvError(f"cannot make {root}: {error.strerror or error}") from error
    finally:
        _remove(stage)


def build(root: str, place: str, base: str, *, bytecode: bool = True) -> None:
    """See sysvenv.venv.build_fresh."""
    root, place = os.path.abspath(root), os.path.abspath(place)
    if os.path.lexists(root):
        raise SysvenvError(f"{root} is there already", "it is left alone")
    if os.pathsep in place:
        raise SysvenvError(f"{place} holds a {os.pathsep}, which separates directories of PATH", "use another")
    chosen = probe(base)
    try:
        _make(chosen, root, place)
        relocate(root, place)
        if bytecode:
            _compile(chosen.path, root, place)
    except BaseException as error:
        _remove(root)
        if isinstance(error, OSError):
            raise SysvenvError(f"cannot make {root}: {error.strerror or error}") from error
        raise


def probe(python: str) -> Base:
    """What `python`, a path or a name on PATH, is good for. Raises SysvenvError if it is no usable Python."""
    import shutil

    path = shutil.which(python)
    if path is None:
        raise SysvenvError(f"there is no Python at {python}", "give one that is there: --python PATH")
    done = _run([path, "-I", "-c", _PROBE])
    found = re.search(r"^(\d+\.\d+\.\d+) (pip|none) (.+)\n\Z", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise SysvenvError(f"{path} does not run as Python: {_last_line(done)}", _ANOTHER)
    base = Base(found[3], found[1], found[2] == "pip")
    if is_too_old(base.version):
        told = f"{path} is Python {base.minor}; {OLDEST[0]}.{OLDEST[1]} or later is needed"
        raise SysvenvError(told, _ANOTHER)
    return base


def is_too_old(version: str) -> bool:
    """Whether pip could not be recorded under a Python of that version, "3.7" or "3.7.16"."""
    return tuple(int(part) for part in version.split(".")[:2]) < OLDEST


def settle(root: str, place: str, base: str) -> None:
    """Make the environment in `root` one that is right at `place`, bytecode included. Raises OSError."""
    relocate(root, place)
    _compile(base, root, place)


def relocate(root: str, place: str) -> None:
    """The same without bytecode: what there is of it is dropped, as it names files in `root`."""
    old, new = os.fsencode(root), os.fsencode(place)
    rewritten = {}
    for path in [*_files(old + b"/bin"), old + b"/pyvenv.cfg"]:
        text = relocated(_read(path), old, new)
        if text is not None:
            _rewrite(path, text)
            rewritten[os.path.relpath(path, old)] = text
    libraries = (os.path.relpath(path, old) for path in _files(old + b"/lib"))
    for path, text in records(libraries, lambda path: _read(os.path.join(old, path)), rewritten).items():
        _rewrite(os.path.join(old, path), text)
    _drop_bytecode(old)


def _compile(base: str, root: str, place: str) -> None:
    """Bytecode that names the files as they will be called in ``place``: without it the first pip is slow, and again
    after each return to this state. A file that does not compile (old syntax in a test) is nobody's loss."""
    _run([base, "-I", "-m", "compileall", "-q", "-s", root, "-p", place, root + "/lib"])


def _running_base() -> str:
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    if not base or not os.path.exists(base):
        raise SysvenvError("the Python that sysvenv was installed with is gone", "run install.sh again")
    return base


def _make(base: Base, root: str, place: str) -> None:
    """Run whatever can make an environment with pip in `root`."""
    import shutil

    prompt = os.path.basename(place)
    if base.has_ensurepip:
        command = [base.path, "-I", "-c", _MAKE, root, place]
    elif virtualenv := shutil.which("virtualenv"):
        command = [virtualenv, "--quiet", "--python", base.path, "--prompt", prompt, root]
    elif uv := shutil.which("uv"):
        command = [
            uv,
            "venv",
            "--quiet",
            "--no-config",
            "--seed",
            "--python",
            base.path,
            "--prompt",
            prompt,
            root,
        ]
    else:
        raise SysvenvError(
            f"{base.path} has no ensurepip, so it cannot make an environment with pip",
            f"`apt install python{base.minor}-venv` (Debian, Ubuntu), or install virtualenv or uv",
        )
    done = _run(command)
    if done.returncode or not os.path.exists(root + "/bin/pip"):
        maker = os.path.basename(command[0])
        raise SysvenvError(f"{maker} could not make an environment: {_last_line(done)}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    import subprocess

    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SysvenvError(f"cannot run {command[0]}: {error.strerror}", _ANOTHER) from error


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Why it failed: as pip says, whatever traceback of its caller follows; or what came last."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    told = [line for line in lines if line.startswith("ERROR: ")] or lines
    return told[-1].strip() if told else f"exit code {done.returncode}"


def _files(directory: bytes) -> Iterator[bytes]:
    """Regular files below `directory`; links are neither followed nor told."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                yield path


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _rewrite(path: bytes, text: bytes) -> None:
    """Nobody else sees this tree yet, so writing in place is safe; mode and owner stay."""
    with open(path, "wb") as file:
        file.write(text)


def _drop_bytecode(root: bytes) -> None:
    for parent, directories, _ in os.walk(root, topdown=False):
        for name in directories:
            if name == b"__pycache__":
                _remove(os.fsdecode(os.path.join(parent, name)))


def _remove(path: str) -> None:
    if os.path.lexists(path):
        import shutil

        shutil.rmtree(path)
