"""The environment of this process: the only module that asks it for anything. Read once, at the edge."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from store.named import NamedTuple
from sysvenv import selection
from sysvenv.home import Home

_NO = ("", "0", "no", "false", "off")


class Settings(NamedTuple):
    """What the environment says to a command."""

    home: Home
    user_home: str
    """HOME: the user's home directory, "" where it is not told."""
    active: str
    """VIRTUAL_ENV: the environment that was activated; "" where none was."""
    yes: bool
    """SYSVENV_YES: ask nothing, go on."""
    no_color: bool
    path: str
    """PATH as it is."""
    tool_python: str
    """Absolute path of the interpreter sysvenv runs on, symlinks kept: `current/bin/python` stays the newest one."""


def read(environ: Mapping[str, str] | None = None, home: Home | None = None) -> Settings:
    """The settings of `environ`, by default this process's, and of the `home` that was told already, if it was.

    Raises UsageError where no home can be told.
    """
    environ = os.environ if environ is None else environ
    return Settings(
        home=selection.select(environ) if home is None else home,
        user_home=environ.get("HOME", ""),
        active=environ.get("VIRTUAL_ENV", ""),
        yes=_is_on(environ, "SYSVENV_YES"),
        no_color=no_color(environ),
        path=environ.get("PATH", os.defpath),
        tool_python=tool_python(),
    )


def own() -> Home:
    """The home of the user's own environment, also where root speaks of the system's."""
    return Home.of_user(os.environ)


class Caches(NamedTuple):
    """Where installers keep what they fetched, and what they install for one user; "" where that is unknown."""

    pip: str
    uv: str
    user_base: str


def caches(environ: Mapping[str, str] | None = None) -> Caches:
    """As pip (platformdirs), uv (UV_CACHE_DIR) and site (PYTHONUSERBASE) find them."""
    environ = os.environ if environ is None else environ
    home = environ.get("HOME", "")
    base = _named(environ, "XDG_CACHE_HOME", "/.cache")
    pip = home + "/Library/Caches/pip" if sys.platform == "darwin" and home else base and base + "/pip"
    return Caches(
        pip=environ.get("PIP_CACHE_DIR", "") or pip,
        uv=environ.get("UV_CACHE_DIR", "") or (base and base + "/uv"),
        user_base=_named(environ, "PYTHONUSERBASE", "/.local"),
    )


class Pythons(NamedTuple):
    """Where interpreters may be found; "" where that is unknown."""

    path: str
    """PATH as it is."""
    pyenv: str
    """pyenv's directory; versions/3.12.1/bin/python3.12 lies below it."""
    uv: str
    """The directory of uv's managed Pythons, cpython-3.12.1-.../bin/python3.12."""


def pythons(environ: Mapping[str, str] | None = None) -> Pythons:
    """As pyenv (PYENV_ROOT) and uv (UV_PYTHON_INSTALL_DIR, XDG_DATA_HOME) find them."""
    environ = os.environ if environ is None else environ
    data = _named(environ, "XDG_DATA_HOME", "/.local/share")
    return Pythons(
        path=environ.get("PATH", os.defpath),
        pyenv=_named(environ, "PYENV_ROOT", "/.pyenv"),
        uv=environ.get("UV_PYTHON_INSTALL_DIR", "") or (data and data + "/uv/python"),
    )


def everything(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """All of it, for a pip that is to find what it would find in this shell."""
    return dict(os.environ if environ is None else environ)


def tool_python() -> str:
    """Absolute path of the interpreter sysvenv runs on, symlinks kept."""
    return os.path.abspath(sys.executable)


def no_color(environ: Mapping[str, str] | None = None) -> bool:
    """Whether output should be plain: NO_COLOR (https://no-color.org) is not empty, or the terminal knows no colour."""
    environ = os.environ if environ is None else environ
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"


def debug(environ: Mapping[str, str] | None = None) -> bool:
    """SYSVENV_DEBUG: whether an unexpected error may show its traceback."""
    return _is_on(os.environ if environ is None else environ, "SYSVENV_DEBUG")


def _named(environ: Mapping[str, str], name: str, below_home: str) -> str:
    """The directory a variable names, else one below the home directory; "" where that is not told either."""
    home = environ.get("HOME", "")
    return environ.get(name, "") or (home and home + below_home)


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() not in _NO
