"""What is said after a pip run: what it changed, and the one command that takes that back."""

from __future__ import annotations

import signal
import sys
from typing import TextIO

from sysvenv import environ, history
from sysvenv.config import Config
from sysvenv.history import Operation
from sysvenv.operations.results import Recorded
from sysvenv.render import notices
from sysvenv.render.packages import show, summary
from sysvenv.render.screen import Screen
from sysvenv.render.words import WITHOUT_PIP, files, sentence

_MOST = 12
"""Lines of changes; who wants all of them has pip's own output right above, and `sysvenv diff`."""


def recorded(result: Recorded, config: Config | None = None, stream: TextIO | None = None) -> None:
    """Write it to `stream` (stderr, for stdout is pip's). Writes nothing where nothing happened.

    With show_diff_after_install off, only what went wrong is told, and notices. Raises OSError if `stream` cannot be
    written.
    """
    config = config or Config()
    screen = Screen.on(sys.stderr if stream is None else stream, config.ui.color, environ.no_color())
    wanted = config.history.show_diff_after_install
    if result.external is not None and wanted:
        _before(screen, result.external)
    operation = result.operation
    if operation is not None:
        if result.rolled_back:
            _rolled_back(screen, operation)
        elif operation.status in (history.FAILED, history.INTERRUPTED):
            _went_wrong(screen, operation, show_changes=wanted)
        elif wanted or operation.notices:
            if wanted:
                _changes(screen, operation)
            notices.show(screen, operation)
            screen.line((f"@{operation.number} recorded; take it back: ", "dim"), ("sysvenv undo", "bold"))
    for note in result.notes:
        screen.paragraph("sysvenv: " + sentence(note), indent="  ", first="")
    screen.flush()


def how_it_ended(operation: Operation) -> str:
    """ "failed (exit code 1)", "was interrupted (SIGKILL)"."""
    if operation.status != history.INTERRUPTED:
        return f"failed (exit code {operation.exit_code})"
    number = operation.exit_code - 128
    if number == signal.SIGINT:
        return "was interrupted"
    try:
        return f"was interrupted ({signal.Signals(number).name})"
    except ValueError:
        return "was interrupted"


def _before(screen: Screen, external: Operation) -> None:
    """What somebody had changed without pip before this pip ran: an operation of its own."""
    what = summary(external.packages) or [(files(external.files), "")]
    screen.line((f"@{external.number} {WITHOUT_PIP} before this: ", "dim"), *what)


def _changes(screen: Screen, operation: Operation) -> None:
    show(screen, operation.packages, _MOST, f" (sysvenv diff @{operation.number})")
    if not operation.packages:
        screen.line(("   " + files(operation.files), "dim"))


def _went_wrong(screen: Screen, operation: Operation, *, show_changes: bool) -> None:
    if show_changes:
        _changes(screen, operation)
    notices.show(screen, operation)
    text = f"pip {how_it_ended(operation)}; what it had changed is recorded as @{operation.number}."
    screen.paragraph(text, style="red", first="sysvenv: ", indent="  ")
    screen.line("  Take it back: ", ("sysvenv undo", "bold"))


def _rolled_back(screen: Screen, operation: Operation) -> None:
    text = f"pip {how_it_ended(operation)}; what it had changed was taken back (history.on_failure)."
    screen.paragraph(text, style="red", first="sysvenv: ", indent="  ")
    screen.line("  Have it after all: ", ("sysvenv redo", "bold"))
