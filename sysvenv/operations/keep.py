"""Keeping: what is on disk becomes a recorded operation of history, or the state the present one left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain

from store import segments
from store.index import Block, Index, chosen
from store.intake import Beforehand
from store.row import rows
from store.scan import Drift
from sysvenv import dists, history, manifest, processes
from sysvenv.dists import Change, Distribution
from sysvenv.head import Position
from sysvenv.history import Operation
from sysvenv.operations.capture import Captured, capture_tree
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Session


def new_operation(session: Session, kind: str, command: list[str], pid: int) -> Operation:
    """An operation on top of where the environment stands, begun now."""
    return Operation(
        number=session.history.next_number(),
        kind=kind,
        parent=session.position.operation,
        command=tuple(command),
        started=time.time(),
        manifest_before=session.position.manifest,
        pid=pid,
        boot=processes.boot_id(),
    )


def settle(session: Session, drift: Drift) -> Operation | None:
    """Make what is on disk the recorded state: an interrupted operation gets its end, other changes become external.

    Returns the operation recorded for it; None when nothing but bytecode or nothing at all had changed.
    """
    pending = session.pending()
    if pending is not None and pending.kind in (history.PIP, history.INIT):
        status = history.INTERRUPTED if pending.kind == history.PIP else history.DONE
        session.notes.append(f"Operation @{pending.number} ({shown(pending)}) was interrupted; it is recorded now.")
        return keep(session, pending._replace(status=status, exit_code=pending.exit_code), drift)
    forget(session)
    if not drift and not drift.stated:
        return None
    captured = capture_tree(session, session.live, session.index, drift)
    if not captured.changed_environment:
        _adopt_state(session, captured)
        return None
    operation = new_operation(session, history.EXTERNAL, [], 0)
    session.history.begin(operation)
    return _end(session, operation._replace(status=history.DONE), captured)


def forget(session: Session) -> None:
    """Drop the record of an operation that began and never changed anything: a swap that did not come to pass."""
    pending = session.pending()
    if pending is not None:
        session.history.forget_pending(pending.number)


def keep(session: Session, operation: Operation, drift: Drift) -> Operation | None:
    """Capture the live tree as the outcome of a begun operation; None, and no record, when it changed nothing."""
    return conclude(session, operation, capture_live(session, drift))


def capture_live(session: Session, drift: Drift, beforehand: Beforehand | None = None) -> Captured:
    """Keep what is on disk in the live tree as a state, whatever operation it will turn out to belong to."""
    return capture_tree(session, session.live, session.index, drift, beforehand)


def conclude(session: Session, operation: Operation, captured: Captured, *, notices: bool = False) -> Operation | None:
    """Record a captured state as the outcome of a begun operation; None, and no record, when it changed nothing.

    With ``notices`` also what there is to say of it.
    """
    if not captured.changed_environment:
        session.history.forget_pending(operation.number)
        _adopt_state(session, captured)
        return None
    return _end(session, operation, captured, notices=notices)


def describe(session: Session, operation: Operation, before: str, captured: Captured) -> Operation:
    """Fill in what an operation changed: packages, files, and where each package came from."""
    return _described(operation, captured, *_distributions(session, before, captured))


def _described(operation: Operation, captured: Captured, old: list[Distribution], new: list[Distribution]) -> Operation:
    packages = tuple(dists.diff(old, new))
    names = {change.name for change in packages if change.after is not None}
    origins = {name: origin for name, origin in operation.origins.items() if name in names}
    changed = [distribution for distribution in new if distribution.name in names]
    places = {each.name: dists.place(each, origins.get(each.name)) for each in changed}
    return operation._replace(
        finished=time.time(),
        manifest=captured.name,
        packages=packages,
        files=captured.files,
        sources={each.name: dists.source(each, operation.kind) for each in changed},
        places={name: place for name, place in places.items() if place},
        origins=origins,
    )


def _distributions(session: Session, before: str, captured: Captured) -> tuple[list[Distribution], list[Distribution]]:
    """Those of the state before an operation, and those of what it led to."""
    return manifest.distributions(session.manifest(before)), manifest.distributions(captured.manifest)


def end_switch(
    session: Session, operation: Operation, name: str, packages: tuple[Change, ...], files: FileCounts
) -> Operation:
    """Write the second record of an operation that switched to a state the store already had, and what that changed."""
    ended = operation._replace(status=history.DONE, finished=time.time(), manifest=name, packages=packages, files=files)
    session.history.end(ended)
    return ended


def changes(session: Session, old: str, new: str) -> tuple[Change, ...]:
    """What differs in packages between two states."""
    before, after = (manifest.distributions(session.manifest(name)) for name in (old, new))
    return tuple(dists.diff(before, after))


def difference(session: Session, old: str, new: str) -> FileCounts:
    """How many files of the environment differ between two states."""
    before, after = (
        {record for segment in only for record in session.store.segments.records(segment)}
        for only in _file_segments(session, old, new)
    )
    gone = {segments.path_of(each) for each in before - after}
    came = {segments.path_of(each) for each in after - before}
    return FileCounts(len(came - gone), len(gone - came), len(came & gone))


def difference_of(session: Session, old: Index, new: Index) -> FileCounts:
    """The same of two checkouts, as their indexes tell it: no segment is opened."""
    theirs, ours = _file_segments(session, old.manifest, new.manifest)
    before, after = [old.blocks[segment] for segment in theirs], [new.blocks[segment] for segment in ours]
    fewer, more = sorted((before, after), key=_count)  # of most paths it is enough to ask the set of the others
    both = set(_paths(fewer)).intersection(_paths(more))
    same = dict(rows(chosen(before, both))).items() & dict(rows(chosen(after, both))).items()
    return FileCounts(_count(after) - len(both), _count(before) - len(both), len(both) - len(same))


def _count(blocks: Iterable[Block]) -> int:
    return sum(block.count for block in blocks)


def _paths(blocks: Iterable[Block]) -> Iterable[bytes]:
    return chain.from_iterable(block.paths for block in blocks)


def _file_segments(session: Session, old: str, new: str) -> tuple[list[str], list[str]]:
    """The segments of the environment's files, without bytecode, that only the one or only the other state has."""
    before, after = (
        {part.segment: None for part in session.manifest(name).parts if part.kind == manifest.FILES}
        for name in (old, new)
    )
    return [name for name in before if name not in after], [name for name in after if name not in before]


def shown(operation: Operation) -> str:
    """An operation in a few words."""
    return " ".join(operation.command) or operation.kind


def _adopt_state(session: Session, captured: Captured) -> None:
    """Take a state that only differs in bytecode, or in inodes, as what the present operation left."""
    if captured.name != session.position.manifest:
        position = session.position
        session.move_to(position._replace(sequence=position.sequence + 1, manifest=captured.name))
    session.set_index(captured.found)


def _end(session: Session, operation: Operation, captured: Captured, *, notices: bool = False) -> Operation:
    old, new = _distributions(session, operation.manifest_before, captured)
    ended = _described(operation, captured, old, new)
    if notices:
        from sysvenv.operations.notice import State, notice  # undo has no use for it

        before = State(session.manifest(operation.manifest_before), session.index, old)
        after = State(captured.manifest, captured.found, new)
        ended = ended._replace(notices=notice(session.live, session.history, ended, before, after))
    session.history.end(ended)
    session.move_to(Position(session.position.sequence + 1, ended.number, captured.name))
    session.set_index(captured.found)
    return ended
