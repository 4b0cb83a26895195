"""Space: where the bytes are. Takes no lock, changes nothing."""

from __future__ import annotations

from store import space
from store.errors import StoreError
from sysvenv import snapshots
from sysvenv.errors import SysvenvError
from sysvenv.operations import look, neighbours, roots
from sysvenv.operations.findings import SnapshotSpace, Space
from sysvenv.operations.session import Context, Session

_HISTORY, _OTHERS = 1, 2
"""The bits of whatever history, HEAD and redo need, and of other environments; each snapshot has a higher one."""


def measure(context: Context) -> Space:
    """Ask for every inode of the store and the live tree. Raises StoreError or SysvenvError where it is damaged."""
    session = look.glance(context)
    labels, _ = snapshots.list_snapshots(session.home)
    claims = dict.fromkeys(_history(session), _HISTORY)
    bits = {label.name: 4 << number for number, label in enumerate(labels)}
    for label in labels:
        claims[label.manifest] = claims.get(label.manifest, 0) | bits[label.name]
    for name in _of_others(session):
        claims[name] = claims.get(name, 0) | _OTHERS
    claims.pop("", None)
    pinned = {undone.checkout: _HISTORY for undone in session.position.undone if undone.checkout}
    found = space.measure(session.store, session.live.rstrip(b"/"), claims, pinned)
    of_history, of_others = found.objects.get(_HISTORY, 0), found.objects.get(_OTHERS, 0)
    named = tuple(SnapshotSpace(label.name, label.operation, found.alone.get(bits[label.name], 0)) for label in labels)
    return Space(
        live=found.live,
        live_files=found.live_files,
        history=of_history,
        snapshots=sum(found.objects.values()) - of_history - of_others,
        others=of_others,
        copies=found.copies,
        trees=found.trees,
        tree_count=found.tree_count,
        indexes=found.indexes,
        states=found.states,
        unclaimed=found.unclaimed,
        trash=found.trash,
        rest=found.rest,
        operations=len(session.history.numbers()),
        named=named,
        notes=tuple(session.notes),
    )


def _of_others(session: Session) -> set[str]:
    try:
        return neighbours.needed(session)
    except (SysvenvError, StoreError) as error:
        session.notes.append(f"{error.message} What only others need counts as needed by nothing.")
        return set()


def _history(session: Session) -> set[str]:
    operations, broken = session.history.all()
    session.notes += [f"{sentence} What only it needs counts as needed by nothing." for sentence in broken]
    return roots.of_position(session.position) | roots.of_operations(operations)
