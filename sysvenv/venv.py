"""Facts about the tree of a virtual environment, told from its files: nothing here starts Python."""

from __future__ import annotations

import os
import re

from store.named import NamedTuple
from sysvenv.errors import SysvenvError


class Interpreter(NamedTuple):
    """What a tree of packages is tied to."""

    version: str
    """Full version of Python, "3.11.7"; "3.11" if pyvenv.cfg does not say more."""
    implementation: str
    """`sys.implementation.name`: "cpython", "pypy"."""
    abi: str
    """Tag of its extension modules (SOABI, "cpython-311-x86_64-linux-gnu"), or "" if it cannot be told."""
    platform: str
    """`sysconfig.get_platform()`: "linux-x86_64"."""
    base: str
    """Absolute path of the base interpreter: where bin/python leads to, the first place outside the tree.

    Not resolved further, as the tree depends on this name: /usr/bin/python3 may lead to another minor version
    after an upgrade although the old one is still there, and Homebrew's opt/ links outlive what they point
    to. May be gone.
    """
    site: str
    """site-packages relative to the environment: "lib/python3.11/site-packages"."""

    @property
    def minor(self) -> str:
        """Version as far as installed packages depend on it: "3.11"."""
        return ".".join(self.version.split(".")[:2])


class PathOrder(NamedTuple):
    """Where the environment's scripts stand among the directories of PATH."""

    position: int
    """Index of the environment's bin in PATH; -1 if it is not there."""
    shadowed_by: tuple[str, ...]
    """Programs called python*, pip* that PATH finds before it (all of them if it is not in PATH)."""

    @property
    def first(self) -> bool:
        """Whether `pip` and `python` typed in this shell mean the environment's."""
        return self.position >= 0 and not self.shadowed_by


# lib/python3.11 of CPython, lib/pypy3.10 of PyPy
_LIB = re.compile(r"(python|pypy|graalpy)(\d+\.\d+)t?")
_EXTENSION = re.compile(r"\.((?:cpython|pypy|graalpy)[^.]*)\.so$")
_NAMES = ("python", "python3", "pip", "pip3")


def read_interpreter(root: str) -> Interpreter:
    """The interpreter of the environment at `root`. Raises SysvenvError if that is none (no pyvenv.cfg)."""
    settings = _settings(root)
    site = _site(root, settings)
    found = _LIB.fullmatch(site.split("/")[1])
    family, minor = (found[1], found[2]) if found else ("python", "")
    base = _base(root, settings, family + minor)
    return Interpreter(
        version=_version(settings) or minor,
        implementation={"python": "cpython"}.get(family, family),
        abi=_abi(base, site.split("/")[1]),
        platform=_platform(),
        base=base,
        site=site,
    )


def site_packages(root: str) -> bytes:
    """site-packages of the environment at `root`, as a tree path. Told also if that directory is gone.

    Raises SysvenvError if `root` is no environment.
    """
    return os.fsencode(_site(root, _settings(root)))


def interpreter_present(interpreter: Interpreter) -> bool:
    """Whether the base interpreter is still there and, as far as files tell, of the same minor version."""
    if not os.access(interpreter.base, os.X_OK) or os.path.isdir(interpreter.base):
        return False
    real = os.path.realpath(interpreter.base)
    named = _LIB.fullmatch(os.path.basename(real))
    if named:
        return named[2] == interpreter.minor
    library = interpreter.site.split("/")[1]
    libraries = [name for name in _listed(_prefix(real) + "/lib") if _LIB.fullmatch(name)]
    return not libraries or library in libraries


def create(root: str, python: str | None) -> None:
    """Make a virtual environment with pip at `root`, which must not exist, from `python` or the running base.

    `python` is a path or a name on PATH. Where it has no ensurepip, virtualenv or uv make it if they are on
    PATH. Leaves nothing behind if it fails. Raises SysvenvError saying what to install or to give instead.
    """
    from sysvenv import fresh

    fresh.create(root, python)


