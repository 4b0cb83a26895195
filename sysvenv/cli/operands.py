"""The notations of the command line: `@N` is an operation, a bare number a count, `90d` an age, `5GB` a size."""

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


def age(text: str) -> float:
    """The seconds `90d` means. Raises UsageError."""
    from sysvenv import quantities

    try:
        return quantities.age(text)
    except ValueError:
        raise UsageError(f"{text!r} is not an age.", "Give days, or with a unit: 90d, 12w, 1y") from None


def size(text: str) -> int:
    """The bytes `5GB` means. Raises UsageError."""
    from sysvenv import quantities

    try:
        return quantities.size(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a size.", "Give bytes, or with a unit: 500MB, 5GB, 2GiB") from None
