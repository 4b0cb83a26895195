"""Purging: what was buried in the trash is deleted behind the user's back, after the command has ended."""

from __future__ import annotations

import os

from store import trees
from store.store import Store
from sysvenv.home import Home

_POLITE = 19
"""The niceness that gives way to everybody; on Linux it lowers the priority of disk access too (ionice(1))."""


def empty_trash(home: Home) -> bool:
    """Begin to delete the trash in a process of its own and return at once; False when there is nothing to delete.

    The process holds no lock and no file of ours. It may be killed at any time: the next purge goes on.
    """
    store = Store(os.fsencode(home.store))
    try:
        if not trees.has_trash(store):
            return False
    except OSError:
        return False  # there is no trash, or something else stands there, which doctor tells of
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # it ends at once; the grandchild belongs to init and leaves no zombie with us
        return True
    try:
        os.setsid()
        if not os.fork():
            _purge(store)
    finally:
        os._exit(0)


def _purge(store: Store) -> None:
    """In the grandchild: let go of everything inherited (the lock above all), then delete."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.nice(_POLITE)
    trees.empty_trash(store)
