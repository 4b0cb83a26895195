"""Facts about the tree of a virtual environment, and how one is made."""

from __future__ import annotations

from typing import NamedTuple


class Interpreter(NamedTuple):
    """What a tree of packages is tied to."""

    version: str
    """Full version of Python, "3.11.7"."""
    implementation: str
    """`sys.implementation.name`: "cpython", "pypy"."""
    abi: str
    """Tag of its extension modules (SOABI, "cpython-311-x86_64-linux-gnu"), or "" if it cannot be told."""
    platform: str
    """`sysconfig.get_platform()`: "linux-x86_64"."""
    base: str
    """Absolute real path of the base interpreter the environment was made from. It may be gone."""
    site: str
    """site-packages relative to the environment: "lib/python3.11/site-packages"."""


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


def read_interpreter(root: str) -> Interpreter:
    """The interpreter of the environment at `root`, told from its files. Raises SysvenvError if it is none."""
    raise NotImplementedError


def site_packages(root: str) -> bytes:
    """site-packages of the environment at `root`, as a tree path. Raises SysvenvError if there is none."""
    raise NotImplementedError


def interpreter_present(interpreter: Interpreter) -> bool:
    """Whether the base interpreter is still there, of the same minor version as far as files tell."""
    raise NotImplementedError


def create(root: str, python: str | None) -> None:
    """Make a virtual environment with pip at `root`, which must not exist, from `python` or the running base."""
    raise NotImplementedError


def build_fresh(root: str, place: str, base: str) -> None:
    """Make an environment in `root` (must not exist) that is right once it is renamed to `place`."""
    raise NotImplementedError


def run_path_order(path_env: str, venv_bin: str) -> PathOrder:
    """How PATH (`path_env`) orders the environment's `venv_bin` and other directories that hold python or pip."""
    raise NotImplementedError
