"""Which environment a command line speaks of: the one it names, the active one, the project's one stands in, or the
user's own."""

# Loaded before anything else is (headstart), so without typing and what that brings in.

from __future__ import annotations

import os

from sysvenv.errors import UsageError
from sysvenv.home import SYSTEM, Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VENVS = (".venv", "venv")
"""What projects call their environment, the more usual name first."""


def split(arguments: list[str]) -> tuple[str, list[str]]:
    """What options before the command name, `-C PATH` or `--system`, or ""; and the rest."""
    if arguments[:1] == ["--system"]:
        return SYSTEM, arguments[1:]
    if arguments[:1] == ["-C"]:
        if len(arguments) < 2 or not arguments[1]:
            raise UsageError("-C needs a path.", "sysvenv -C PATH COMMAND")
        return arguments[1], arguments[2:]
    if arguments and arguments[0].startswith("-C"):
        return arguments[0][2:], arguments[1:]
    return "", arguments


def select(environ: Mapping[str, str], named: str = "") -> Home:
    """The home of that environment. Raises UsageError where `named` is none sysvenv looks after."""
    if named == SYSTEM:
        return Home.at(SYSTEM)
    own = Home.default(environ)
    others = tracked(Home.of_user(environ))
    if named:
        return _named(named, own, others)
    if not others:
        return own
    active = environ.get("VIRTUAL_ENV", "")
    if active:
        found = find(active, [own, *others])
        if found is not None:
            return found
    return _stood_in(others, environ) or own


def tracked(home: Home) -> list[Home]:
    """The homes of the environments that are tracked, by name."""
    return [each for each in map(Home.at, homes(home)) if each.is_tracked]


def homes(home: Home) -> list[str]:
    """The directories of all environments that are tracked, or once were."""
    try:
        names = sorted(os.listdir(home.environments))
    except OSError:
        return []
    return [os.path.join(home.environments, name) for name in names if not name.endswith(".tmp")]


def find(venv: str, among: list[Home]) -> Home | None:
    """The home whose environment `venv` is, by whatever path."""
    path = os.path.abspath(venv)
    real = os.path.realpath(path)
    for home in among:
        if home.venv == path or os.path.realpath(home.venv) == real:
            return home
    return None


def candidates(path: str) -> list[str]:
    """The environments `path` may mean: itself, and those a project keeps."""
    return [path, *(os.path.join(path, name) for name in VENVS)]


def _named(named: str, own: Home, others: list[Home]) -> Home:
    path = os.path.abspath(named)
    known = [own, *others]
    for each in candidates(path):
        found = find(each, known)
        if found is not None:
            return found
    for home in known:
        if os.path.realpath(home.root) == os.path.realpath(path):
            return home
    if not os.path.exists(path):
        raise UsageError(f"There is no {named}.", "Run: sysvenv envs")
    raise UsageError(f"{named} is not tracked.", f"Run: sysvenv track {named}")


def _stood_in(others: list[Home], environ: Mapping[str, str]) -> Home | None:
    """The environment of the innermost project the current directory lies in. A project is what holds an environment,
    unless it holds several; the home directory, or all there is, is none."""
    try:
        here = os.getcwd()
    except OSError:
        return None
    projects: dict[str, Home | None] = {}
    for home in others:
        projects[os.path.realpath(home.venv)] = home
        project = os.path.realpath(os.path.dirname(home.venv))
        projects[project] = None if project in projects else home
    for place in ("/", os.path.realpath(environ.get("HOME", "/"))):
        projects.pop(place, None)
    while True:
        if here in projects:
            return projects[here]
        if here == os.path.dirname(here):
            return None
        here = os.path.dirname(here)
