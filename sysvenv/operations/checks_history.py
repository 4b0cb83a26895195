"""What is looked at in history: each record, how they hang together, HEAD and the live tree's marker, labels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from store import disk, trees
from store.errors import StoreError
from store.store import Store
from sysvenv import dists, history, manifest, pruned, snapshots, storage, whereabouts
from sysvenv.dists import Change
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.history import History
from sysvenv.home import Home
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, Problem, fine, many, some
from sysvenv.whereabouts import Whereabouts


def examine(home: Home) -> Iterator[Problem]:
    """Look at everything in history and at the labels. Writes nothing."""
    try:
        found = whereabouts.find(home)
    except SysvenvError as error:
        yield Problem(Finding("error", "history", error.message, error.hint))
        return
    yield _head(home, found)
    records = [*_pruned(home), *_records(home), *_chain(home, found)]
    yield from records or [fine("history", f"{many(len(History(home).numbers()), 'operation')} can be read.")]
    yield from _marker(home)
    yield from _labels(home)


def _head(home: Home, found: Whereabouts) -> Problem:
    if not found.trouble:
        return fine("history", f"The environment stands at @{found.position.operation}.")

    def rewrite() -> str:
        whereabouts.mend(home, found)
        return f"It was written anew: the environment stands at {found.chosen}."

    return Problem(Finding("error", "history", found.trouble, FIX), early=rewrite)


def _pruned(home: Home) -> Iterator[Problem]:
    """A statement that cannot be read is made anew: what is missing below the newest record counts as pruned."""
    try:
        pruned.read(home)
    except DamageFound as error:

        def restate() -> str:
            disk.set_aside(os.fsencode(home.pruned))
            numbers = History(home).numbers()
            missing = set(range(numbers[-1] if numbers else 0)).difference(numbers)
            pruned.write(home, pruned.joined(pruned.Pruned(), missing, time.time()))
            return f"It was written anew: {len(missing)} operations count as pruned."

        yield Problem(Finding("error", "history", error.message, error.hint), early=restate)
    except SysvenvError as error:
        yield Problem(Finding("error", "history", error.message, error.hint))


def _records(home: Home) -> Iterator[Problem]:
    """Records that cannot be read, or lack the other half."""
    records = History(home)
    numbers = records.numbers()
    for number in numbers:
        try:
            records.read(number)
        except SysvenvError as error:
            yield _unreadable(records, number, error, newest=number == numbers[-1])


def _unreadable(records: History, number: int, error: SysvenvError, *, newest: bool) -> Problem:
    finding = Finding("error", "history", error.message, FIX)
    before, after = records.path(number, "before"), records.path(number, "after")
    ended = os.path.lexists(after)
    if isinstance(error, DamageFound) and newest and not ended:
        return Problem(finding, early=_begun_without_end(before))
    if isinstance(error, DamageFound) and ended and _begins_well(records, number):
        return Problem(finding, early=lambda: _end_anew(records, number))
    remedy = f"undo cannot go past @{number}; sysvenv restore can, to any other @N or snapshot."
    return Problem(finding._replace(remedy=remedy))


def _begins_well(records: History, number: int) -> bool:
    try:
        records.read_beginning(number)
    except SysvenvError:
        return False
    return True


def _begun_without_end(before: str) -> Callable[[], str]:
    """The record of how an operation began, which has no end: without it, what it did is a change like any other."""

    def aside() -> str:
        kept = os.path.basename(os.fsdecode(disk.set_aside(os.fsencode(before))))
        return f"It is {kept} now; what that operation did counts as done without pip."

    return aside


def _chain(home: Home, found: Whereabouts) -> Iterator[Problem]:
    """How the records hang together."""
    records = History(home)
    numbers = records.numbers()
    operations, _ = records.all()
    removed = records.pruned()
    undone = {each.operation for each in found.position.undone}
    for operation in operations:
        number = operation.number
        if operation.parent >= 0 and operation.parent not in numbers and operation.parent not in removed:
            sentence = f"@{number} follows @{operation.parent}, of which there is no record."
            remedy = f"undo cannot go past @{number}; sysvenv restore can, to any other @N or snapshot."
            yield Problem(Finding("error", "history", sentence, remedy))
        if operation.is_pending and number != numbers[-1] and number not in undone:
            finding = Finding("error", "history", f"The record of how @{number} ended is missing.", FIX)
            yield Problem(finding, early=_ending(records, number))
    stands = found.position.operation
    if stands >= 0 and stands not in numbers and stands not in removed:
        sentence = f"The environment stands at @{stands}, of which there is no record."
        remedy = f"undo cannot go past @{stands}; sysvenv restore can, to any other @N or snapshot."
        yield Problem(Finding("error", "history", sentence, remedy))
    lost = sorted(number for number in undone - set(numbers) if number not in removed)
    if lost:
        sentence = f"HEAD says that redo brings back {some(f'@{number}' for number in lost)}, without a record."
        yield Problem(Finding("error", "history", sentence, "Other operations can be restored: sysvenv history"))
    named = {operation.parent for operation in operations} | undone | {stands}
    missing = set(range(numbers[0], numbers[-1])).difference(numbers, named) if numbers else set()
    gaps = sorted(number for number in missing if number not in removed)
    if gaps:
        sentence = f"Numbers without a record: {some(f'@{number}' for number in gaps)}."
        yield Problem(Finding("warning", "history", sentence, "Nothing that is recorded depends on them."))


def _ending(records: History, number: int) -> Callable[[], str]:
    return lambda: _end_anew(records, number)


def _end_anew(records: History, number: int) -> str:
    """What an operation left is what the next one found; so the record of its end can be told from that one."""
    begun = records.read_beginning(number)
    after = os.fsencode(records.path(number, "after"))
    state = _left_by(records, number)
    if os.path.lexists(after):
        disk.set_aside(after)
    if not state:
        raise DamageFound(
            f"What @{number} led to is not known any more.", f"undo goes past @{number}; restore @{number} cannot."
        )
    ended = begun._replace(
        status=history.DONE,
        finished=begun.started,
        manifest=state,
        packages=_packages(records.home, begun.manifest_before, state),
        note="the record of its end was lost, and told from what came after",
    )
    records.end(ended)
    return "It was told anew from what came after."


def _left_by(records: History, number: int) -> str:
    """The state an operation left; "" where nothing tells."""
    position = whereabouts.find(records.home).position
    if position.operation == number:
        return position.manifest
    for undone in position.undone:
        if undone.operation == number and undone.manifest:
            return undone.manifest
    return next((each.manifest_before for each in records.all()[0] if each.parent == number), "")


def _packages(home: Home, old: str, new: str) -> tuple[Change, ...]:
    """How two states differ in packages; nothing where one of them is lost."""
    kept = storage.of(home).manifests
    try:
        before, after = (manifest.distributions(kept.read(name)) if name else [] for name in (old, new))
    except (StoreError, SysvenvError, OSError):
        return ()
    return tuple(dists.diff(before, after))


def _marker(home: Home) -> Iterator[Problem]:
    """A marker that is a copy of another tree's would give both one index."""
    live, store = os.fsencode(home.venv), storage.of(home)
    marker = trees.read_marker(live)
    path = os.path.join(live, trees.MARKER)
    if marker is None:
        if os.path.lexists(path):
            sentence = f"{os.fsdecode(path)} does not say which tree this is."
            finding = Finding("warning", "marker", sentence, FIX)
            yield Problem(finding, early=lambda: _new_marker(store, live))
        return
    try:
        others = {standing.name for standing in trees.standing(store)}
    except OSError:
        return  # the store's directories are looked at elsewhere
    if marker.checkout in others:
        sentence = f"{os.fsdecode(path)} is that of another tree."
        yield Problem(Finding("warning", "marker", sentence, FIX), early=lambda: _new_marker(store, live))


def _new_marker(store: Store, live: bytes) -> str:
    path = os.path.join(live, trees.MARKER)
    if os.path.isdir(path) or os.path.islink(path):
        trees.rescue(store, live, [trees.MARKER], "markers")
    trees.write_marker(store, live, trees.Marker(trees.new_name(), {}))
    return "It got a name of its own."


def _labels(home: Home) -> Iterator[Problem]:
    for name in snapshots.names(home):
        try:
            snapshots.read(home, name)
        except SysvenvError as error:
            yield Problem(Finding("error", "snapshot", error.message, error.hint))
    strange = snapshots.strangers(home)
    if strange:
        sentence = f"Files among the snapshots that are none: {some(strange)}."
        yield Problem(Finding("warning", "snapshot", sentence, "Look at them, and remove them if nothing needs them."))
