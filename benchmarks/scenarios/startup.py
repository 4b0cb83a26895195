"""Start-up: the commands that look only, and what the hook costs every Python of the managed venv."""

from __future__ import annotations

import os

from benchmarks import stacks
from benchmarks.homes import Home, Venv, remove
from benchmarks.pairs import Side
from benchmarks.scenarios import growth
from benchmarks.workplace import Workplace

_OPERATIONS = 100


def run(place: Workplace) -> None:
    """In the ML venv, with 100 operations of history."""
    home = Home(place, place.path("homes", "startup"))
    home.adopt(stacks.stack_venv(place, "ml"))
    home.call(*growth.install(place))
    history(home, _OPERATIONS)
    commands(place, home, 25)
    hook(place, home, 60)
    remove(home.home)


def history(home: Home, operations: int) -> None:
    """Let a home with one operation have that many: two states are restored in turn, each time a record."""
    home.do("snapshot", "after")
    home.do("restore", "baseline")
    for number in range(operations - 2):
        home.do("restore", ("after", "baseline")[number % 2])


def commands(place: Workplace, home: Home, runs: int) -> None:
    """Commands that change nothing beside what they stand on: Python and click."""
    environ = home.environ()
    asked = {"status": ["status"], "history": ["history"], "help": ["--help"], "version": ["--version"]}
    sides = [home.side(name, home.sysvenv(*arguments)) for name, arguments in asked.items()]
    script = os.path.join(os.path.dirname(place.tool), "sysvenv")
    sides += [
        Side("version, console script", [[script, "--version"]], environ),
        Side("click", [[place.tool, "-I", "-c", "import click"]], environ),
        Side("python", [[place.tool, "-I", "-c", "pass"]], environ),
    ]
    ratios = {f"start/{name}": (name, "click") for name in asked}
    place.compare("start", sides, runs, ratios)


def hook(place: Workplace, home: Home, runs: int) -> None:
    """`python -c pass` in the managed venv and in a copy of it without the hook."""
    plain = Venv(place, place.path("plain", "unhooked"))
    plain.copy(home.root)
    for name in os.listdir(plain.site):
        if name.startswith(("_sysvenv.", "_sysvenv_gate.")):
            os.unlink(os.path.join(plain.site, name))
    sides = [venv.side(name, [venv.python, "-c", "pass"]) for name, venv in (("hooked", home), ("unhooked", plain))]
    place.compare("start/hook", sides, runs, {"start/hook": ("hooked", "unhooked")})
    remove(plain.root)
