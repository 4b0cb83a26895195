"""Areas: what each of the environments that share a store has there for itself."""

from __future__ import annotations

import os

from store import disk

ENVIRONMENTS = b"envs"
"""The directory of the areas of all environments but the first, whose area is the store itself."""
OWN = (b"trees", b"trash", b"index", b"rescued")
"""The directories of an area."""
OWNER = b"home"
"""In an area: a symlink to wherever the caller keeps what it knows of that environment."""


def create(area: bytes, owner: bytes | None = None) -> None:
    """Make an area, or complete one."""
    if owner is not None:
        disk.make_private(os.path.dirname(area))
    disk.make_private(area)
    for name in OWN:
        disk.make_private(os.path.join(area, name))
    if owner is not None and not os.path.lexists(link := os.path.join(area, OWNER)):
        os.symlink(owner, link)
        disk.sync_directory(area)


def owners(root: bytes) -> dict[bytes, bytes]:
    """The areas in the store at ``root``, but that of the first environment: their paths, and where their owners are.

    Raises OSError where that cannot be told; an area whose creation was interrupted is nobody's.
    """
    place = os.path.join(root, ENVIRONMENTS)
    found = {}
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        area = os.path.join(place, name)
        if os.path.lexists(link := os.path.join(area, OWNER)):
            found[area] = os.readlink(link)
    return found
