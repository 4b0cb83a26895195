"""README's figures: the block between two markers, made of the committed results and of nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from glob import glob

from benchmarks import report, results
from benchmarks.bars import HELD_BY, HELD_BY_IMAGES, Bar, what_holds
from benchmarks.results import Document

README = os.path.join(os.path.dirname(results.FOLDER), os.pardir, "README.md")
BEGIN = "<!-- benchmarks/run --readme writes what follows -->"
END = "<!-- up to here -->"
NOTHING = "No figures are committed yet: `benchmarks/run` takes them on your machine, in 35 minutes."
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
    found = [results.read(path) for path in committed()]
    return render(*found) if found else NOTHING


def render(document: Document, *others: Document) -> str:
    """Caveats, plot, table, what was missed on `others`, and how to take the figures again."""
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
        *(line for other in others for line in _elsewhere(other)),
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
    spaced = [word for line in lines for word in (line, "")]
    return [*spaced, *_kept(document, "Of", HELD_BY)]


def _elsewhere(document: Document) -> list[str]:
    """Which bars another file system misses."""
    where = f"On {document['machine']['filesystem']}, in a file that is mounted, of"
    copy = document["amounts"].get("disk/a reflinked copy, %")
    note = [f"A copy of the ML venv that shares all its blocks takes {copy:.1f} % of it there.", ""] if copy else []
    return [*_kept(document, where, HELD_BY_IMAGES), "", *note]


def _kept(document: Document, of: str, held_by: Mapping[str, str]) -> list[str]:
    """How many bars are kept, and a line for each that is not."""
    verdicts = report.verdicts(document)
    missed = [(bar, value) for bar, value in verdicts if not bar.met(value)]
    count = f"{of} {len(verdicts)} bars, {len(verdicts) - len(missed)} are kept."
    return [f"{count} Missed:", "", *_missed(missed, held_by)] if missed else [count]


def _uv_wins(document: Document, row: Row) -> bool:
    ours, theirs = row.seconds(document, "sysvenv"), row.seconds(document, "uv")
    return ours is not None and theirs is not None and theirs < ours


def _percent(ratio: float) -> str:
    return f"{max(0, round(100 * (ratio - 1)))} %"  # a little faster is chance


def _missed(missed: list[tuple[Bar, float]], held_by: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason, and one for each bar of which none is known."""
    lines: dict[str, list[str]] = {}
    for bar, value in missed:
        told = f"{bar.what} {report.shown(value, bar)} ({report.limit(bar)})"
        why = what_holds(bar, held_by)
        lines.setdefault(why or told, []).append(told)
    for why, bars in lines.items():
        yield f"* {'; '.join(bars)}" + (f": {why}." if why != bars[0] else ".")


def rewrite() -> int:
    """Write the block anew. Returns an exit code."""
    with open(README, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    after = rest.partition(END)[2]
    with open(README, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{block()}\n{END}{after}")
    print(f"README.md: {'the figures of ' + os.path.basename(committed()[0]) if committed() else NOTHING}")
    return 0
