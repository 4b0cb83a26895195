"""Growth: everything that a user waits for, at 1 k to 200 k files, and with 1 to 1000 operations of history."""

from __future__ import annotations

from functools import partial

from benchmarks import memory, stacks
from benchmarks.fingerprint import fingerprint
from benchmarks.homes import Home, Venv, fresh, remove
from benchmarks.pairs import Side, one_core
from benchmarks.synthetic import wheels
from benchmarks.workplace import Workplace

SIZES = {"1k": 1_000, "5k": 5_000, "9k": 9_000, "20k": 20_000, "50k": 50_000, "100k": 100_000, "200k": 200_000}
HISTORIES = (1, 10, 100, 1000)
_SEED = 20


def run(place: Workplace) -> None:
    """All sizes, one after the other; each is deleted before the next is made."""
    medians = {}
    for size, count in SIZES.items():
        template, home = build(place, size)
        adoption(place, size, template, runs=3 if count <= 20_000 else 1)
        rewinding(place, size, home, runs=15 if count <= 50_000 else 9)
        medians[size] = place.results.document["figures"][f"growth/{size}"]["undo"]["seconds"]
        if count >= 20_000:
            with one_core():
                rewinding(place, size, home, runs=7, pinned=True)
        place.compare(
            f"growth/{size}/audit", [Side("status --check", [home.sysvenv("status", "--check")], home.environ())], 7, {}
        )
        recording(place, size, home, template, runs=5)
        if size == "200k":
            remember(place, size, home, template)
        remove(home.home)
        remove(template)
    place.results.ratio("undo/200k-to-100k", medians["200k"] / medians["100k"])
    histories(place)
    place.results.skipped("gc: sysvenv has no such command yet, so its growth is not measured")


def build(place: Workplace, size: str) -> tuple[str, Home]:
    """A plain venv of that many files, and a home that adopted a copy of it and then recorded one install."""
    place.say(f"making a venv of {size} files")
    template = Venv(place, place.path("templates", size))
    template.copy(fresh(place))
    template.grow(SIZES[size], _SEED)
    home = Home(place, place.path("homes", size))
    home.adopt(template.root)
    home.call(*install(place))
    return template.root, home


def small(place: Workplace) -> tuple[str, str]:
    """A wheelhouse with one small package, made here, and its name."""
    house = place.path("small", "")
    (requirement,) = wheels(house, "small", packages=1, files_each=10, seed=1)
    return house, requirement.partition("==")[0]


def install(place: Workplace) -> list[str]:
    """Arguments of a pip install of that package; its name is the last."""
    return stacks.install(*small(place))


def rewinding(place: Workplace, size: str, home: Home, runs: int, pinned: bool = False) -> None:
    """undo, redo and restore of ready states in turn with the floor. The last operation is one small package."""
    after = fingerprint(home.root)
    home.do("undo")
    before = fingerprint(home.root)
    home.do("redo")
    floor = place.floor(home.root)  # last in each round, when all these files are there again
    name = "undo-one-core" if pinned else "undo"
    ratios = {f"{name}/{size}": ("undo", "floor")}
    if not pinned:
        ratios[f"redo/{size}"] = ("redo", "floor")
    sides = [home.side(verb, home.sysvenv(verb)) for verb in ("undo", "redo")]
    what = f"growth/{size}" + ("/one-core" if pinned else "")
    place.compare(what, [*sides, floor], runs, ratios, files=home.count())
    place.check(fingerprint(home.root), after, f"{size}: redo")
    home.do("undo")
    place.check(fingerprint(home.root), before, f"{size}: undo")
    home.do("redo")
    if not pinned:
        home.do("snapshot", "after", "--force")
        restores = [home.side(f"restore {name}", home.sysvenv("restore", name)) for name in ("baseline", "after")]
        ratio = {f"restore/{size}": ("restore after", "floor")}
        place.compare(f"growth/{size}/restore", [*restores, floor], runs, ratio, files=home.count())
        place.check(fingerprint(home.root), after, f"{size}: restore")


def recording(place: Workplace, size: str, home: Home, template: str, runs: int) -> None:
    """A pip install of one small package with and without the hook; the package is uninstalled in between."""
    plain = Venv(place, place.path("plain", size))
    plain.copy(template)
    wanted = install(place)
    name = wanted[-1]
    sides = [
        venv.side(who, venv.pip(*wanted), before=partial(venv.call, "uninstall", "--yes", name))
        for who, venv in (("sysvenv", home), ("plain pip", plain))
    ]
    place.compare(f"growth/{size}/record", sides, runs, {f"record/{size}-no-deps": ("sysvenv", "plain pip")})
    place.check_distributions(home.root, plain.root, f"{size}: recorded pip install and plain pip")
    remove(plain.root)


def adoption(place: Workplace, size: str, template: str, runs: int) -> None:
    """The first adoption beside a full copy, both onto the disk."""
    home = Home(place, place.path("adopted", size))
    copy = place.path("copied", size)

    def afresh() -> None:
        remove(home.home)
        home.copy(template)

    adopt = home.side("sysvenv init", home.sysvenv("init"), before=afresh, most=runs)
    script = f"cp -a '{template}' '{copy}' && sync"
    full = Side("cp -a + sync", [["sh", "-c", script]], place.environ(), lambda: remove(copy), runs)
    place.compare(f"adopt/{size}", [adopt, full], runs, {f"adopt/{size}": ("sysvenv init", "cp -a + sync")}, sync=True)
    place.check(fingerprint(home.root), fingerprint(template), f"{size}: adopted, and the venv before")
    remove(home.home)
    remove(copy)


def remember(place: Workplace, size: str, home: Home, template: str) -> None:
    """Peak memory of undo, of init and of a recorded install."""
    place.say(f"memory/{size}")
    environ = home.environ()
    wanted = install(place)
    peaks = [memory.peak(home.sysvenv(verb), environ) for verb in ("undo", "redo") * 2]
    note(place, f"memory/undo/{size}", max(peaks))
    home.call("uninstall", "--yes", wanted[-1])
    note(place, f"memory/record/{size}", memory.peak(home.pip(*wanted), environ))
    other = Home(place, place.path("adopted", size))
    other.copy(template)
    note(place, f"memory/adopt/{size}", memory.peak(other.sysvenv("init"), other.environ()))
    remove(other.home)


def note(place: Workplace, name: str, peak: int) -> None:
    """Keep a peak, in MB."""
    place.results.ratio(name, peak / 1e6)


def histories(place: Workplace) -> None:
    """undo and `history` with more and more operations; made by restoring two states in turn, each time a record."""
    template, home = build(place, "1k")
    remove(template)
    home.do("snapshot", "after")
    done = 1
    for wanted in HISTORIES:
        place.say(f"history of {wanted} operations")
        while done < wanted:
            done += 1
            home.do("restore", "after" if done % 2 else "baseline")
        sides = [home.side(verb, home.sysvenv(verb)) for verb in ("undo", "redo", "history")]
        ratios = {f"undo/1k-{wanted}-operations": ("undo", "floor")}
        place.compare(f"history/{wanted}", [*sides, place.floor(home.root)], 9, ratios)
    remove(home.home)
