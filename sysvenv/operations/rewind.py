"""Rewinding: undo, redo, restore and clean. Each is a plan and a swap of trees."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from store import audit, layered, swap, trees
from store.errors import Damaged, Lower, StoreError
from store.index import Index
from store.manifests import Manifest
from store.trees import Checkout
from sysvenv import history, manifest, processes, venv
from sysvenv.dists import Change
from sysvenv.errors import DamageFound, NotFound, SysvenvError, UsageError
from sysvenv.head import Position, position_to
from sysvenv.headstart import NONE, UV_LOCK
from sysvenv.history import Operation
from sysvenv.operations import foreign, keep, plans, recover, spare
from sysvenv.operations.plans import Plan
from sysvenv.operations.results import FileCounts, Rewound
from sysvenv.operations.session import Context, Session
from sysvenv.processes import Program

Outcome = TypeVar("Outcome")


def undo(context: Context, steps: int = 1, to: int | None = None, dry_run: bool = False) -> Rewound:
    """Take the last ``steps`` operations back, or all after operation ``to``. A change nobody recorded counts as one.

    Raises NotFound when there are not that many; nothing is ever clamped.
    """
    if steps < 1:
        raise UsageError("undo takes a number of operations, 1 or more.", "Run: sysvenv history")
    return under_lock(
        context, "sysvenv undo", lambda session: _carry_out(session, plans.to_undo(session, steps, to), dry_run)
    )


def redo(context: Context, steps: int = 1, dry_run: bool = False) -> Rewound:
    """Bring back the last ``steps`` operations that were undone, as they were when they were undone."""
    if steps < 1:
        raise UsageError("redo takes a number of operations, 1 or more.", "Run: sysvenv history")
    return under_lock(
        context, "sysvenv redo", lambda session: _carry_out(session, plans.to_redo(session, steps), dry_run)
    )


def restore(context: Context, target: str, dry_run: bool = False) -> Rewound:
    """Switch to a snapshot, or to the state recorded for an operation (``@N``). An operation of its own."""

    def attempt(session: Session) -> Rewound:
        name = _state(session, target, dry_run)
        return switch(session, history.RESTORE, target, name, ["sysvenv", "restore", target], dry_run)

    return under_lock(context, f"sysvenv restore {target}", attempt)


def _state(session: Session, target: str, dry_run: bool) -> str:
    """The manifest a person means by ``@N``, by a snapshot of this environment, or of another's."""
    from sysvenv import snapshots

    try:
        if ":" not in target:
            return snapshots.resolve(session.home, session.history, target)
    except NotFound:
        if target not in snapshots.names(session.home.own):
            raise
    from sysvenv.operations import borrow

    return borrow.state(session, target, dry_run=dry_run)


def clean(context: Context, keep_baseline: bool = False, dry_run: bool = False) -> Rewound:
    """Switch to a fresh environment of the same Python, or to the baseline. An operation of its own."""
    from sysvenv import snapshots
    from sysvenv.operations import aside  # what builds an environment is nothing undo should import

    def attempt(session: Session) -> Rewound:
        if keep_baseline:
            name = snapshots.resolve(context.home, session.history, snapshots.BASELINE)
            return switch(session, history.CLEAN, "the baseline", name, [*aside.FRESH, "--keep-baseline"], dry_run)
        name = aside.fresh_state(session, *_same_python(session))
        return switch(session, history.CLEAN, "a fresh environment", name, [*aside.FRESH], dry_run)

    return under_lock(context, "sysvenv clean", attempt)


def _same_python(session: Session) -> tuple[str, str]:
    """Path and version of the interpreter of the environment, or where that cannot be told, of the oldest state."""
    python = manifest.interpreter(session.recorded) or manifest.interpreter(_first_state(session))
    if python is None or not venv.interpreter_present(python):
        raise SysvenvError(
            "The environment's Python is gone, so no fresh one can be made.",
            "With another Python: sysvenv init --python 3.N",
        )
    return python.base, python.version


def _first_state(session: Session) -> Manifest:
    """The oldest that history still tells of."""
    return session.manifest(session.history.read(session.history.numbers()[0]).manifest)


