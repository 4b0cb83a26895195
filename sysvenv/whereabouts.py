"""Whereabouts: where history stands, from HEAD and from the live tree's marker; each can be told from the other."""

from __future__ import annotations

import os

from store import disk, trees
from store.errors import StoreError
from store.named import NamedTuple
from sysvenv import history, storage
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.head import Position, position_carried, read_head, write_head
from sysvenv.history import History, Operation
from sysvenv.home import Home


class Whereabouts(NamedTuple):
    """Where history stands, and how that is known."""

    position: Position
    trouble: str = ""
    """What is wrong with HEAD, a sentence; empty when HEAD, or the live tree's newer marker, says it."""
    chosen: str = ""
    """What stands in for it."""


def find(home: Home) -> Whereabouts:
    """What HEAD says; the live tree's marker where that is newer; what can be concluded where HEAD is of no use.

    Writes nothing. Raises SysvenvError for a HEAD of another version.
    """
    marked = _marked(home)
    try:
        head = read_head(home)
        trouble = f"{home.head} is missing."
    except DamageFound as error:
        head, trouble = None, error.message
    if head is None:
        return _concluded(home, marked, trouble)
    position = marked if marked is not None and marked.sequence > head.sequence else head
    if position.operation < 0 or history.is_known(home, position.operation):
        return Whereabouts(position)
    return _named_by_state(home, position) or _concluded(
        home, marked, f"{home.head} names @{position.operation}, of which there is no record."
    )


def mend(home: Home, found: Whereabouts) -> None:
    """Write what was found as HEAD, durably. A HEAD that was there is kept under another name."""
    if os.path.lexists(home.head):
        disk.set_aside(os.fsencode(home.head))
    write_head(home, found.position)


def _marked(home: Home) -> Position | None:
    """The position the live tree carries from the swap that made it live."""
    marker = trees.read_marker(os.fsencode(home.venv))
    found = position_carried(marker.position) if marker else None
    return found if found is not None and history.is_known(home, found.operation) else None


def _named_by_state(home: Home, position: Position) -> Whereabouts | None:
    """Of an operation without a record, the state may still be known: then that is where the environment stands."""
    if not _is_kept(home, position.manifest):
        return None
    operations, _ = History(home).all()
    leading = [operation.number for operation in operations if operation.manifest == position.manifest]
    if not leading:
        return Whereabouts(position)  # the record was lost, and the position is right all the same
    trouble = f"{home.head} names @{position.operation}, of which there is no record."
    found = position._replace(sequence=position.sequence + 1, operation=leading[-1])
    return Whereabouts(found, trouble, f"@{leading[-1]}, which led to the state it names")


def _is_kept(home: Home, manifest: str) -> bool:
    try:
        storage.of(home).manifests.read(manifest)
    except (StoreError, OSError):
        return False
    return True


def _concluded(home: Home, marked: Position | None, trouble: str) -> Whereabouts:
    """The position as the records and the live tree tell it.

    Numbers only grow, so an operation newer than all that the marker knows came after the swap that wrote it.
    """
    last = _last_outcome(home)
    if marked is not None and (last is None or last.number <= marked.newest):
        return Whereabouts(marked, trouble, f"@{marked.operation}, where the last undo or restore led")
    sequence = marked.sequence + 1 if marked else 1
    if last is None:
        return Whereabouts(Position(sequence, -1, ""), trouble, "an empty history")
    chosen = f"@{last.number}, the newest operation that can be read"
    return Whereabouts(Position(sequence, last.number, last.manifest), trouble, chosen)


def _last_outcome(home: Home) -> Operation | None:
    """The newest operation with a readable record of its end and a manifest that is there."""
    records = History(home)
    for number in reversed(records.numbers()):
        try:
            operation = records.read(number)
        except SysvenvError:
            continue
        if operation.manifest and _is_kept(home, operation.manifest):
            return operation
    return None
