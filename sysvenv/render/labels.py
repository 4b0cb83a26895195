"""Snapshots: one, and all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sysvenv.render import words
from sysvenv.render.screen import Screen
from sysvenv.snapshots import Snapshot


def taken(screen: Screen, snapshot: Snapshot) -> None:
    """Write that it stands, and how to come back to it."""
    holds = f"{words.count(snapshot.distributions, 'package')}, {_python(snapshot)}"
    screen.paragraph(f"Snapshot {snapshot.name} is taken: {holds}, at @{snapshot.operation}.")
    screen.line("Come back to it: ", (f"sysvenv restore {snapshot.name}", "bold"))


def deleted(screen: Screen, snapshot: Snapshot) -> None:
    """Write that the label is gone, and where the state still is."""
    screen.paragraph(f"Snapshot {snapshot.name} is deleted; the environment is untouched.")
    if snapshot.recorded:
        screen.line("That state is still in history: ", (f"sysvenv restore @{snapshot.operation}", "bold"))
    else:
        screen.line("What only it held is given back by: ", ("sysvenv gc", "bold"))


def table(screen: Screen, snapshots: Sequence[Snapshot], now: float | None = None) -> None:
    """Write a line for each. `now` as time.time() has it."""
    if not snapshots:
        screen.line("No snapshots yet. Take one: ", ("sysvenv snapshot NAME", "bold"))
        return
    now = time.time() if now is None else now
    rows = [_columns(snapshot, now) for snapshot in snapshots]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for snapshot, cells in zip(snapshots, rows, strict=True):
        name, *facts = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        mark = screen.here if snapshot.current else " "
        rest = "  " + "  ".join(facts)
        screen.line((f"{mark} ", "green"), (name, "bold" if snapshot.current else ""), (rest, "dim"))
        if snapshot.message:
            screen.paragraph(words.plain(snapshot.message), indent="    ")


def _columns(snapshot: Snapshot, now: float) -> tuple[str, ...]:
    return (
        words.plain(snapshot.name),
        words.count(snapshot.distributions, "package"),
        _python(snapshot),
        f"@{snapshot.operation}",
        words.ago(snapshot.created, now),
    )


def _python(snapshot: Snapshot) -> str:
    """Its version; a snapshot may be of an environment that was deleted."""
    return f"Python {words.plain(snapshot.python)}" if snapshot.python else "no Python"
