"""The gate: in three minutes, what must not slip. Needs no network: everything installed is made here."""

from __future__ import annotations

from benchmarks.homes import fresh, remove
from benchmarks.scenarios import growth, recording, startup
from benchmarks.workplace import Workplace


def run(place: Workplace) -> None:
    """Homes of 1 k, 9 k and 20 k files; a fresh venv; a stack of 12 packages."""
    for size in ("1k", "9k", "20k"):
        home, plain = growth.build(place, size)
        growth.rewinding(place, size, home, runs=9, pinned=5 if size == "20k" else 0)
        if size == "9k":
            growth.recording(place, size, home, plain, runs=4)
            startup.commands(place, home, 7)
            startup.hook(place, home, 25)
        remove(home.home)
    recording.one_package(place, "fresh", fresh(place), *growth.small(place), runs=4)
    recording.synthetic_stack(place, fresh(place), 2)
