"""History as a list."""

from __future__ import annotations

from sysvenv import whereabouts
from sysvenv.history import History, Operation
from sysvenv.home import Home
from sysvenv.operations.findings import Listing


def listing(home: Home, limit: int | None = None) -> Listing:
    """The operations, newest first, at most ``limit`` of them. Takes no lock."""
    records = History(home)
    operations, broken = records.all()
    head = whereabouts.find(home).position
    current = head.operation
    newest_first = tuple(reversed(operations))
    return Listing(
        operations=newest_first if limit is None else newest_first[:limit],
        current=current,
        line=frozenset(ancestors(operations, current)),
        redoable=tuple(undone.operation for undone in head.undone),
        total=len(operations),
        broken=tuple(broken),
        current_manifest=head.manifest,
        pruned=records.pruned(),
    )


def ancestors(operations: list[Operation], number: int) -> list[int]:
    """The operation and those it was done on top of, back to the first."""
    parents = {operation.number: operation.parent for operation in operations}
    line = []
    while number in parents and number not in line:
        line.append(number)
        number = parents[number]
    return line
