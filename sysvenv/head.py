"""HEAD: where the environment stands in its history. The marker of each tree says the same in the same words."""

from __future__ import annotations

import os
from typing import Any

from store import disk
from store.named import NamedTuple
from sysvenv.errors import DamageFound
from sysvenv.history import VERSION, parse
from sysvenv.home import Home


class Undone(NamedTuple):
    """An operation that was taken back and can be had again by redo."""

    operation: int
    manifest: str
    """The state it left, as it was when it was undone; "" while only the tree set aside holds it."""
    checkout: str = ""
    """That tree, as long as it is not captured."""


class Position(NamedTuple):
    """Where the environment stands in its history."""

    sequence: int
    """Grows by one with each change of position: the larger one is the newer."""
    operation: int
    manifest: str
    """The state of the environment as last recorded (the operation's, or what became of it without one)."""
    undone: tuple[Undone, ...] = ()
    """What redo would bring back, the next one first."""

    @property
    def newest(self) -> int:
        """The largest number it knows of."""
        return max(self.operation, *(undone.operation for undone in self.undone), -1)


def read_head(home: Home) -> Position | None:
    """What HEAD says; None where it is missing. Raises DamageFound when it cannot be read."""
    try:
        return position_from(parse(home.head))
    except FileNotFoundError:
        return None
    except (IsADirectoryError, KeyError, TypeError, ValueError) as error:
        raise DamageFound(f"{home.head} does not make sense ({error}).", "Run: sysvenv doctor --fix") from None


def write_head(home: Home, position: Position) -> None:
    """Replace HEAD, durably."""
    import json

    disk.write_durably(os.fsencode(home.head), json.dumps(position_to(position), indent=1).encode() + b"\n")


def position_to(position: Position) -> dict[str, Any]:
    """The JSON of a position, in HEAD and in the marker of each tree."""
    return {
        "version": VERSION,
        "sequence": position.sequence,
        "operation": position.operation,
        "manifest": position.manifest,
        "undone": [undone._asdict() for undone in position.undone],
    }


def position_from(value: dict[str, Any]) -> Position:
    """The inverse of :func:`position_to`. Raises KeyError, TypeError or ValueError."""
    undone = tuple(Undone(int(u["operation"]), str(u["manifest"]), str(u["checkout"])) for u in value["undone"])
    return Position(int(value["sequence"]), int(value["operation"]), str(value["manifest"]), undone)


def position_carried(value: dict[str, Any]) -> Position | None:
    """The position in a tree's marker; None where there is none that makes sense: not every tree was swapped in."""
    try:
        return position_from(value) if value else None
    except (KeyError, TypeError, ValueError):
        return None
