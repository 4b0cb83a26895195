"""Roots: the states that are needed, and those of them that stay whatever the limits of history."""

from __future__ import annotations

from collections.abc import Iterable

from store import trees
from sysvenv import snapshots
from sysvenv.head import Position, position_carried
from sysvenv.history import Operation
from sysvenv.operations.session import Session


def kept(session: Session) -> set[str]:
    """The present state, what redo brings back, and the snapshots. Raises DamageFound where a label cannot be read."""
    names = of_position(session.position) | _of_marker(session)
    return names | {snapshots.read(session.home, name).manifest for name in snapshots.names(session.home)}


def needed(session: Session, operations: Iterable[Operation]) -> set[str]:
    """These, and what each of the operations found and led to."""
    return kept(session) | of_operations(operations)


def of_operations(operations: Iterable[Operation]) -> set[str]:
    """What each of them found, and what it led to."""
    return {name for operation in operations for name in (operation.manifest_before, operation.manifest)}


def of_position(position: Position) -> set[str]:
    return {position.manifest, *(undone.manifest for undone in position.undone)}


def _of_marker(session: Session) -> set[str]:
    """The states the live tree's marker names, if they are what a lost HEAD would be made of again."""
    marker = trees.read_marker(session.live)
    position = position_carried(marker.position) if marker else None
    numbers = session.history.numbers()
    return of_position(position) if position is not None and numbers and numbers[-1] <= position.newest else set()
