"""Collecting: history is pruned to its limits, and what no state needs any more is given back."""

from __future__ import annotations

import os
import time

from store import census, gc, trees, usage
from store.errors import Damaged, StoreError
from store.gc import KEPT, Marked, Plan
from store.named import NamedTuple
from sysvenv import tracked
from sysvenv.errors import DamageFound
from sysvenv.head import Position
from sysvenv.history import Operation
from sysvenv.operations import neighbours, roots, spare
from sysvenv.operations.results import Collected
from sysvenv.operations.session import Context, Session
from sysvenv.retention import Choice, Limits, choose

COMMAND = "sysvenv gc"


class _Decision(NamedTuple):
    """What goes."""

    prune: tuple[int, ...]
    plan: Plan
    over: int
    """Bytes by which the store will still be larger than it may be."""


def collect(context: Context, most: Limits, dry_run: bool = False) -> Collected:
    """Prune history to ``most`` and sweep what nothing needs any more, under both locks.

    Stays: the present state, what undo and redo need next, every snapshot, and all operations within the limits.
    Raises DamageFound, and deletes nothing, where it cannot be told what is needed.
    """
    with neighbours.at_rest(context, COMMAND) as session, session.store_lock():
        return within(session, most, dry_run)


def within(session: Session, most: Limits, dry_run: bool = False, until: float = float("inf")) -> Collected:
    """The same in a session that holds both locks; sweeping stops ``until`` time.monotonic() is past that."""
    started, now = time.perf_counter(), time.time()
    operations = _operations(session)
    decision = _decide(session, operations, choose(operations, _needed(session, operations), most, now), most)
    left = [operation for operation in operations if operation.number not in decision.prune]
    plan = decision.plan
    found = Collected(
        pruned=decision.prune,
        kept=len(left),
        steps=_steps(session.position, left),
        trees=len(plan.trees),
        manifests=plan.count(census.MANIFEST),
        segments=plan.count(census.SEGMENT),
        copies=plan.count(census.COPY),
        objects=plan.count(census.OBJECT),
        repacked=len(plan.archives),
        freed=plan.freed,
        idle=plan.idle,
        over=decision.over,
        dry_run=dry_run,
        notes=tuple(session.notes),
    )
    if not dry_run:
        rescued = [path for tree, _ in plan.trees for path in spare.rescue(session, tree)]
        session.history.sweep()
        session.history.prune(decision.prune, now)
        for area in tracked.abandoned(session.home):
            trees.bury(session.store, area)
        swept = gc.apply(session.store, plan, until)
        found = found._replace(**swept._asdict(), rescued=tuple(map(os.fsdecode, rescued)))
    return found._replace(seconds=time.perf_counter() - started)


def _operations(session: Session) -> list[Operation]:
    operations, broken = session.history.all()
    if broken:
        raise _stopped(broken[0])
    return operations


def _needed(session: Session, operations: list[Operation]) -> set[int]:
    """The operations whose records stay: what undo takes back next, what redo brings back, and the newest, which may
    have no end yet and from which the next gets its number."""
    position = session.position
    newest = {operations[-1].number} if operations else set()
    return {position.operation, *(undone.operation for undone in position.undone), *newest}


def _decide(session: Session, operations: list[Operation], choice: Choice, most: Limits) -> _Decision:
    try:
        claims = dict.fromkeys(roots.kept(session) | neighbours.needed(session), KEPT)
    except (DamageFound, StoreError) as error:
        raise _stopped(error.message) from error
    turn = {number: rank for rank, number in enumerate(choice.spare, 1)}
    for operation in operations:
        if operation.number not in choice.prune:
            rank = turn.get(operation.number, KEPT)
            for name in (operation.manifest_before, operation.manifest):
                claims[name] = max(claims.get(name, 0), rank)
    claims.pop("", None)
    pinned = {undone.checkout: KEPT for undone in session.position.undone if undone.checkout}
    try:
        marked = gc.mark(session.store, claims, pinned, session.context.config.store.keep_trees)
    except Damaged as error:
        raise _stopped(error.message) from error
    also, over = _fit(session, marked, len(choice.spare), most.size)
    prune = tuple(sorted((*choice.prune, *choice.spare[:also])))
    return _Decision(prune, marked.plan(also + 1), over)


def _fit(session: Session, marked: Marked, spare: int, size: int) -> tuple[int, int]:
    """How many more operations must go for the store to take no more than ``size``, and what it is over then."""
    if not size:
        return 0, 0
    beyond = usage.measure(session.store, session.index).beyond
    few, many = 0, spare  # the fewest; what is freed only grows
    while few < many:
        middle = (few + many) // 2
        if beyond - marked.plan(middle + 1).freed <= size:
            many = middle
        else:
            few = middle + 1
    return few, max(0, beyond - marked.plan(few + 1).freed - size)


def _steps(position: Position, operations: list[Operation]) -> int:
    """How many operations undo can take back."""
    parents = {operation.number: operation.parent for operation in operations}
    steps, number = 0, position.operation
    while parents.get(number, -1) >= 0:
        steps, number = steps + 1, parents[number]
    return steps


def _stopped(cause: str) -> DamageFound:
    return DamageFound(
        f"It cannot be told what is still needed, so nothing was deleted: {cause}", "Run: sysvenv verify"
    )
