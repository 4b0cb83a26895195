"""What people read: the table of ratios against bars, and the block in README."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bars import BARS, BY_RATIO, TOLERANCE, Bar
from benchmarks.results import Document


def verdicts(document: Document) -> list[tuple[Bar, float]]:
    """The bars this run has a value for, in their order."""
    return [(bar, document["ratios"][bar.ratio]) for bar in BARS if bar.ratio in document["ratios"]]


def gate(document: Document) -> tuple[list[str], int]:
    """The gated bars that were missed by more than the tolerance, a line each; and how many were not."""
    gated = [(bar, value) for bar, value in verdicts(document) if bar.gated]
    missed = [
        f"{bar.what}: {shown(value, bar)}, more than {TOLERANCE - 1:.0%} worse than its bar {limit(bar)}"
        for bar, value in gated
        if not bar.tolerable(value)
    ]
    return missed, len(gated) - len(missed)


def table(document: Document) -> str:
    """Ratios against bars, for a terminal."""
    rows = [("", "measured", "bar", "")]
    rows += [
        (bar.what, shown(value, bar), limit(bar), "" if bar.met(value) else "missed")
        for bar, value in verdicts(document)
    ]
    rows += [
        (f"{name} (no bar)", f"{value:.3g}", "", "")
        for name, value in document["ratios"].items()
        if name not in BY_RATIO
    ]
    return _aligned(rows)


def shown(value: float, bar: Bar) -> str:
    """A ratio, percentage or amount as people read it."""
    if bar.unit != "x":
        return f"{value:.1f} {bar.unit}"
    return f"{value:.0f} x" if value >= 20 else f"{value:.2f} x"


def limit(bar: Bar) -> str:
    """The bar itself."""
    return f"{'≤' if bar.at_most else '≥'} {bar.limit:g} {bar.unit}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
