"""The tally: what was broken how often, and how often that ended badly; printed as a table when the tests are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

PROPERTY = "broken"
Count = Callable[[str, str, int, int], None]
"""Counts for an operation (or a measure of its own) and a kind of fault: points, and how many of them were bad."""


def table(rows: Iterable[tuple[str, str, int, int]]) -> list[str]:
    """Lines: a row for each operation, a column for each kind of fault; points, and behind them what was bad."""
    cells: dict[str, dict[str, tuple[int, int]]] = {}
    for operation, kind, points, bad in rows:
        row = cells.setdefault(operation, {})
        before = row.get(kind, (0, 0))
        row[kind] = (before[0] + points, before[1] + bad)
    kinds = list(dict.fromkeys(kind for row in cells.values() for kind in row))
    heads = ["", *kinds, "bad"]
    lines = [[name, *(_cell(row.get(kind)) for kind in kinds), _bad(row)] for name, row in sorted(cells.items())]
    everything = [count for row in cells.values() for count in row.values()]
    lines.append(["all", *[""] * len(kinds), f"{sum(b for _, b in everything)} of {sum(p for p, _ in everything)}"])
    widths = [max(len(line[column]) for line in [heads, *lines]) for column in range(len(heads))]
    return [
        "  ".join(text.rjust(width) if column else text.ljust(width) for column, (text, width) in enumerate(cells_of))
        for cells_of in (zip(line, widths, strict=True) for line in [heads, *lines])
    ]


def _cell(count: tuple[int, int] | None) -> str:
    if count is None:
        return "-"
    return f"{count[0]} ({count[1]} bad)" if count[1] else str(count[0])


def _bad(row: dict[str, tuple[int, int]]) -> str:
    return str(sum(bad for _, bad in row.values()))
