"""Which files of the tree are the environment, and which are bytecode, the user's data, or ours."""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum


class Kind(IntEnum):
    """What a path is to us, and so what undo does with it."""

    ENVIRONMENT = 1
    """Rolled back; a change by hand is an operation."""
    BYTECODE = 2
    """Goes along with its source; never an operation."""
    DATA = 3
    """The user's: carried over, never rolled back, never copied."""
    OURS = 4
    """Hook, marker, uv's lock: laid anew by us, in no manifest."""


ENVIRONMENT = Kind.ENVIRONMENT
BYTECODE = Kind.BYTECODE
DATA = Kind.DATA
OURS = Kind.OURS


class Classifier:
    """Decides the kind of paths of one tree. Reads RECORDs at most once, and only when a path is undecided."""

    def __init__(self, root: str, site: bytes, known: Container[bytes] = frozenset()) -> None:
        """`root` is the tree, `site` its site-packages as a tree path, `known` the paths the last manifest holds."""

    def kind(self, path: bytes, mode: int) -> Kind:
        """Kind of the tree path `path`, whose st_mode is `mode`."""
        raise NotImplementedError


def source_of(pyc: bytes) -> bytes | None:
    """The source a bytecode path was compiled from; None if the path is no bytecode of a source."""
    raise NotImplementedError
