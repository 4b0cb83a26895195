"""Purging: what was buried in the trash is deleted behind the user's back, after the command has ended."""

from __future__ import annotations

from store import trees
from sysvenv import storage
from sysvenv.home import Home


def empty_trash(home: Home) -> bool:
    """Begin to delete the trash in a process of its own and return at once; False when there is nothing to delete.

    It may be killed at any time: the next purge goes on.
    """
    store = storage.of(home)
    try:
        if not trees.has_trash(store):
            return False
    except OSError:
        return False  # there is no trash, or something else stands there, which doctor tells of
    from sysvenv.operations import background

    background.start(lambda: trees.empty_trash(store))
    return True
