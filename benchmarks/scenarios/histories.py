"""History: undo, `history` and gc with 1 to 1000 operations behind them."""

from __future__ import annotations

from benchmarks.filesystems import allocated
from benchmarks.homes import Home, remove
from benchmarks.scenarios import growth
from benchmarks.workplace import Workplace

HISTORIES = (1, 10, 100, 1000)
_RUNS = 25
"""With nine, two measurements of the same differed by a tenth, which is the bar."""


def run(place: Workplace) -> None:
    """More and more operations, which restore two states in turn; then gc prunes them."""
    home, plain = growth.build(place, "1k")
    remove(plain.root)
    home.do("snapshot", "after")
    done = 1
    for wanted in HISTORIES:
        place.say(f"history of {wanted} operations")
        while done < wanted:
            done += 1
            home.do("restore", "after" if done % 2 else "baseline")
        rewinding(place, f"history/{wanted}", f"undo/1k-{wanted}-operations", home)
        growth.collecting(place, f"history/{wanted}/gc", home, runs=5)
    ratios = place.results.document["ratios"]
    place.results.ratio("undo/1000-to-1-operations", ratios["undo/1k-1000-operations"] / ratios["undo/1k-1-operations"])
    prune = home.side("gc --max-entries 10", home.sysvenv("gc", "--max-entries", "10"), most=1)
    place.results.amount("disk/1000-operations", allocated(home.home))
    place.compare("history/1000/pruning", [prune], 1, {})
    place.results.amount("disk/1000-operations/pruned", allocated(home.home))
    rewinding(place, "history/pruned", "undo/1k-pruned", home)
    remove(home.home)


def rewinding(place: Workplace, figure: str, ratio: str, home: Home) -> None:
    """undo, redo and `history` in turn with the floor, in a history of some length."""
    sides = [home.side(verb, home.sysvenv(verb)) for verb in ("undo", "redo", "history")]
    place.compare(figure, [*sides, place.floor(home.root)], _RUNS, {ratio: ("undo", "floor")})