def under_lock(context: Context, command: str, attempt: Callable[[Session], Outcome]) -> Outcome:
    """Carry a rewind out, once more where the trees had to be copied up for it."""
    try:
        with recover.enter(context, command) as session:
            return attempt(session)
    except Lower:
        with recover.enter(context._replace(ahead=NONE), command) as session:
            return attempt(session)


def take_back(session: Session) -> Rewound:
    """Undo the last operation within a session that already holds the lock."""
    return _carry_out(session, plans.to_undo(session, 1, None), dry_run=False)


def switch(session: Session, kind: str, target: str, name: str, words: list[str], dry_run: bool) -> Rewound:
    """Go to the state ``name``: what changed without pip is recorded first, then the switch is an operation."""
    spare.anticipate(session, name)
    drift = session.audit()
    if dry_run:
        return _carry_out(session, plans.to_switch(session, kind, target, name, drift), dry_run=True)
    if drift or drift.stated:
        _refuse_lost(session, target, name)
    if keep.settle(session, drift) is not None or drift:
        drift = session.audit()
    plan = plans.to_switch(session, kind, target, name, drift)
    if name == session.position.manifest:
        return _outcome(session, plan, dry_run=False)._replace(unchanged=True)
    operation = keep.new_operation(session, kind, words, os.getpid())
    plan = plan._replace(operation=operation.number, reverse="sysvenv undo")
    return _carry_out(session, plan, dry_run=False, operation=operation)


def _refuse_lost(session: Session, target: str, name: str) -> None:
    """Before anything is recorded: whether the state can be had at all."""
    with _fence(target), session.store_lock():
        ready = spare.make_ready(session, name)
    session.auditor.target = ready.checkout
    session.notes += spare.told_of(ready.rescued)


def _carry_out(session: Session, plan: Plan, dry_run: bool, operation: Operation | None = None) -> Rewound:
    started = time.perf_counter()
    with _fence(plan.target):
        outcome = _outcome(session, plan, dry_run)
        if dry_run:
            return outcome._replace(files=_counts(session, plan, None))
    if (
        not plan.drift
        and not plan.drifted
        and (plan.manifest, plan.operation) == (session.position.manifest, session.position.operation)
    ):
        return outcome._replace(unchanged=True)
    _refuse_missing_interpreter(session, plan)
    with _fence(plan.target), session.store_lock():
        ready = spare.make_ready(session, plan.manifest)
        sort = session.sorter(ready.checkout.path, ready.checkout.expected, frozenset())
        if ready.just_laid and not plan.drift:
            looked = audit.NOTHING
        else:
            looked = session.auditor.look_at(ready.checkout, session.index, plan.drift.changed)
        mended = swap.mend(session.store, ready.checkout, looked, sort, session.index)
    _begin(session, plan, operation)
    session.claim()
    files = _counts(session, plan, mended.checkout.expected)
    holding = [session.home.venv, os.fsdecode(mended.checkout.path)]
    programs = tuple(processes.holding(holding, {os.getpid(), os.getppid()}))
    try:
        taken = _go_live(session, plan, mended.checkout, programs)
    except Lower:
        _copy_up(session, mended.checkout)
        raise
    if operation is not None:
        operation = keep.end_switch(session, operation, plan.manifest, outcome.packages, files)
    session.move_to(_position(session, plan))
    old = _set_aside(session, plan, mended.checkout)
    undone = _keep_what_was_replaced(session, plan, old)
    return outcome._replace(
        recorded=operation.number if operation else None,
        files=_taken_back(undone) if undone is not None and len(plan.steps) == 1 else files,
        programs=programs,
        shell_stands_inside=processes.shell_stands_in([os.fsdecode(old.path)], os.getppid()),
        healed=len(mended.healed),
        rescued=tuple(os.fsdecode(path) for path in (*ready.rescued, *mended.rescued)),
        seconds=time.perf_counter() - started,
        notes=(*session.notes, *_told_of_taken(taken, old)),
    )


def _copy_up(session: Session, target: Checkout) -> None:
    known = trees.load_index(session.store, target.name) or target.expected
    layered.copy_up(session.store, target._replace(expected=known))
    layered.copy_up(session.store, Checkout(session.live, session.name, session.index))


