"""The two notations of the command line: `@N` is an operation, a bare number a count."""

from __future__ import annotations

import re

from sysvenv.errors import UsageError

_OPERATION = re.compile(r"@?([0-9]{1,9})")


def steps(text: str | None, command: str) -> int:
    """The count `text`, 1 if there is none. Raises UsageError, with what was probably meant by an `@N`."""
    if text is None:
        return 1
    if re.fullmatch("[0-9]{1,9}", text) and int(text):
        return int(text)
    if _OPERATION.fullmatch(text) and text.startswith("@"):
        other = f"sysvenv undo --to {text} (to right after it)" if command == "undo" else "sysvenv redo (one step)"
        raise UsageError(
            f"{command} takes a number of steps, and {text} is an operation.",
            f"Run: {other}, or: sysvenv restore {text}",
        )
    raise UsageError(
        f"{command} takes a number of steps from 1, not {text!r}.",
        f"For example: sysvenv {command} 2",
    )


def operation(text: str) -> int:
    """The number of the operation `@N` (or, where nothing else can be meant, `N`). Raises UsageError."""
    found = _OPERATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not an operation.", "Give one as history shows it: @4")
    return int(found[1])
