"""Recovery: what interrupted work left behind is finished by whoever takes the lock next."""

from __future__ import annotations

import os

from store import layout, trees
from store.errors import StoreError
from store.scan import Drift
from store.trees import Checkout
from sysvenv import history
from sysvenv.errors import SysvenvError
from sysvenv.head import Position, Undone
from sysvenv.history import Operation
from sysvenv.operations import keep
from sysvenv.operations.capture import capture_tree
from sysvenv.operations.session import Context, Session


def enter(context: Context, command: str, lock_fd: int | None = None) -> Session:
    """A session that holds the lock, with everything finished that an earlier one had to leave unfinished.

    Use it as a ``with`` block, or call ``leave``. ``session.notes`` says in a line each what was done.
    """
    session = Session(context, command, lock_fd)
    session.enter()
    try:
        _end_interrupted_record(session)
        _end_interrupted_switch(session)
        _settle_set_aside(session)
    except BaseException:
        session.leave()
        raise
    return session


def capture_set_aside(session: Session, undone: Undone, old: Checkout, drift: Drift) -> Operation | None:
    """Keep the state of a replaced tree: from then on redo does not depend on the tree.

    Returns the operation that got its end by this, if it had none.
    """
    ended = None
    captured = capture_tree(session, old.path, old.expected, drift)
    trees.save_index(session.store, old.name, captured.found.replace(data={}))
    pending = session.history.pending()
    if pending is not None and pending.number == undone.operation:
        status = history.INTERRUPTED if pending.kind == history.PIP else history.DONE
        ended = keep.describe(session, pending._replace(status=status), pending.manifest_before, captured)
        session.history.end(ended)
    position = session.position
    known = tuple(Undone(u.operation, captured.name) if u.operation == undone.operation else u for u in position.undone)
    session.move_to(position._replace(sequence=position.sequence + 1, undone=known))
    return ended


def _end_interrupted_record(session: Session) -> None:
    """An operation that was cut off between its second record and HEAD: what it did is recorded, and is there."""
    position, numbers = session.position, session.history.numbers()
    if not numbers or numbers[-1] <= position.operation or numbers[-1] in {u.operation for u in position.undone}:
        return
    try:
        newest = session.history.read(numbers[-1])
    except SysvenvError:
        return  # doctor tells of it
    if not newest.is_pending and newest.parent == position.operation:
        session.move_to(Position(position.sequence + 1, newest.number, newest.manifest))
        session.notes.append(f"Finished recording @{newest.number} ({keep.shown(newest)}), which was interrupted.")


def _end_interrupted_switch(session: Session) -> None:
    """A switch that was cut off: between the swap and its record, as the live tree says; or before the swap, so that
    nothing has come of it."""
    pending = session.pending()
    if pending is None:
        return
    if pending.number == session.position.operation:
        old, new = pending.manifest_before, session.position.manifest
        keep.end_switch(session, pending, new, keep.changes(session, old, new), keep.difference(session, old, new))
    elif pending.kind not in (history.PIP, history.INIT):
        session.history.forget_pending(pending.number)


def _settle_set_aside(session: Session) -> None:
    """Capture the replaced trees that could not be captured at the time (the disk was full, or we were killed)."""
    for undone in session.position.undone:
        checkout = _set_aside(session, undone) if undone.checkout else None
        if checkout is not None:
            try:
                capture_set_aside(session, undone, checkout, session.audit_checkout(checkout))
            except (StoreError, OSError) as error:
                session.notes.append(f"A replaced tree is still kept whole; it is recorded later ({error}).")


def _set_aside(session: Session, undone: Undone) -> Checkout | None:
    """The tree that holds what an undone operation left; with an index made anew where its own was lost."""
    store = session.store
    for slot in sorted(os.listdir(store.trees)):
        path = os.path.join(store.trees, slot)
        marker = trees.read_marker(path)
        if marker is not None and marker.checkout == undone.checkout:
            known = trees.load_index(store, undone.checkout)
            if known is None:
                operation = session.history.read(undone.operation)
                base = operation.manifest or operation.manifest_before
                known = layout.expected(store, base, session.manifest(base))
            return Checkout(path, undone.checkout, known)
    return None
