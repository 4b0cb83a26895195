"""From the ML stack to the web stack and back, with the other state ready and not ready."""

from __future__ import annotations

import os
from functools import partial

from benchmarks import stacks
from benchmarks.fingerprint import fingerprint
from benchmarks.homes import Home, Venv, remove, set_aside
from benchmarks.pairs import Side
from benchmarks.stacks import STACKS, UvVenv
from benchmarks.workplace import Workplace

_RUNS = 11


def run(place: Workplace) -> None:
    """One home with a snapshot of each stack."""
    home = two_stacks(place)
    ready(place, home)
    not_ready(place, home)
    if place.first is None:
        by_pip(place)


def two_stacks(place: Workplace) -> Home:
    """A home with the snapshots `ml`, where it stands, and `web`; both trees are ready. Made at the first call."""
    home = Home(place, place.path("homes", "switch"))
    if os.path.exists(home.home):
        return home
    home.adopt(stacks.stack_venv(place, "ml"))
    home.do("snapshot", "ml")
    home.do("clean")
    place.say("recording the installation of the web stack")
    home.call(*stacks.install(stacks.wheelhouse(place), "-r", stacks.requirements("web")))
    home.do("snapshot", "web")
    for stack in ("ml", "web", "ml"):
        home.do("restore", stack)
    return home


def ready(place: Workplace, home: Home) -> None:
    """restore, where the tree stands ready, beside uv with a lock of the other stack."""
    uv = UvVenv(place, place.path("uv", "switch"))
    uv.create()
    for stack in ("web", "ml"):
        place.run(uv.sync(stacks.requirements(stack)))
    ml = fingerprint(home.root)
    floor = place.floor(home.root)
    ours = {stack: home.side(f"restore {stack}", home.sysvenv("restore", stack)) for stack in STACKS}
    uvs = {stack: uv.side(f"uv {stack}", uv.sync(stacks.requirements(stack))) for stack in STACKS}
    sides = [ours["web"], uvs["web"], ours["ml"], uvs["ml"], floor]
    ratios = {f"switch/to-{stack}/uv": (f"uv {stack}", f"restore {stack}") for stack in STACKS}
    ratios |= {"restore/ml": ("restore ml", "floor")}
    # Where there is a journal, our first fsync would write out what uv changed in thousands of directories.
    place.compare("switch/ready", sides, _RUNS, ratios, sync=True, files=home.count())
    place.check(fingerprint(home.root), ml, "switched to web and back")
    place.check_distributions(home.root, uv.root, "switched to ML, sysvenv and uv")
    remove(uv.root)


def not_ready(place: Workplace, home: Home) -> None:
    """restore, where no tree stands ready and one has to be laid out, beside a farm of hardlinks of the target."""
    home.do("restore", "ml")
    ml = fingerprint(home.root)
    copies = {stack: place.path("copies", stack) for stack in STACKS}
    for stack in ("web", "ml"):
        home.do("restore", stack)
        place.run(["cp", "-a", home.root, copies[stack]])
    farm, aside = place.path("farm"), place.path("aside", "")
    for stack in ("web", "ml"):
        restore = home.sysvenv("restore", stack)
        laid = home.side(f"restore {stack}", restore, before=partial(_stand_in_the_other, home, stack, aside))
        before = partial(set_aside, farm, aside)
        link = Side("cp -al", [["cp", "-al", copies[stack], farm]], place.environ(), before)
        ratio = {f"switch/not-ready/to-{stack}": (laid.name, "cp -al")}
        place.compare(f"switch/not-ready/{stack}", [laid, link], 5, ratio, sync=True)
    home.do("restore", "ml")
    place.check(fingerprint(home.root), ml, "switched to web and back, laid out anew")
    for tree in (*copies.values(), farm, aside):
        remove(tree)


def _stand_in_the_other(home: Home, target: str, aside: str) -> None:
    """Stand in the other stack, with no tree ready."""
    home.do("restore", "ml" if target == "web" else "web")
    home.forget_trees(aside)


def by_pip(place: Workplace) -> None:
    """pip takes one stack out and puts the other in."""
    plain = Venv(place, place.path("plain", "switch"))
    plain.copy(stacks.stack_venv(place, "ml"))
    house = stacks.wheelhouse(place)
    for old, new in (("ml", "web"), ("web", "ml")):
        out = plain.pip("uninstall", "--yes", "-r", stacks.requirements(old))
        into = plain.pip(*stacks.install(house, "-r", stacks.requirements(new)))
        place.compare("switch/ready", [plain.side(f"pip {new}", out, into, most=1)], 1, {})
    remove(plain.root)
