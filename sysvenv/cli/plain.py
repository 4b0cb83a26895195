"""The commands typed in a panic, in the form they are typed in: no options, so no click.

Importing click takes as long as looking at 10,000 files. Whatever is not plainly one of these forms is click's to read,
and answers just the same.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sysvenv.headstart import HeadStart


def find(arguments: list[str]) -> Callable[[HeadStart], int] | None:
    """How to run a command line that is one of the plain forms; None for any other."""
    if not 1 <= len(arguments) <= 2 or any(word.startswith("-") or not word for word in arguments):
        return None
    command, *operands = arguments
    if command == "status" and not operands:
        return _status
    if command in ("undo", "redo") and (not operands or operands[0].isdecimal()):
        return partial(_move, command, operands[0] if operands else None)
    if command == "restore" and operands:
        return partial(_restore, operands[0])
    return None


def _move(command: str, steps: str | None, ahead: HeadStart) -> int:
    from sysvenv.cli import operands
    from sysvenv.cli.session import open_session
    from sysvenv.operations import rewind
    from sysvenv.render import moves

    session = open_session(command, ahead)
    move = rewind.undo if command == "undo" else rewind.redo
    return session.show(move(session.context, operands.steps(steps, command)), moves.rewound)


def _restore(target: str, ahead: HeadStart) -> int:
    from sysvenv.cli.session import open_session
    from sysvenv.operations import rewind
    from sysvenv.render import moves

    session = open_session("restore", ahead)
    return session.show(rewind.restore(session.context, target), moves.rewound)


def _status(ahead: HeadStart) -> int:
    from sysvenv.cli.session import open_session
    from sysvenv.operations import status
    from sysvenv.render import overview

    session = open_session("status", ahead)
    return session.show(status.status(session.context, session.settings.path, check=False), overview.status)
