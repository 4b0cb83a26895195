"""Comparing: the difference between two states, in packages and in files. Takes no lock, keeps nothing."""

from __future__ import annotations

from store import tree
from store.named import NamedTuple
from store.tree import Entry
from sysvenv import dists, manifest, snapshots
from sysvenv.dists import Distribution
from sysvenv.errors import NotFound
from sysvenv.history import Operation
from sysvenv.operations import look, patches
from sysvenv.operations.findings import Comparison, FileChange
from sysvenv.operations.patches import Place
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Context, Session

LIVE = "live"
"""What the environment is right now, unrecorded changes included."""


class Overlay(NamedTuple):
    """How the live tree differs from the recorded state."""

    changes: dict[bytes, Entry | None]
    before: dict[bytes, Entry]
    """The recorded entries of the changed paths."""


class State(NamedTuple):
    """One side of a comparison."""

    name: str
    """In words."""
    manifest: str
    distributions: list[Distribution]
    overlay: Overlay | None = None
    """Of the live state only."""


def compare(context: Context, old: str | None, new: str | None, files: bool, patch: bool) -> Comparison:
    """The difference from ``old`` to ``new``, each "@N", a snapshot's name or "live".

    Without ``new``: what operation ``old`` ("N" or "@N"; none: the one we stand at) did, or how the environment
    differs now from the snapshot ``old``. ``files`` lists the files, ``patch`` adds what changed in them; bytecode is
    left out. Raises NotFound, UsageError, and StoreError where the store is damaged.
    """
    session = look.glance(context, guests=True)
    if new is None:
        number = session.position.operation if old is None else _number(context, old)
        if number is not None:
            return _operation(session, number, files, patch)
        new = LIVE
    if old == new == LIVE:
        recorded = _recorded(session, "recorded", session.position.manifest)
        return _between(session, recorded, _live(session), files, patch)
    return _between(session, _state(session, old or LIVE), _state(session, new), files, patch)


def _number(context: Context, text: str) -> int | None:
    """The operation ``text`` names, None where it names a state."""
    digits = text.removeprefix("@")
    if not digits.isascii() or not digits.isdecimal():
        return None
    return None if digits == text and text in snapshots.names(context.home) else int(digits)


def _operation(session: Session, number: int, files: bool, patch: bool) -> Comparison:
    """What an operation did: its records alone tell, unless files are asked for."""
    if number < 0:
        raise NotFound("There is no operation yet.", "Run: sysvenv history")
    operation = session.history.read(number)
    if operation.is_pending:
        return _unfinished(session, operation, files, patch)
    old, new = f"before @{number}", f"@{number}"
    if not files and not patch:
        counts = FileCounts(*operation.files)
        return Comparison(old, new, operation.packages, (), counts, operation)
    before = _recorded(session, old, operation.manifest_before)
    after = _recorded(session, new, operation.manifest)
    return _between(session, before, after, files, patch)._replace(packages=operation.packages, operation=operation)


def _unfinished(session: Session, operation: Operation, files: bool, patch: bool) -> Comparison:
    """An operation that runs, or was interrupted: what it did so far is in the live tree."""
    if session.pending() is None:
        raise NotFound(
            f"What @{operation.number} did is not recorded yet: it was undone before that.",
            "The next operation records it.",
        )
    before = _recorded(session, f"before @{operation.number}", operation.manifest_before)
    return _between(session, before, _live(session), files, patch)._replace(operation=operation)


def _state(session: Session, text: str) -> State:
    if text == LIVE:
        return _live(session)
    number = _number(session.context, text)
    target = text if number is None else f"@{number}"
    return _recorded(session, target, snapshots.resolve(session.home, session.history, target))


def _recorded(session: Session, name: str, state: str) -> State:
    return State(name, state, manifest.distributions(session.manifest(state)))


def _live(session: Session) -> State:
    try:
        drift = session.audit()
    except FileNotFoundError as error:
        raise look.changing() from error
    observed = look.observe(session, drift)
    found = look.live_distributions(session, observed.changes)
    return State(LIVE, session.position.manifest, found, Overlay(observed.changes, observed.before))


def _between(session: Session, old: State, new: State, files: bool, patch: bool) -> Comparison:
    before, after = _trees(session, old, new)
    found = tree.diff(before, after)
    kinds = zip(("added", "removed", "modified"), found, strict=True)
    kept = {kind: [path for path in paths if session.is_environment(path)] for kind, paths in kinds}
    changes: tuple[FileChange, ...] = ()
    if files or patch:
        places = _place(session, old), _place(session, new)
        listed = sorted((path, kind) for kind, paths in kept.items() for path in paths)
        changes = tuple(
            FileChange(
                path.decode("utf-8", "surrogateescape"),
                kind,
                patches.patch(path, (before.get(path), after.get(path)), places) if patch else "",
            )
            for path, kind in listed
        )
    counts = FileCounts(*(len(paths) for paths in kept.values()))
    packages = tuple(dists.diff(old.distributions, new.distributions))
    return Comparison(old.name, new.name, packages, changes, counts)


def _trees(session: Session, old: State, new: State) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
    """The entries in which two states may differ: of segments only one of them has, and of changed live files."""
    before, after = manifest.changed_trees(
        session.store, session.manifest(old.manifest), session.manifest(new.manifest)
    )
    for side, other, overlay in ((before, after, old.overlay), (after, before, new.overlay)):
        if overlay is not None:
            _lay_over(side, other, overlay)
    return before, after


def _lay_over(side: dict[bytes, Entry], other: dict[bytes, Entry], overlay: Overlay) -> None:
    """Turn the recorded entries of ``side`` into the live ones."""
    for path, entry in overlay.changes.items():
        if path not in side and path not in other and path in overlay.before:
            other[path] = overlay.before[path]  # in a segment both have, so it was not loaded
        if entry is None:
            side.pop(path, None)
        else:
            side[path] = entry


def _place(session: Session, state: State) -> Place:
    changed = frozenset(state.overlay.changes) if state.overlay else frozenset()
    return Place(session.store, session.live, changed)
