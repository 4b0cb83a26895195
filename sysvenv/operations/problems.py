"""Problems: what doctor found, each with what would put it right. Finding is apart from repairing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from store.errors import Busy, StoreError
from store.named import NamedTuple
from sysvenv.errors import SysvenvError
from sysvenv.operations.findings import Finding
from sysvenv.operations.session import Session

FIX = "Run: sysvenv doctor --fix"
EXAMPLES = 3
"""So many names of one kind are told."""


class Problem(NamedTuple):
    """A finding, and the repair doctor --fix may carry out."""

    finding: Finding
    repair: Callable[[Session], str] | None = None
    """Under the lock; returns a sentence on what was done."""
    early: Callable[[], str] | None = None
    """The same for what must be right before a session can begin at all."""


def fine(subject: str, message: str) -> Problem:
    """Nothing is wrong."""
    return Problem(Finding("ok", subject, message))


def repaired(finding: Finding, repair: Callable[[], str]) -> Finding:
    """The finding after a try to put it right. What could not be done is said; nothing stops the others."""
    try:
        return finding._replace(message=f"{finding.message} {repair()}", fixed=True)
    except Busy:
        raise
    except (StoreError, SysvenvError) as error:
        return finding._replace(message=f"{finding.message} It could not be put right: {error.message}")
    except OSError as error:
        return finding._replace(message=f"{finding.message} It could not be put right: {error}.", remedy="")


def many(count: int, noun: str) -> str:
    """ "1 object", "2 objects"."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def some(names: Iterable[str | bytes]) -> str:
    """The first names, and how many more there are."""
    every = [os.fsdecode(name) for name in names]
    more = len(every) - EXAMPLES
    return ", ".join(every[:EXAMPLES]) + (f" and {more} more" if more > 0 else "")
