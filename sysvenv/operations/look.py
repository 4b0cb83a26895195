"""Looking: where the environment stands and how it differs from that, without the lock and without writing."""

import os
from collections.abc import Collection
from typing import NamedTuple

from store import capture, trees
from store import store as stores
from store.capture import Observed
from store.errors import StoreError
from store.row import rows_of
from store.scan import Drift
from store.trees import Checkout
from sysvenv import dists, history, manifest, owner
from sysvenv.dists import Distribution
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.history import History, Operation, Position
from sysvenv.home import Home
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Context, Session


class Whereabouts(NamedTuple):
    """Where history stands, and how that is known."""

    position: Position
    trouble: str = ""
    """What is wrong with HEAD, a sentence; empty when HEAD, or the live tree's newer marker, says it."""
    chosen: str = ""
    """What stands in for it."""


def glance(context: Context) -> Session:
    """The environment for a reader: a session that holds no lock and must not be asked to write.

    Nothing is recovered: what was interrupted is seen as it lies. Raises SysvenvError or StoreError where there is
    no home or no store to look at.
    """
    home = context.home
    if not os.path.isdir(home.history):
        raise SysvenvError(f"There is no environment at {home.root} yet.", "Run: sysvenv init")
    owner.refuse_strangers(home)
    session = Session(context, "")
    text_only = context.config.store.guard == "text"
    session.store = stores.open_store(os.fsencode(home.store), guard_text_only=text_only)
    marker = trees.read_marker(session.live)
    session.name = marker.checkout if marker else trees.new_name()
    if session.name != context.ahead.checkout:
        session.auditor.forget()
    found = whereabouts(home)
    session.position = found.position
    if found.trouble:
        session.notes.append(f"{found.trouble} Looking at {found.chosen} instead; sysvenv doctor --fix repairs it.")
    return session


def whereabouts(home: Home) -> Whereabouts:
    """What HEAD says; the live tree's marker where that is newer; what can be concluded where HEAD is unreadable."""
    marked = _marked(home)
    try:
        head = history.read_head(home)
    except DamageFound as error:
        head, trouble = None, error.message
    else:
        trouble = f"{home.head} is missing."
    if head is not None:
        newer = marked is not None and marked.sequence > head.sequence
        return Whereabouts(marked if marked is not None and newer else head)
    return _concluded(home, marked, trouble)


def _marked(home: Home) -> Position | None:
    """The position the live tree carries from the swap that made it live."""
    marker = trees.read_marker(os.fsencode(home.venv))
    try:
        return history.position_from(marker.position) if marker and marker.position else None
    except (KeyError, TypeError, ValueError):
        return None


def _concluded(home: Home, marked: Position | None, trouble: str) -> Whereabouts:
    """The position as the records and the live tree tell it.

    Numbers only grow, so an operation newer than all that the marker knows came after the swap that wrote it.
    """
    last = _last_outcome(home)
    known = max([marked.operation, *(undone.operation for undone in marked.undone)]) if marked else -1
    if marked is not None and (last is None or last.number <= known):
        return Whereabouts(marked, trouble, f"@{marked.operation}, where the last undo or restore led")
    sequence = marked.sequence + 1 if marked else 1
    if last is None:
        return Whereabouts(Position(sequence, -1, ""), trouble, "an empty history")
    chosen = f"@{last.number}, the newest operation that can be read"
    return Whereabouts(Position(sequence, last.number, last.manifest), trouble, chosen)


def _last_outcome(home: Home) -> Operation | None:
    """The newest operation with a readable record of its end and a manifest that is there."""
    records, kept = History(home), stores.Store(os.fsencode(home.store)).manifests
    for number in reversed(records.numbers()):
        try:
            operation = records.read(number)
            if operation.manifest:
                kept.read(operation.manifest)
                return operation
        except (SysvenvError, StoreError, OSError):
            continue
    return None


def quick_drift(session: Session) -> Drift:
    """How the live tree differs as far as directory times tell: an edit in place does not show."""
    live = Checkout(session.live, session.name, session.index)
    moved = session.auditor.look_at_directories(live)
    return session.survey(session.live, session.index, [], moved, unfinished=False)


def count(session: Session, drift: Drift) -> FileCounts:
    """How many files of the environment a drift adds, removes, modifies, as lstat tells; no content is read."""
    rows = rows_of(session.index, drift.changed)
    added = removed = modified = 0
    for path, found in drift.changed.items():
        if not session.is_environment(path):
            continue
        row = rows.get(path)
        if row is None:
            added += found is not None
        elif found is None:
            removed += 1
        else:
            modified += not row.looks_like(found)
    return FileCounts(added, removed, modified)


def observe(session: Session, drift: Drift) -> Observed:
    """Read what a drift of the live tree amounts to; nothing is kept. Raises SysvenvError while somebody writes it."""
    stated = manifest.stated_directories(session.store, session.recorded) if drift.stated else {}
    try:
        return capture.observe(session.store, session.live, session.index, drift, stated)
    except FileNotFoundError as error:
        raise changing() from error


def changing() -> SysvenvError:
    """The error for a tree that moves while it is looked at."""
    return SysvenvError("The environment is being changed right now.", "Try again when that is done.")


def live_distributions(session: Session, changed: Collection[bytes]) -> list[Distribution]:
    """The distributions in the live tree; only those in which a path of ``changed`` lies are read anew."""
    known = {d.location: d for d in manifest.distributions(session.recorded)}
    python = manifest.interpreter(session.recorded)
    if python is None:
        return []
    below = python.site.encode() + b"/"
    tops = {below + path[len(below) :].partition(b"/")[0] for path in changed if path.startswith(below)}
    return [
        known[place] if place in known and place not in tops else dists.read_distribution(session.home.venv, place)
        for place in dists.find_locations(session.home.venv, python.site.encode())
    ]