def _counts(session: Session, plan: Plan, target: Index | None) -> FileCounts:
    """How many files differ then: from a record where one says it, or else from the two states."""
    if plan.only is not None:
        return _taken_back(plan.only) if plan.action == "undo" else FileCounts(*plan.only.files)
    if target is not None:
        return keep.difference_of(session, session.index, target)
    return keep.difference(session, session.position.manifest, plan.manifest)


def _taken_back(operation: Operation) -> FileCounts:
    added, removed, modified = operation.files
    return FileCounts(removed, added, modified)


def _packages(session: Session, plan: Plan) -> tuple[Change, ...]:
    """What differs in packages: from a record where one says it, or else from the two states."""
    if plan.only is None:
        return keep.changes(session, session.position.manifest, plan.manifest)
    if plan.action == "undo":
        return tuple(Change(change.name, change.after, change.before) for change in plan.only.packages)
    return plan.only.packages


def _refuse_missing_interpreter(session: Session, plan: Plan) -> None:
    python = manifest.interpreter(session.manifest(plan.manifest))
    if python is not None and not venv.interpreter_present(python):
        raise SysvenvError(
            f"{plan.target} needs Python {python.version} at {python.base}, which is gone.",
            "Install that Python again; nothing was changed.",
        )


@contextmanager
def _fence(target: str) -> Iterator[None]:
    """Refuse a state that needs something lost; nothing was touched by then."""
    try:
        yield
    except Damaged as error:
        raise DamageFound(
            f"{target[:1].upper()}{target[1:]} cannot be had: {error.message} Nothing was changed.",
            "Run: sysvenv doctor --fix looks for a copy elsewhere; sysvenv verify says which states are whole.",
        ) from None


def _begin(session: Session, plan: Plan, operation: Operation | None) -> None:
    """Write the first record of what is about to happen, before anything does."""
    if operation is not None:
        session.history.begin(operation)
    elif plan.drifted and session.pending() is None:
        session.history.begin(keep.new_operation(session, history.EXTERNAL, [], 0))
    elif not plan.drifted:
        keep.forget(session)


def _position(session: Session, plan: Plan) -> Position:
    return Position(session.position.sequence + 1, plan.operation, plan.manifest, plan.undone)


def _go_live(session: Session, plan: Plan, target: Checkout, programs: Iterable[Program]) -> list[bytes]:
    python = manifest.interpreter(session.manifest(plan.manifest))
    return swap.go_live(
        session.store,
        session.live,
        plan.drift,
        target,
        session.ours(python),
        position_to(_position(session, plan)),
        [UV_LOCK],
        partial(foreign.refuse, session, plan.drift, programs),
    )


def _set_aside(session: Session, plan: Plan, target: Checkout) -> Checkout:
    """The session's live tree is ``target`` now; what was live stands in its slot."""
    aside = session.index.replace(data={})
    old = Checkout(target.path, session.name, aside)
    if session.index_is_kept and not session.index.data:
        trees.touch(session.store, session.name)
    else:
        trees.save_index(session.store, session.name, aside)
    session.become(target.name)
    return old


def _keep_what_was_replaced(session: Session, plan: Plan, old: Checkout) -> Operation | None:
    """Capture the tree set aside, where it differs from what is recorded. A full disk only puts that off."""
    waiting = [undone for undone in session.position.undone if undone.checkout == old.name]
    if not waiting:
        return None
    try:
        return recover.capture_set_aside(
            session, waiting[0], old, plan.drift._replace(found=plan.drift.found.replace(data={}))
        )
    except (StoreError, OSError) as error:
        session.notes.append(f"What was replaced is kept whole and recorded later ({error}).")
        return None


def _outcome(session: Session, plan: Plan, dry_run: bool) -> Rewound:
    return Rewound(
        action=plan.action,
        target=plan.target,
        steps=plan.steps,
        operation=plan.operation,
        recorded=None,
        packages=_packages(session, plan),
        files=FileCounts(),
        reverse=plan.reverse,
        dry_run=dry_run,
        notes=tuple(session.notes),
    )


def _told_of_taken(taken: list[bytes], old: Checkout) -> list[str]:
    if not taken:
        return []
    return [f"{len(taken)} of your files had to make room; they are kept in {os.fsdecode(old.path)}."]
