"""The one family of errors a person may see: what happened, and what to type next."""

from __future__ import annotations


class SysvenvError(Exception):
    """What went wrong in one sentence (`message`), what to do about it (`hint`, or ""), and the exit code."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(SysvenvError):
    """The command line asks for something that cannot be meant."""

    exit_code = 2


class NotFound(SysvenvError):
    """Nothing to undo or redo, or no operation or snapshot of that name."""

    exit_code = 3


class DamageFound(SysvenvError):
    """Something on disk is not what its record says."""

    exit_code = 4


class Busy(SysvenvError):
    """Another sysvenv or pip holds the lock."""

    exit_code = 5


# What each exit code means, for the documentation and for the test that compares the two.
EXIT_CODES = {
    0: "done",
    1: "error",
    2: "wrong usage",
    3: "nothing to undo or redo, or no such name",
    4: "damage found",
    5: "busy: another operation holds the lock",
}