def build_fresh(root: str, place: str, base: str, *, bytecode: bool = True) -> None:
    """Make an environment in `root` (must not exist) that is right once it is renamed to `place`.

    Scripts, activate, pyvenv.cfg and bytecode name `place`; RECORD agrees with the scripts. Without `bytecode`, there
    is none: for what is still to be installed into (sysvenv.fresh.settle ends that). Errors as in create.
    """
    from sysvenv import fresh

    fresh.build(root, place, base, bytecode=bytecode)


def run_path_order(path_env: str, venv_bin: str) -> PathOrder:
    """How PATH (`path_env`) orders `venv_bin` and other directories that hold python or pip."""
    real = os.path.realpath(venv_bin)
    shadows: list[str] = []
    for position, directory in enumerate(path_env.split(os.pathsep)):
        if directory and os.path.realpath(directory) == real:
            return PathOrder(position, tuple(shadows))
        for name in _NAMES:
            path = os.path.join(directory or ".", name)
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                shadows.append(path)
    return PathOrder(-1, tuple(shadows))


def _settings(root: str) -> dict[str, str]:
    """pyvenv.cfg as PEP 405 reads it: `key = value` lines, keys in lower case."""
    try:
        with open(root + "/pyvenv.cfg", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(1 << 16).splitlines()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SysvenvError(f"no virtual environment at {root}", "`sysvenv init` makes one") from error
    except OSError as error:
        raise SysvenvError(f"cannot read {root}/pyvenv.cfg: {error.strerror}") from error
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def _version(settings: dict[str, str]) -> str:
    """`version` of venv and virtualenv, `version_info` of uv and virtualenv ("3.11.7.final.0")."""
    found = re.match(r"\d+\.\d+(?:\.\d+)?", settings.get("version_info") or settings.get("version") or "")
    return found[0] if found else ""


def _site(root: str, settings: dict[str, str]) -> str:
    """site-packages in use: the one there is; of several (after an upgrade) or none, what pyvenv.cfg says."""
    minor = ".".join(_version(settings).split(".")[:2])
    libraries = sorted(name for name in _listed(root + "/lib") if _LIB.fullmatch(name))
    fitting = [name for name in libraries if name.rstrip("t").endswith(("python" + minor, "pypy" + minor))]
    family = "pypy" if settings.get("implementation", "").lower() == "pypy" else "python"
    if not (fitting or libraries or minor):
        raise SysvenvError(f"cannot tell the Python of the environment at {root}", "`sysvenv clean` makes a new one")
    if len(fitting) > 1:  # python3.13 and the free-threaded python3.13t: pyvenv.cfg does not say which
        named = os.path.basename(os.path.realpath(_base(root, settings, family + minor)))
        fitting = [name for name in fitting if name == named] or fitting
    library = (fitting or libraries or [family + minor])[0]
    return f"lib/{library}/site-packages"


def _base(root: str, settings: dict[str, str], name: str) -> str:
    """First path outside the environment that bin/python leads to; of a copy, what pyvenv.cfg names."""
    inside = (os.path.abspath(root) + "/", os.path.realpath(root) + "/")
    path = os.path.abspath(root) + "/bin/python"
    for _ in range(40):  # as many links as the kernel follows
        try:
            path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        except OSError:
            break  # a copy of the interpreter, or missing
        if not path.startswith(inside):
            return path
    return settings.get("executable") or os.path.join(settings.get("home", "/"), name)


def _abi(base: str, library: str) -> str:
    """SOABI as the names of the base's own extension modules have it; "" if it has none."""
    stdlib = os.path.join(_prefix(os.path.realpath(base)), "lib", library)
    for directory in (stdlib + "/lib-dynload", stdlib):
        for name in _listed(directory):
            found = _EXTENSION.search(name)
            if found:
                return found[1]
    return ""


def _platform() -> str:
    """sysconfig.get_platform() of this machine; on Linux without importing sysconfig."""
    machine = os.uname()
    if machine.sysname == "Linux":
        return f"linux-{machine.machine}"
    import sysconfig

    return sysconfig.get_platform()


def _prefix(python: str) -> str:
    """PREFIX of PREFIX/bin/python."""
    return os.path.dirname(os.path.dirname(python))


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
