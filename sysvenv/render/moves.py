"""undo, redo, restore, clean, another Python: what came back, how long it took, and what takes that back again."""

from __future__ import annotations

from sysvenv.operations.results import Rewound, Step
from sysvenv.processes import Program
from sysvenv.render import packages, words
from sysvenv.render.screen import Screen, Span

_MOST = 20
_DONE = {"undo": "Undone", "redo": "Redone", "restore": "Restored", "clean": "Replaced by", "python": "Switched to"}
_PLANNED = {"undo": "Would undo", "redo": "Would redo", "restore": "Would restore", "clean": "Would be replaced by"}


def rewound(screen: Screen, result: Rewound) -> None:
    """Write the outcome, or the plan, of one of them."""
    if result.unchanged:
        _unchanged(screen, result)
    else:
        _headline(screen, result)
        packages.show(screen, result.packages, _MOST, "" if result.dry_run else _all_changes(result))
        _where(screen, result)
    _aftermath(screen, result)
    if result.reverse and not result.dry_run and not result.unchanged:
        screen.line("Take that back: ", (result.reverse, "bold"))
    if result.dry_run:
        screen.line(("Nothing was changed (--dry-run).", "dim"))


def _headline(screen: Screen, result: Rewound) -> None:
    verb = (_PLANNED if result.dry_run else _DONE)[result.action]
    if not result.steps:
        screen.paragraph(f"{verb}: {words.plain(result.target)}", style="bold", indent="  ", first="")
        return
    screen.lines([_step(screen, f"{verb}: " if not index else " " * (len(verb) + 2), step)
                  for index, step in enumerate(result.steps)])  # fmt: skip


def _step(screen: Screen, lead: str, step: Step) -> list[Span]:
    number = f"@{step.number} " if step.number else ""
    title = screen.cut(words.step_title(step.kind, step.command), screen.width - len(lead) - len(number))
    return [(lead, "bold"), (number, "bold"), (title, "")]


def _where(screen: Screen, result: Rewound) -> None:
    """Where that leads, and at what cost: "At @1 again in 0.09 s: 7 files added." """
    where = f"@{result.operation}{' again' if result.steps else ''}"
    if result.dry_run:
        lead = f"That leads to {where}" if result.steps else "That would be an operation of its own"
    else:
        lead = f"At {where} in {words.duration(result.seconds)}"
    # A plan cannot count the files of what nobody recorded yet.
    counts = "" if result.dry_run and not any(result.files) else f": {words.files(result.files)}"
    screen.paragraph(f"{lead}{counts}.")


def _unchanged(screen: Screen, result: Rewound) -> None:
    screen.paragraph(f"Nothing to do: the environment is at {words.plain(result.target)} already.")


def _all_changes(result: Rewound) -> str:
    """What is an operation of its own has a number whose changes can be seen in full."""
    return f" (sysvenv diff @{result.recorded})" if result.recorded is not None else ""


def _aftermath(screen: Screen, result: Rewound) -> None:
    """What somebody should know or do."""
    if result.healed:
        edited = words.count(result.healed, "file")
        screen.paragraph(f"{edited} edited in place: as installed again, the edited version is kept as well.")
    if result.rescued:
        screen.paragraph("Written into a replaced tree, and kept:", style="yellow")
        for path in result.rescued:
            screen.line("  " + words.plain(path))
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")
    _programs(screen, result)
    if result.shell_stands_inside and not result.dry_run:
        screen.line(("Your shell still stands in the replaced directory; type: ", "yellow"), ("cd .", "bold"))


def _programs(screen: Screen, result: Rewound) -> None:
    if not result.programs:
        return
    would = "would have to be" if result.dry_run else "must be"
    screen.paragraph(f"Still using the old files, and {would} restarted:", style="yellow")
    screen.paragraph(", ".join(_program(program) for program in result.programs), indent="  ")


def _program(program: Program) -> str:
    return f"{words.plain(program.name)} (pid {program.pid})"
