"""Growth: everything that a user waits for, at 1 k to 200 k files."""

from __future__ import annotations

from functools import partial

from benchmarks import memory, stacks
from benchmarks.fingerprint import fingerprint
from benchmarks.homes import Home, Venv, fresh, remove
from benchmarks.pairs import Side, one_core
from benchmarks.synthetic import wheels
from benchmarks.workplace import Workplace

SIZES = {"1k": 1_000, "5k": 5_000, "9k": 9_000, "20k": 20_000, "50k": 50_000, "100k": 100_000, "200k": 200_000}
_SEED = 20


def run(place: Workplace) -> None:
    """All sizes, one after the other; each is deleted before the next is made."""
    medians = {}
    for size, count in SIZES.items():
        large = count > 20_000  # each run takes as many files longer, and varies less
        home, plain = build(place, size)
        rewinding(place, size, home, 7 if large else 11, pinned=0 if count < 20_000 else 3 if large else 7)
        medians[size] = place.results.document["figures"][f"growth/{size}"]["undo"]["seconds"]
        check = Side("status --check", [home.sysvenv("status", "--check")], home.environ())
        place.compare(f"growth/{size}/audit", [check], 3 if large else 7, {})
        recording(place, size, home, plain, runs=3 if large else 5)
        collecting(place, f"growth/{size}/gc", home, runs=3 if large else 5)
        if size == "200k":
            remember(place, size, home)
        remove(home.home)
        remove(plain.root)
    place.results.ratio("undo/200k-to-100k", medians["200k"] / medians["100k"])


def build(place: Workplace, size: str) -> tuple[Home, Venv]:
    """A home of that many files, which then recorded one install, and a plain copy of it from before."""
    place.say(f"making a venv of {size} files")
    home, plain = Home(place, place.path("homes", size)), Venv(place, place.path("plain", size))
    home.copy(fresh(place))
    home.grow(SIZES[size], _SEED)
    adoption(place, size, home, plain)
    home.call(*install(place))
    return home, plain


def small(place: Workplace) -> tuple[str, str]:
    """A wheelhouse with one small package, made here, and its name."""
    house = place.path("small", "")
    (requirement,) = wheels(house, "small", packages=1, files_each=10, seed=1)
    return house, requirement.partition("==")[0]


def install(place: Workplace) -> list[str]:
    """Arguments of a pip install of that package; its name is the last."""
    return stacks.install(*small(place))


def rewinding(place: Workplace, size: str, home: Home, runs: int, pinned: int = 0) -> None:
    """undo, redo and restore of ready states in turn with the floor, which comes last in each round, when all files are
    there again; undo and redo also `pinned` times on one core. The last operation is one small package."""
    after = fingerprint(home.root)
    home.do("undo")
    before = fingerprint(home.root)
    home.do("redo")
    floor, count = place.floor(home.root), home.count()
    sides = [home.side("undo", home.sysvenv("undo")), home.side("redo", home.sysvenv("redo")), floor]
    ratios = {f"{verb}/{size}": (verb, "floor") for verb in ("undo", "redo")}
    place.compare(f"growth/{size}", sides, runs, ratios, files=count)
    if pinned:
        ratios = {f"undo-one-core/{size}": ("undo", "floor")}
        with one_core():
            place.compare(f"growth/{size}/one-core", sides, pinned, ratios, files=count)
    place.check(fingerprint(home.root), after, f"{size}: redo")
    home.do("undo")
    place.check(fingerprint(home.root), before, f"{size}: undo")
    home.do("redo")
    home.do("snapshot", "after", "--force")
    restores = [home.side(f"restore {name}", home.sysvenv("restore", name)) for name in ("baseline", "after")]
    ratio = {f"restore/{size}": ("restore after", "floor")}
    place.compare(f"growth/{size}/restore", [*restores, floor], runs, ratio, files=count)
    place.check(fingerprint(home.root), after, f"{size}: restore")


def recording(place: Workplace, size: str, home: Home, plain: Venv, runs: int) -> None:
    """A pip install of one small package with and without the hook; the package is uninstalled in between."""
    wanted = install(place)
    name = wanted[-1]
    sides = [
        venv.side(who, venv.pip(*wanted), before=partial(venv.call, "uninstall", "--yes", name))
        for who, venv in (("sysvenv", home), ("plain pip", plain))
    ]
    place.compare(f"growth/{size}/record", sides, runs, {f"record/{size}-no-deps": ("sysvenv", "plain pip")})
    place.check_distributions(home.root, plain.root, f"{size}: recorded pip install and plain pip")


def collecting(place: Workplace, figure: str, home: Home, runs: int) -> None:
    """gc where there is nothing left to free, so that each run does the same: the plan, and the plan carried out."""
    home.do("gc")
    sides = [home.side(" ".join(words), home.sysvenv(*words)) for words in (["gc", "--dry-run"], ["gc"])]
    place.compare(figure, sides, runs, {})


def adoption(place: Workplace, what: str, home: Home, plain: Venv) -> None:
    """The first adoption beside a full copy of the same venv, both onto the disk; once, as that costs a copy."""
    full = Side("cp -a + sync", [["sh", "-c", f"cp -a '{home.root}' '{plain.root}' && sync"]], place.environ(), most=1)
    adopt = home.side("sysvenv init", home.sysvenv("init"), most=1)
    place.compare(f"adopt/{what}", [full, adopt], 1, {f"adopt/{what}": ("sysvenv init", "cp -a + sync")}, sync=True)
    place.check(fingerprint(home.root), fingerprint(plain.root), f"{what}: adopted, and the venv before")


def remember(place: Workplace, size: str, home: Home) -> None:
    """Peak memory of undo, of a recorded install and of init."""
    place.say(f"memory/{size}")
    environ = home.environ()
    wanted = install(place)
    peaks = [memory.peak(home.sysvenv(verb), environ) for verb in ("undo", "redo")]
    note(place, f"memory/undo/{size}", max(peaks))
    home.call("uninstall", "--yes", wanted[-1])
    note(place, f"memory/record/{size}", memory.peak(home.pip(*wanted), environ))
    home.forget()
    note(place, f"memory/adopt/{size}", memory.peak(home.sysvenv("init"), environ))


def note(place: Workplace, name: str, peak: int) -> None:
    """Keep a peak, in MB."""
    place.results.ratio(name, peak / 1e6)
