"""Plans: where an undo, a redo or a switch leads, made before anything is touched."""

from __future__ import annotations

from store.named import NamedTuple
from store.scan import Drift
from sysvenv import history
from sysvenv.errors import NotFound, SysvenvError
from sysvenv.head import Undone
from sysvenv.history import Operation
from sysvenv.operations import spare
from sysvenv.operations.results import Step
from sysvenv.operations.session import Session


class Plan(NamedTuple):
    """Where a rewind leads."""

    action: str
    target: str
    """In words."""
    manifest: str
    """The state to switch to."""
    operation: int
    """Where history stands afterwards."""
    steps: tuple[Step, ...]
    undone: tuple[Undone, ...]
    drift: Drift
    """How the live tree differs from the recorded state."""
    drifted: bool
    """Whether that is a change of the environment: then it is the first thing undo takes back."""
    reverse: str
    only: Operation | None = None
    """The operation, where it is just one: its record says what differs."""


def to_switch(session: Session, kind: str, target: str, name: str, drift: Drift) -> Plan:
    """To the state ``name``, history standing where it does: whoever carries it out makes that an operation."""
    return Plan(kind, target, name, session.position.operation, (), (), drift, False, "")


def to_undo(session: Session, steps: int, to: int | None) -> Plan:
    """Back by ``steps`` operations, or to just after operation ``to``. A change nobody recorded counts as one."""
    back = _back(session, steps, to)
    if back:
        spare.anticipate(session, back[-1].manifest_before)
    drift = session.audit()
    pending = session.pending()
    drifted = session.drifted(drift)
    position = session.position
    taken: list[Step] = []
    undone: list[Undone] = []
    if drifted:
        number = pending.number if pending else session.history.next_number()
        kind = pending.kind if pending else history.EXTERNAL
        taken.append(Step(number, kind, pending.command if pending else ()))
        undone.append(Undone(number, "", session.name))
    if to is None:
        back = back[: steps - drifted]
        if len(back) + drifted < steps:
            raise _too_far(session, back, len(back) + drifted, steps)
    left = position.manifest
    for operation in back:
        unknown = not undone and bool(drift.changed)
        taken.append(Step(operation.number, operation.kind, operation.command))
        undone.append(Undone(operation.number, "" if unknown else left, session.name if unknown else ""))
        left = operation.manifest_before
    stands = back[-1].parent if back else position.operation
    before = () if drifted else position.undone
    redo_word = "sysvenv redo" if len(taken) == 1 else f"sysvenv redo {len(taken)}"
    again = (*reversed(undone), *before)
    only = back[0] if len(taken) == 1 and back else None
    return Plan("undo", f"@{stands}", left, stands, tuple(taken), again, drift, drifted, redo_word, only)


def _back(session: Session, steps: int, to: int | None) -> list[Operation]:
    """The operations behind us, the newest first: those above ``to``, or as many of ``steps`` as there are."""
    found: list[Operation] = []
    number = session.position.operation
    while len(found) < steps if to is None else number != to:
        operation = _behind(session, number)
        if operation is None:
            if to is None:
                break
            session.history.read(to)
            raise NotFound(f"@{to} does not lead to where the environment stands.", f"Run: sysvenv restore @{to}")
        found.append(operation)
        number = operation.parent
    return found


def _behind(session: Session, number: int) -> Operation | None:
    """The operation, if it can be undone; None for the first one, and for one whose record gc removed."""
    try:
        operation = session.history.read(number)
    except NotFound:
        if number in session.history.pruned():
            return None
        raise
    return operation if operation.parent >= 0 else None


def _too_far(session: Session, back: list[Operation], possible: int, steps: int) -> NotFound:
    end, pruned = back[-1].parent if back else session.position.operation, session.history.pruned()
    why = f": {pruned.told(end)}." if end in pruned else "."
    if not possible:
        return NotFound(f"There is nothing to undo{why}", "Run: sysvenv history")
    counted = "1 operation" if possible == 1 else f"{possible} operations"
    return NotFound(f"Only {counted} can be undone, not {steps}{why}", f"Run: sysvenv undo {possible}")


def to_redo(session: Session, steps: int) -> Plan:
    """Forward again by ``steps`` of what was undone."""
    if steps <= len(session.position.undone):
        spare.anticipate(session, session.position.undone[steps - 1].manifest)
    drift = session.audit()
    position = session.position
    if session.drifted(drift) or session.pending() is not None:
        raise NotFound(
            "The environment was changed since the undo, so there is nothing to redo.",
            "Run: sysvenv undo takes that change back; sysvenv restore @N switches to any recorded operation.",
        )
    if len(position.undone) < steps:
        if not position.undone:
            raise NotFound("There is nothing to redo.", "Run: sysvenv history")
        raise NotFound(
            f"Only {len(position.undone)} can be redone, not {steps}.", f"Run: sysvenv redo {len(position.undone)}"
        )
    again = position.undone[:steps]
    operations = [session.history.read(undone.operation) for undone in again]
    taken = tuple(Step(o.number, o.kind, o.command) for o in operations)
    reverse = "sysvenv undo" if steps == 1 else f"sysvenv undo {steps}"
    last = again[-1]
    if not last.manifest:
        raise SysvenvError(f"The state @{last.operation} left is not recorded yet.", "Free some disk space first.")
    only = operations[0] if steps == 1 else None
    rest = position.undone[steps:]
    return Plan("redo", f"@{last.operation}", last.manifest, last.operation, taken, rest, drift, False, reverse, only)
