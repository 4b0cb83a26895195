"""status: the environment at a glance."""

from __future__ import annotations

from sysvenv.operations.findings import Status
from sysvenv.render import packages, words
from sysvenv.render.screen import Screen

_MOST = 12
_LABELS = 14
"""Columns of the labels."""


def status(screen: Screen, result: Status) -> None:
    """Write it, a line or a sentence for each fact."""
    _fact(screen, "Environment", words.plain(result.venv) + ("" if result.venv_present else " (missing)"),
          "" if result.venv_present else "red")  # fmt: skip
    python = words.plain(f"{result.python} ({result.base})" if result.base else result.python)
    python += f", pip {words.plain(result.pip)}" if result.pip else ", no pip"
    if result.python_present:
        _fact(screen, "Python", python, "" if result.pip else "yellow")
    else:
        _fact(screen, "Python", f"{python}; the interpreter it was made from is gone", "red")
    _fact(screen, "Packages", f"{result.distributions:,} ({result.requested:,} requested)")
    _fact(screen, "History", _history(result))
    if not result.tracked:
        found = result.path_problem or "the environment comes first"
        _fact(screen, "PATH", found, "yellow" if result.path_problem else "")
    store = f"{words.size(result.store_bytes)} beyond the {words.size(result.venv_bytes)} of the environment"
    _fact(screen, "Store", store)
    _unrecorded(screen, result)
    if result.busy:
        _fact(screen, "At work", words.plain(result.busy), "yellow")
    elif result.pending is not None:
        _fact(
            screen,
            "Interrupted",
            f"@{result.pending} has no end; the next command records what is there",
            "yellow",
        )
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")
    if result.suggestion:
        screen.paragraph(words.sentence(result.suggestion), style="cyan", indent="  ", first="")


def _history(result: Status) -> str:
    text = f"at @{result.operation}, {words.count(result.operations, 'operation')}"
    if result.undone:
        text += f", {result.undone} undone"
    return f"{text}, {words.count(result.snapshots, 'snapshot')}"


def _unrecorded(screen: Screen, result: Status) -> None:
    if result.unrecorded == "yes":
        text = f"changes made without pip: {words.files(result.changed_files)}"
        _fact(screen, "Unrecorded", text, "yellow")
        packages.show(screen, result.changed, _MOST)
        screen.line("  sysvenv diff live shows them, sysvenv undo takes them back.")
    elif result.unrecorded == "maybe":
        _fact(screen, "Unrecorded", "perhaps, a directory has changed: sysvenv status --check", "yellow")
    else:
        _fact(screen, "Unrecorded", "nothing" if result.checked else "nothing, by the times of directories")


def _fact(screen: Screen, label: str, text: str, style: str = "") -> None:
    screen.paragraph(text, style=style, indent=" " * _LABELS, first=label.ljust(_LABELS))
