"""Neighbours: the other environments that share a store, for whoever deletes from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from store import trees
from store.errors import StoreError
from store.lock import Lock
from sysvenv import tracked
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.home import Home
from sysvenv.operations import look, recover, roots
from sysvenv.operations.session import Context, Session


@contextmanager
def at_rest(context: Context, command: str) -> Iterator[Session]:
    """A session, while nobody is at work in any environment that shares the store. Everybody takes these locks in one
    order, so that no two wait for each other."""
    with ExitStack() as held:
        session = None
        for home in sorted([context.home, *tracked.sharing(context.home)], key=lambda each: each.root):
            if home == context.home:
                session = held.enter_context(recover.enter(context, command))
            elif os.path.isdir(home.history):
                held.enter_context(Lock(os.fsencode(home.lock), command, wait=context.wait, on_wait=context.on_wait))
        assert session is not None
        yield session


def glances(session: Session) -> Iterator[Session]:
    """The others as a reader sees them; one that cannot be read is left out."""
    try:
        for home in tracked.sharing(session.home):
            yield look.glance(session.context.at(home))
    except (SysvenvError, StoreError, OSError):
        return


def name(home: Home) -> str:
    """What people call an environment: its home's name, of their own the path."""
    return home.name or home.venv


def needed(session: Session) -> set[str]:
    """The states the others need: all of their history, and what stands ready for them.

    Raises DamageFound or StoreError where that cannot be told of one of them.
    """
    names: set[str] = set()
    for home in tracked.sharing(session.home):
        if os.path.isdir(home.history):
            names |= _needed_by(look.glance(session.context.at(home)))
        elif _has_begun(home):
            raise DamageFound(f"The history of {home.venv} is missing at {home.history}.", "Run: sysvenv envs")
    return names


def _needed_by(other: Session) -> set[str]:
    operations, broken = other.history.all()
    if told := [*broken, *other.notes]:
        raise DamageFound(f"{other.home.venv}: {told[0]}", f"Run: sysvenv -C {other.home.venv} doctor")
    return roots.needed(other, operations) | {tree.manifest for tree in trees.standing(other.store)}


def _has_begun(home: Home) -> bool:
    index = home.area + "/index"
    return os.path.isdir(index) and bool(os.listdir(index))
