"""Looking: where the environment stands and how it differs from that, without the lock and without writing."""

import os
from collections.abc import Collection

from store import capture, trees
from store.capture import Observed
from store.row import rows_of
from store.scan import Drift
from store.trees import Checkout
from sysvenv import dists, manifest, owner, storage, whereabouts
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Context, Session


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
    session.store = storage.opened(home, guard_text_only=text_only)
    marker = trees.read_marker(session.live)
    session.name = marker.checkout if marker else trees.new_name()
    if session.name != context.ahead.checkout:
        session.auditor.forget()
    found = whereabouts.find(home)
    session.position = found.position
    if found.trouble:
        session.notes.append(f"{found.trouble} Looking at {found.chosen} instead; the next operation puts it right.")
    if odd := session.odd_place():
        session.notes.append(odd)
    return session


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
    site = session.site
    below = site + b"/"
    tops = {below + path[len(below) :].partition(b"/")[0] for path in changed if path.startswith(below)}
    return [
        known[place] if place in known and place not in tops else dists.read_distribution(session.home.venv, place)
        for place in dists.find_locations(session.home.venv, site)
    ]
