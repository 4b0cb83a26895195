"""history: the operations, newest first, and where in them the environment stands."""

from __future__ import annotations

import time

from sysvenv import history
from sysvenv.history import Operation
from sysvenv.operations.findings import Listing
from sysvenv.render import notices, packages, words
from sysvenv.render.screen import Screen, Span, length

_LAST_COLUMN = 28
"""Most columns for the change, so that the command keeps a readable part of 80."""


def listing(screen: Screen, result: Listing, *, detailed: bool = False, now: float | None = None) -> None:
    """Write the table; with ``detailed``, sources, files and times below each row. `now` as time.time() has it."""
    now = time.time() if now is None else now
    ages = [words.ago(operation.started, now) for operation in result.operations]
    numbers = max((len(str(operation.number)) for operation in result.operations), default=1) + 1
    age = max(map(len, ages), default=0)
    endings = [_ending(screen, operation) for operation in result.operations]
    last = max(map(length, endings), default=0)
    titles = [words.title(operation) for operation in result.operations]
    room = max(16, screen.width - 2 - numbers - 2 - age - 2 - 2 - last)
    room = min(room, max(map(len, titles), default=0))
    for operation, when, title, ending in zip(result.operations, ages, titles, endings, strict=True):
        here = operation.number == result.current
        undone = operation.number not in result.line
        mark = screen.here if here else screen.undone if undone else " "
        row: list[Span] = [
            (f"{mark} ", "green" if here else ""),
            (f"@{operation.number}".ljust(numbers) + "  ", "bold" if here else ""),
            (when.rjust(age) + "  ", "dim"),
            (screen.cut(title, room).ljust(room) + "  ", "bold" if here else ""),
            *ending,
        ]
        screen.line(*([(text, "dim") for text, _ in row] if undone else row))
        if detailed:
            _details(screen, operation)
    _footer(screen, result)


def _ending(screen: Screen, operation: Operation) -> list[Span]:
    """What it changed, and how it ended where that was not well."""
    trouble: list[Span] = []
    if operation.is_pending:
        trouble = [("unfinished", "yellow")]
    elif operation.exit_code:
        trouble = [(f"exit {operation.exit_code}", "red")]
    elif operation.status == history.INTERRUPTED:
        trouble = [("interrupted", "red")]
    room = _LAST_COLUMN - length(trouble) - 1
    spans = packages.summary(operation.packages, lambda text: screen.cut(text, room))
    changed = sum(operation.files)
    if not spans and changed:
        spans = [(words.count(changed, "file"), "")]
    return [*spans, *([(" ", "")] if spans and trouble else []), *trouble]


def _details(screen: Screen, operation: Operation) -> None:
    facts = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(operation.started))]
    if not operation.is_pending:
        if operation.finished:
            facts.append(f"took {words.duration(max(0.0, operation.finished - operation.started))}")
        facts.append(words.files(operation.files))
    screen.paragraph(", ".join(facts), style="dim", indent="    ")
    if operation.note:
        screen.paragraph(words.sentence(operation.note), style="dim", indent="    ")
    for spans in packages.lines(operation.packages, packages.origins(operation)):
        screen.line("   ", *spans)
    notices.show(screen, operation, margin="   ")


def _footer(screen: Screen, result: Listing) -> None:
    older = result.total - len(result.operations)
    if older > 0:
        screen.line((f"{words.count(older, 'older operation')} not shown: sysvenv history", "dim"))
    if result.redoable:
        more = [f"{len(result.redoable) - 3} more"] if len(result.redoable) > 3 else []
        numbers = words.listed([*(f"@{number}" for number in result.redoable[:3]), *more])
        steps = f" {len(result.redoable)}" if len(result.redoable) > 1 else ""
        screen.paragraph(f"Undone, and brought back by sysvenv redo{steps}: {numbers}", style="dim")
    if result.pruned.ranges:
        screen.paragraph(words.sentence(f"{result.pruned.told(result.pruned.last)}; snapshots stay"), style="dim")
    for sentence in result.broken:
        screen.paragraph(words.sentence(sentence), style="red", indent="  ", first="")
