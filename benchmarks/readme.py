"""README's figures: the block between two markers, made of the committed results and of nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import glob

from benchmarks import report, results
from benchmarks.bars import Bar, held_by
from benchmarks.results import Document

README = os.path.join(os.path.dirname(results.FOLDER), os.pardir, "README.md")
BEGIN = "<!-- benchmarks/run --readme writes what follows -->"
END = "<!-- up to here -->"
NOTHING = "No figures are committed yet: `benchmarks/run` takes them on your machine, in over an hour."
FIRST = "ext4"
"""Whose figures are shown where there are several."""


class Row:
    """One line of the table: what is done, and under which names the results have each way of doing it."""

    def __init__(self, what: str, **places: tuple[str, str]) -> None:
        self.what = what
        self.places = places

    def seconds(self, document: Document, way: str) -> float | None:
        """Of one way; None where it was not measured."""
        figure, side = self.places.get(way, ("", ""))
        found = document["figures"].get(figure, {}).get(side)
        return found["seconds"] if found else None


WAYS = ("pip", "rebuild", "uv", "floor")
HEADS = {"pip": "pip", "rebuild": "rebuilt from freeze", "uv": "uv", "sysvenv": "sysvenv", "floor": "floor"}
_REBUILD = ("undo/everything", "rebuilt from pip freeze")


def _undo(what: str, operation: str) -> Row:
    figure = f"undo/{operation}"
    pip = ("undo/everything", "pip uninstall + reinstall") if operation == "whole" else (figure, "pip")
    places = {side: (figure, side) for side in ("uv", "floor")}
    return Row(what, sysvenv=(figure, "undo"), pip=pip, rebuild=_REBUILD, **places)


ROWS = (
    _undo("undo: one package", "one"),
    _undo("undo: an upgrade of 20", "twenty"),
    _undo("undo: everything", "whole"),
    Row(
        "switch to the ML stack",
        sysvenv=("switch/ready", "restore ml"),
        pip=("switch/ready", "pip ml"),
        rebuild=_REBUILD,
        uv=("switch/ready", "uv ml"),
        floor=("switch/ready", "floor"),
    ),
    Row(
        "the same and its first import",
        sysvenv=("first-import", "sysvenv"),
        pip=("first-import", "pip"),
        uv=("first-import", "uv"),
    ),
)


def committed() -> list[str]:
    """Paths of the committed results, the one to be shown first."""
    return sorted(glob(os.path.join(results.FOLDER, "*.json")), key=lambda path: (path != results.path(FIRST), path))


def block() -> str:
    """What belongs between the markers."""
    found = committed()
    return render(results.read(found[0])) if found else NOTHING


def render(document: Document) -> str:
    """Caveats, plot, table, and how to take the figures again."""
    facts = document["machine"]
    machine = (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['filesystem']}, Python {facts['python']}, uv {facts['uv']}"
    )
    lines = [f"Taken on {machine}. What to keep in mind:", ""]
    lines += [f"* {caveat}" for caveat in document["caveats"]]
    lines += ["", "![Seconds of each way back, on a logarithmic scale](benchmarks/results/undo.svg)", ""]
    lines += _table(document)
    lines += [
        "",
        *_sentences(document),
        "",
        "Take them again: `benchmarks/run`; only what CI guards: `benchmarks/run --quick`.",
    ]
    return "\n".join(lines)


def _table(document: Document) -> list[str]:
    lines = [
        f"| ML stack | sysvenv | {' | '.join(HEADS[way] for way in WAYS)} |",
        f"|---|{'---:|' * (len(WAYS) + 1)}",
    ]
    for row in ROWS:
        ours = row.seconds(document, "sysvenv")
        if ours is None:
            continue
        cells = [f"{ours:.3g} s"]
        for way in WAYS:
            theirs = row.seconds(document, way)
            cells.append("" if theirs is None else f"{times(theirs / ours)}")
        lines.append(f"| {row.what} | {' | '.join(cells)} |")
    return lines


def times(ratio: float) -> str:
    """How many times sysvenv's seconds another way takes; below 1, it wins."""
    return f"{ratio:.0f} x" if ratio >= 20 else f"{ratio:.2g} x"


def _sentences(document: Document) -> list[str]:
    """Where a peer wins, what recording and disk cost, and which bars were missed."""
    lines = [
        "x: how many times as long as sysvenv. The floor is one Python that imports click and looks at each file once."
    ]
    won = [row.what for row in ROWS if _uv_wins(document, row)]
    if won:
        lines.append(
            f"uv wins ({'; '.join(won)}) where the lock of the old state is at hand. It links versions: no edited file "
            "comes back, no bytecode, and nothing that the lock does not name."
        )
    ratios = document["ratios"]
    if "record/ml-no-deps" in ratios and "record/stack" in ratios:
        lines.append(
            f"Recording makes `pip install six` there {_percent(ratios['record/ml-no-deps'])} slower without the "
            f"resolver, {_percent(ratios['record/ml'])} with it, and that of the whole stack "
            f"{_percent(ratios['record/stack'])}."
        )
    if "disk/adopted" in ratios:
        lines.append(
            f"History takes {ratios['disk/adopted']:.0f} % of the venv's disk at first, "
            f"{ratios['disk/50-operations']:.0f} % after 50 operations."
        )
    if "sharing/pip" in ratios:
        lines.append(
            f"Ten environments with one stack take {times(ratios['sharing/restore'])} the disk of one when `sysvenv "
            f"restore` fills them, {times(ratios['sharing/uv'])} when uv does; {times(ratios['sharing/pip'])} when pip "
            "does, which writes each file anew."
        )
    verdicts = report.verdicts(document)
    missed = [(bar, value) for bar, value in verdicts if not bar.met(value)]
    lines.append(f"Of {len(verdicts)} bars, {len(verdicts) - len(missed)} are kept." + (" Missed:" if missed else ""))
    spaced = [word for line in lines for word in (line, "")]
    return [*spaced, *_missed(missed)] if missed else spaced[:-1]


def _uv_wins(document: Document, row: Row) -> bool:
    ours, theirs = row.seconds(document, "sysvenv"), row.seconds(document, "uv")
    return ours is not None and theirs is not None and theirs < ours


def _percent(ratio: float) -> str:
    return f"{max(0, round(100 * (ratio - 1)))} %"  # a little faster is chance


def _missed(missed: list[tuple[Bar, float]]) -> Iterator[str]:
    """A line for each; what holds several is told once."""
    told: set[str] = set()
    for bar, value in missed:
        why = held_by(bar)
        reason = f": {'the same' if why in told else why}" if why else ""
        told.add(why)
        yield f"* {bar.what} {report.shown(value, bar)} ({report.limit(bar)}){reason}."


def rewrite() -> int:
    """Write the block anew. Returns an exit code."""
    with open(README, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    after = rest.partition(END)[2]
    with open(README, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{block()}\n{END}{after}")
    print(f"README.md: {'the figures of ' + os.path.basename(committed()[0]) if committed() else NOTHING}")
    return 0
