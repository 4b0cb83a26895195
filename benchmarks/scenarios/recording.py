"""Recording: what sysvenv adds to pip, from a no-op to the whole ML stack."""

from __future__ import annotations

from functools import partial

from benchmarks import stacks
from benchmarks.homes import Home, Venv, fresh, remove
from benchmarks.synthetic import wheels
from benchmarks.workplace import Workplace


def run(place: Workplace) -> None:
    """One package, and nothing at all, into a fresh venv and into the ML venv."""
    house = stacks.wheelhouse(place)
    for where, template in (("fresh", fresh(place)), ("ml", stacks.stack_venv(place, "ml"))):
        one_package(place, where, template, house, "six", runs=6)


def pair(place: Workplace, name: str, template: str) -> tuple[Home, Venv]:
    """A home and a plain venv that hold the same."""
    home, plain = Home(place, place.path("homes", f"record-{name}")), Venv(place, place.path("plain", f"record-{name}"))
    home.adopt(template)
    plain.copy(template)
    return home, plain


def one_package(place: Workplace, where: str, template: str, house: str, package: str, runs: int) -> None:
    """An install with and without the resolver, and one of what is there already."""
    home, plain = pair(place, where, template)
    for venv in (home, plain):
        venv.call("uninstall", "--yes", package)
    for suffix, options in (("-no-deps", ["--no-deps"]), ("", [])):
        wanted = ["install", *options, *stacks.offline(house), package]
        sides = [
            venv.side(name, venv.pip(*wanted), before=partial(venv.call, "uninstall", "--yes", package))
            for name, venv in (("sysvenv", home), ("plain pip", plain))
        ]
        ratio = {f"record/{where}{suffix}": ("sysvenv", "plain pip")}
        place.compare(f"record/{where}{suffix}", sides, runs, ratio)
        place.check_distributions(home.root, plain.root, f"{where}: recorded pip install and plain pip")
    sides = [
        venv.side(name, venv.pip("install", *stacks.offline(house), package))
        for name, venv in (("sysvenv", home), ("plain pip", plain))
    ]
    place.compare(f"record/{where}/no-op", sides, runs, {f"record/{where}-no-op": ("sysvenv", "plain pip")})
    remove(home.home)
    remove(plain.root)


def whole(place: Workplace, template: str, wanted: list[str], runs: int) -> tuple[Home, Venv]:
    """A stack into a fresh venv. Each run begins with a copy of the fresh one, written out. Returns what is made."""
    home, plain = pair(place, "stack", template)
    sides = [
        home.side("sysvenv", home.pip("install", *wanted), before=lambda: home.adopt(template)),
        plain.side("plain pip", plain.pip("install", *wanted), before=lambda: plain.copy(template)),
    ]
    ratio = {"record/stack": ("sysvenv", "plain pip")}
    place.compare("record/stack", sides, runs, ratio, sync=True, warm=0)
    place.check_distributions(home.root, plain.root, "a whole stack: recorded pip install and plain pip")
    return home, plain


def synthetic_stack(place: Workplace, template: str, runs: int) -> None:
    """The same with wheels made here: no network needed."""
    house = place.path("stack-wheels", "")
    wanted = wheels(house, "stacked", packages=12, files_each=120, seed=3)
    for each in whole(place, template, [*stacks.offline(house), *wanted], runs):
        remove(each.root)
