"""Tracked environments: those of projects. Each has a home of its own in `envs`, which leads to it.

    envs/shop/environment   symlink to /home/ann/shop/.venv
    envs/shop/store         symlink to the store on that filesystem, shared with others
    envs/shop/history/ ...  as in every home

An environment that is not looked after any more has `untracked` in the place of `environment`, and keeps its history.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from store import areas, disk, trees
from sysvenv import selection
from sysvenv.errors import DamageFound
from sysvenv.home import TRACKED, Home

UNTRACKED = "/untracked"


def known(own: Home, venv: str) -> Home | None:
    """The home of the environment at `venv`, looked after now or once; or of the one that was moved there."""
    found = selection.find(venv, every(own))
    if found is not None:
        return found
    marker = trees.read_marker(os.fsencode(venv))
    if marker is None:
        return None
    for home in every(own):
        if not os.path.lexists(home.venv) and os.path.lexists(f"{home.area}/index/{marker.checkout}"):
            return home
    return None


def every(own: Home) -> list[Home]:
    """All tracked environments, and those that once were, whose history is kept."""
    return [home for home in map(_at, selection.homes(own)) if home.is_tracked]


def is_looked_after(home: Home) -> bool:
    """Whether a home leads to its environment, and not only did once."""
    return os.path.lexists(home.root + TRACKED)


def _at(root: str) -> Home:
    """The home at ``root``, also where it no longer looks after its environment."""
    home = Home.at(root)
    if not home.is_tracked:
        try:
            return Home(root, os.readlink(root + UNTRACKED), os.readlink(root + "/store"))
        except OSError:
            pass  # it never did
    return home


def make(own: Home, venv: str, store: str) -> Home:
    """A home for the environment at `venv`. The link to it comes last: before, it is nobody's."""
    disk.make_directory(os.fsencode(own.environments), own.mode)
    root = os.path.join(own.environments, _free_name(own, venv))
    disk.make_directory(os.fsencode(root), own.mode)
    os.symlink(store, root + "/store")
    lead(Home(root, venv, store))
    return Home.at(root)


def lead(home: Home) -> None:
    """Let a home lead to its environment, from now on or again."""
    temporary = f"{home.root}{TRACKED}.{os.getpid()}.tmp"
    disk.discard(os.fsencode(temporary))
    os.symlink(home.venv, temporary)
    os.rename(temporary, home.root + TRACKED)
    disk.discard(os.fsencode(home.root + UNTRACKED))
    disk.sync_directory(os.fsencode(home.root))


def let_go(home: Home) -> None:
    """Look after it no longer."""
    os.rename(home.root + TRACKED, home.root + UNTRACKED)
    disk.sync_directory(os.fsencode(home.root))


def store_for(own: Home, venv: str) -> str:
    """Where the store for an environment is or will be: the user's own, or one on its filesystem.

    There it lies in the topmost directory above the environment that the user can write to.
    """
    if _device(own.store) == _device(venv):
        return own.store
    device, place = _device(venv), os.path.dirname(venv)
    above = os.path.dirname(place)
    while above != place and _device(above) == device and os.access(above, os.W_OK | os.X_OK):
        place, above = above, os.path.dirname(above)
    return os.path.join(place, f".sysvenv-{os.geteuid()}", "store")


def sharing(home: Home) -> Iterator[Home]:
    """The homes of the other environments that use the same store. Raises DamageFound where one cannot be told."""
    first = Home.at(os.path.dirname(home.store))
    if first != home and first.store == home.store and os.path.isdir(first.history):
        yield first
    try:
        owners = areas.owners(os.fsencode(home.store))
    except OSError as error:
        raise DamageFound(f"It cannot be told who uses the store: {error}.", "Run: sysvenv doctor") from error
    for area, owner in owners.items():
        root = os.fsdecode(owner)
        other = _at(root)
        if os.fsdecode(area) == home.area or not os.path.lexists(root):
            continue
        if os.fsdecode(area) != other.area:
            raise DamageFound(f"{root} does not lead to its environment any more.", "Run: sysvenv envs")
        yield other


def abandoned(home: Home) -> list[bytes]:
    """Areas in the store whose home was deleted: nobody can come back to what is in them."""
    try:
        owners = areas.owners(os.fsencode(home.store))
    except OSError:
        return []
    return [area for area, owner in owners.items() if not os.path.lexists(owner)]


def _free_name(own: Home, venv: str) -> str:
    project, name = os.path.split(venv)
    if name in selection.VENVS:
        name = os.path.basename(project)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60] or "project"
    free, number = name, 1
    while os.path.lexists(os.path.join(own.environments, free)):
        number += 1
        free = f"{name}-{number}"
    return free


def _device(path: str) -> int:
    """Of `path`, or of what of it is there."""
    while True:
        try:
            return os.stat(path).st_dev
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path)
