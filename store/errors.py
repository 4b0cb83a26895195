"""What can go wrong in the store: one family, each with a sentence and a hint of what to type next."""

from __future__ import annotations


class StoreError(Exception):
    """Something the store could not do.

    ``message`` is one sentence for a person; ``hint`` what to type or check next (may be empty);
    ``exit_code`` the process exit code this error ends in.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Damaged(StoreError):
    """A file of the store is missing or is not what its name says."""

    exit_code = 4


class Busy(StoreError):
    """Somebody else holds the lock."""

    exit_code = 5


class Changed(StoreError):
    """A file changed while it was being read: whoever writes it is not finished yet."""


class Unsupported(StoreError):
    """The filesystem or platform cannot do what is needed (hardlinks, for one)."""


class Lower(StoreError):
    """A tree lies in a lower layer of its filesystem, and must be copied up before it can be exchanged."""


class Refused(StoreError):
    """A file that is no bundle, or not one whose contents should be laid out."""
