"""Ten environments with one stack: how much disk they take beside one, by how they were filled."""

from __future__ import annotations

import os
from collections.abc import Callable

from benchmarks import stacks
from benchmarks.filesystems import allocated
from benchmarks.homes import Home, Venv, base_python, remove
from benchmarks.stacks import UvVenv
from benchmarks.workplace import Workplace

_MANY = 10
_STACK = "ml"
_BY_PIP = 2
"""pip takes half a minute to fill one, and each takes as much as the one before."""


def run(place: Workplace) -> None:
    """All of them tracked, in one store; filled by restore, by uv and by pip."""
    wanted, house = stacks.requirements(_STACK), stacks.wheelhouse(place)

    def by_uv(home: Home, project: str) -> None:
        uv = UvVenv(place, os.path.join(project, ".venv"))
        uv.create()
        home.do("track", uv.root)
        place.run(uv.sync(wanted), home.environ())

    def by_pip(home: Home, project: str) -> None:
        venv = _tracked(place, home, project)
        pip = [place.tool, "-m", "pip", "--python", venv.python, *stacks.install(house, "-r", wanted)]
        place.run(pip, home.environ())

    def by_restore(home: Home, project: str) -> None:
        if not os.path.exists(home.home):
            home.adopt(stacks.stack_venv(place, _STACK))
            home.do("snapshot", "stack")
            return
        home.do("-C", _tracked(place, home, project).root, "restore", "stack")

    for name, fill, many in (("restore", by_restore, _MANY), ("uv", by_uv, _MANY), ("pip", by_pip, _BY_PIP)):
        _fill(place, name, fill, many)


def _fill(place: Workplace, name: str, fill: Callable[[Home, str], None], many: int) -> None:
    """Note what ten take beside one; where ``many`` is less than ten, each further one is taken to be like the last."""
    place.say(f"sharing: {many} environments with the {_STACK} stack, filled by {name}")
    user = place.path("sharing", name)
    home = Home(place, os.path.join(user, "home"))
    taken = []
    for number in range(many):
        project = os.path.join(user, f"project-{number}")
        os.makedirs(project)
        fill(home, project)
        if os.path.exists(os.path.join(project, ".venv")):
            home.do("-C", project, "snapshot", "filled")  # what uv did is recorded then
        if number in (0, many - 1):
            taken.append(allocated(user, but="trees"))  # history could do without what stands ready
    one, all_of_them = taken
    place.results.ratio(f"sharing/{name}", 1 + (all_of_them - one) / one * (_MANY - 1) / (many - 1))
    remove(user)


def _tracked(place: Workplace, home: Home, project: str) -> Venv:
    venv = Venv(place, os.path.join(project, ".venv"))
    place.run([base_python(), "-I", "-m", "venv", "--without-pip", venv.root])
    home.do("track", venv.root)
    return venv
