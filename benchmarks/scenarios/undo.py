"""Undo of one package, of 20 upgraded and of the whole ML stack, beside every other way back."""

from __future__ import annotations

from benchmarks import stacks
from benchmarks.fingerprint import fingerprint
from benchmarks.homes import Command, Home, Venv, base_python, fresh, remove
from benchmarks.scenarios import recording
from benchmarks.stacks import UvVenv, list_file
from benchmarks.workplace import Workplace

_RUNS = 11
_PEER_RUNS = 3
_SLOW = 1
"""Runs of what takes a minute ..."""
_MINUTES = 2
"""... and of an installation whose time is compared with another's."""


def run(place: Workplace) -> None:
    """One home in which the stack, one package and an upgrade of 20 are installed one after the other. How long the
    first of that takes, recorded and not, is measured at once: it takes minutes."""
    house = stacks.wheelhouse(place)
    stack = [*stacks.offline(house), "-r", stacks.requirements("ml")]
    home, plain = recording.whole(place, fresh(place), stack, _MINUTES)
    stacks.keep(plain, "ml")
    uv = UvVenv(place, place.path("uv", "undo"))
    uv.create()
    whole(place, home, uv)
    slow_ways(place, home, plain, house)
    one(place, home, plain, uv, house)
    twenty(place, home, plain, uv, house)
    figures = place.results.document["figures"]
    for operation in ("twenty", "whole"):  # of one and the same venv: what was installed should not matter
        ratio = figures[f"undo/{operation}"]["undo"]["seconds"] / figures["undo/one"]["undo"]["seconds"]
        place.results.ratio(f"undo/{operation}-to-one", ratio)
    for tree in (home.home, plain.root, uv.root):
        remove(tree)


def whole(place: Workplace, home: Home, uv: UvVenv) -> None:
    """The installation of all of it, taken back and brought again."""
    rewind(place, "whole", home)
    by_uv(place, "whole", uv, list_file(place, "nothing", []), stacks.requirements("ml"))


def one(place: Workplace, home: Home, plain: Venv, uv: UvVenv, house: str) -> None:
    """Of all the stack, six is installed last."""
    six = stacks.install(house, "six")
    for venv in (home, plain):
        venv.call("uninstall", "--yes", "six")
        venv.call(*six)
    rewind(place, "one", home)
    by_pip(place, "one", home, plain, ["uninstall", "--yes", "six"], six, _PEER_RUNS)
    without = [line for line in stacks.lines("ml") if not line.startswith("six==")]
    by_uv(place, "one", uv, list_file(place, "without-six", without), stacks.requirements("ml"))
    derive(place, "one")


def twenty(place: Workplace, home: Home, plain: Venv, uv: UvVenv, house: str) -> None:
    """20 packages are upgraded together."""
    place.say("making later versions of 20 packages")
    successors, old, new = stacks.successors(place)
    upgrade = stacks.install(successors, *new)
    for venv in (home, plain):
        venv.call(*upgrade)
    rewind(place, "twenty", home)
    by_pip(place, "twenty", home, plain, stacks.install(house, *old), upgrade, _SLOW)
    kept = [line for line in stacks.lines("ml") if line not in old]
    by_uv(place, "twenty", uv, stacks.requirements("ml"), list_file(place, "upgraded", kept + new), successors)
    derive(place, "twenty")


def rewind(place: Workplace, operation: str, home: Home) -> None:
    """undo and redo beside the floor, which asks for the files of the larger state; checked to the byte."""
    after = fingerprint(home.root)
    home.do("undo")
    before = fingerprint(home.root)
    home.do("redo")
    name = "ml" if operation == "one" else f"ml-{operation}"
    ratios = {f"{verb}/{name}": (verb, "floor") for verb in ("undo", "redo")}
    sides = [home.side(verb, home.sysvenv(verb)) for verb in ("undo", "redo")]
    place.compare(f"undo/{operation}", [*sides, place.floor(home.root)], _RUNS, ratios, files=home.count())
    place.check(fingerprint(home.root), after, f"redo of {_WORDS[operation]}")
    home.do("undo")
    place.check(fingerprint(home.root), before, f"undo of {_WORDS[operation]}")
    home.do("redo")


_WORDS = {"one": "one package", "twenty": "an upgrade of 20", "whole": "the whole ML stack"}


def by_pip(place: Workplace, operation: str, home: Home, plain: Venv, back: Command, forth: Command, runs: int) -> None:
    """pip takes the operation back by its opposite, from local wheels. Somebody has to know what the opposite is."""
    side = plain.side("pip", plain.pip(*back), before=lambda: plain.call(*forth), most=runs)
    place.compare(f"undo/{operation}", [side], runs, {})
    home.do("undo")
    place.check_distributions(home.root, plain.root, f"undo of {_WORDS[operation]}, sysvenv and pip")
    home.do("redo")
    plain.call(*forth)


def by_uv(place: Workplace, operation: str, uv: UvVenv, back: str, forth: str, house: str = "") -> None:
    """uv makes its venv hold what the old lock says."""
    uv.place.run(uv.sync(forth, house))
    side = uv.side("uv", uv.sync(back), before=lambda: place.run(uv.sync(forth, house)))
    place.compare(f"undo/{operation}", [side], _PEER_RUNS, {})
    place.run(uv.sync(forth, house))


def slow_ways(place: Workplace, home: Home, plain: Venv, house: str) -> None:
    """The same whatever was installed: everything again. pip reinstalls in place; the classic undo makes a new venv."""
    ml = stacks.requirements("ml")
    reinstall = [plain.pip("uninstall", "--yes", "-r", ml), plain.pip(*stacks.install(house, "-r", ml))]
    other = Venv(place, place.path("plain", "rebuilt"))
    frozen = list_file(place, "frozen", place.run(plain.pip("freeze")).split())
    rebuild = [
        [base_python(), "-I", "-m", "venv", other.root],
        other.pip("install", *stacks.offline(house), "-r", frozen),
    ]
    sides = [
        plain.side("pip uninstall + reinstall", *reinstall, most=_SLOW),
        other.side("rebuilt from pip freeze", *rebuild, before=lambda: remove(other.root), most=_SLOW),
    ]
    place.compare("undo/everything", sides, _SLOW, {})
    for who, venv in (("pip uninstall + reinstall", plain), ("rebuilt from pip freeze", other)):
        place.check_distributions(home.root, venv.root, f"{who}, and the recorded stack")
    remove(other.root)


def derive(place: Workplace, operation: str) -> None:
    """Ratios against what was measured apart, as half a minute cannot be paired with a tenth of a second."""
    figures = place.results.document["figures"]
    ours = figures[f"undo/{operation}"]["undo"]["seconds"]
    everything = figures["undo/everything"]
    suffix = "" if operation == "one" else f"/{operation}"
    place.results.ratio(f"undo/reinstall{suffix}", everything["pip uninstall + reinstall"]["seconds"] / ours)
    place.results.ratio(f"undo/rebuild{suffix}", everything["rebuilt from pip freeze"]["seconds"] / ours)
    for peer in ("pip", "uv"):
        place.results.ratio(f"undo/{operation}/{peer}", figures[f"undo/{operation}"][peer]["seconds"] / ours)
