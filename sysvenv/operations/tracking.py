"""Tracking: project environments put under the same care as the user's own, and let go again."""

from __future__ import annotations

import os
import stat

from store import disk, trees
from sysvenv import hook, selection, tracked, venv
from sysvenv.errors import NotFound, SysvenvError, UsageError
from sysvenv.headstart import UV_LOCK
from sysvenv.home import Home
from sysvenv.operations import keep, recover, setup, spare
from sysvenv.operations.results import Tracked, Untracked
from sysvenv.operations.session import Context, Session


def track(context: Context, named: str, active: str) -> Tracked:
    """Record from now on what happens in the environment `named` means, by default the `active` one or the one in the
    current directory. Nothing in it is changed, but for the hook."""
    place = _wanted(named, active)
    _refuse_odd(context.home, place)
    home = tracked.known(context.home, place)
    before = home.venv if home is not None else place
    if home is None:
        home = tracked.make(context.home, place, _store(context.home, place))
    elif home.venv != place or not tracked.is_looked_after(home):
        home = Home(home.root, place, home.store)
        tracked.lead(home)
    told = setup.initialise(context.at(home))
    return Tracked(home.root, before if before != place else "", told)


def untrack(context: Context, named: str, active: str, purge: bool) -> Untracked:
    """Let an environment go: it stays as it is, without the hook. Its history stays too, unless it is to be purged;
    then gc gives back what only it needed."""
    home = _tracked(context.home, named, active)
    was_there = os.path.isdir(home.venv)
    notes: list[str] = []
    if tracked.is_looked_after(home):
        with recover.enter(context.at(home), "sysvenv untrack") as session:
            if was_there:
                keep.settle(session, session.audit())
                _strip(session)
            notes = [*session.notes, *_give_up_trees(session)]
            tracked.let_go(home)
    if purge:
        _purge(home)
    return Untracked(home.venv, home.root, was_there, purge, tuple(notes))


def _wanted(named: str, active: str) -> str:
    """The environment a path means, or the one somebody means who gives none."""
    start = named or active or os.getcwd()
    for place in map(os.path.abspath, selection.candidates(start)):
        if os.path.lexists(place + "/pyvenv.cfg"):
            return place
    if named:
        raise NotFound(f"There is no virtual environment at {named}, nor in it.", "Make one: python3 -m venv .venv")
    raise NotFound(
        "There is no active virtual environment, and none in this directory.", "Run: sysvenv track PATH, or activate it"
    )


def _refuse_odd(own: Home, place: str) -> None:
    if os.path.islink(place):
        raise SysvenvError(
            f"{place} is a symlink; sysvenv swaps real directories.", f"Run: sysvenv track {os.path.realpath(place)}"
        )
    if selection.find(place, [own]) is not None:
        raise UsageError(f"{place} is your own environment.", "Run: sysvenv init")
    if os.path.basename(place) == "venv" and os.path.isdir(os.path.dirname(place) + "/history"):
        raise UsageError(
            f"{place} is a sysvenv environment already.", f"Run: SYSVENV_HOME={os.path.dirname(place)} sysvenv status"
        )
    venv.read_interpreter(place)
    found = os.stat(place)
    if found.st_uid != os.geteuid():
        raise SysvenvError(f"{place} belongs to another user.", "Only its owner can track it.")
    if found.st_mode & stat.S_IWOTH:
        raise SysvenvError(f"Others may write to {place}.", f"Run: chmod o-w {place}")
    if not os.access(os.path.dirname(place), os.W_OK | os.X_OK):
        raise SysvenvError(f"You cannot write to {os.path.dirname(place)}, so nothing could be swapped there.")


def _store(own: Home, place: str) -> str:
    """Where its store is; made, and tried, if need be."""
    store = tracked.store_for(own, place)
    parent = os.path.dirname(store)
    disk.make_directory(os.fsencode(parent), 0o755 if parent == own.root else own.mode)
    if os.lstat(parent).st_uid != os.geteuid():
        raise SysvenvError(f"{parent} belongs to another user.", "Remove it, or move the project.")
    disk.make_directory(os.fsencode(store), own.mode)
    disk.probe_links(os.fsencode(place) + b"/pyvenv.cfg", os.fsencode(store))
    return store


def _tracked(own: Home, named: str, active: str) -> Home:
    """The home of an environment that is tracked, or was; found by its path, or by the name of its home."""
    homes = tracked.every(own)
    for place in selection.candidates(os.path.abspath(named or active or os.getcwd())):
        found = selection.find(place, homes)
        if found is not None:
            return found
    for home in homes:
        if named and home.name == named:
            return home
    if not named and own.is_tracked:
        return own
    raise NotFound(f"{named or 'Nothing here'} is not tracked.", "Run: sysvenv envs")


def _strip(session: Session) -> None:
    """Take out of the live tree what is ours."""
    root = session.home.venv
    hook.remove(root, venv.site_packages(root))
    disk.discard(os.path.join(session.live, trees.MARKER))
    lock = os.path.join(session.live, UV_LOCK)
    if os.path.isfile(lock) and not os.path.getsize(lock):
        disk.discard(lock)


def _give_up_trees(session: Session) -> list[str]:
    """What stands ready is given back, but what alone holds what redo would bring back; says what is kept of it."""
    pinned = spare.pinned_trees(session)
    rescued: list[bytes] = []
    for tree in trees.standing(session.store):
        if tree.name not in pinned:
            rescued += spare.rescue(session, tree)
            trees.bury_checkout(session.store, tree)
    return spare.told_of(rescued)


def _purge(home: Home) -> None:
    """Delete the history, and with it every claim on the store. The home goes in one step."""
    import shutil

    area = os.fsencode(home.area)
    going = f"{home.root}.{os.getpid()}.tmp"
    os.rename(home.root, going)
    shutil.rmtree(going)
    if os.path.isdir(area):
        trees.delete(area)
