"""The spare: a checkout of a wanted state, made to stand ready beside the live tree."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from store import disk, layout, swap, trees
from store.manifests import Manifest
from store.named import NamedTuple
from store.trees import Checkout, Standing
from sysvenv import hook, manifest
from sysvenv.operations.session import Session


class Ready(NamedTuple):
    """A checkout that stands ready."""

    checkout: Checkout
    rescued: tuple[bytes, ...]
    """Absolute paths of files that somebody had written into the tree it was made of, or that had to go for it."""
    just_laid: bool = False
    """Whether all of it was laid out a moment ago: each object was looked at when it was linked."""


def anticipate(session: Session, name: str) -> None:
    """If a checkout of the state ``name`` stands ready, let it be audited together with the live tree."""
    pinned = pinned_trees(session)
    for tree in trees.standing(session.store):
        if tree.manifest == name and tree.name not in pinned:
            found = trees.take(session.store, tree)
            if found is not None:
                session.auditor.target = found
                return


def make_ready(session: Session, name: str) -> Ready:
    """Let a checkout of the state ``name`` stand ready: used as it is, transformed, or laid out from scratch.

    A tree whose outcome is not captured yet is not touched.
    """
    anticipated = session.auditor.target
    if anticipated is not None and anticipated.expected.manifest == name:
        return Ready(anticipated, ())
    store, state = session.store, session.manifest(name)
    pinned = pinned_trees(session)
    steps = layout.plan(store, name, state, session.context.config.store.keep_trees, pinned)
    used = [tree for tree in (steps.start, steps.give_up) if tree is not None and tree.expected.manifest != name]
    rescued: list[bytes] = []
    for tree in used:
        rescued += _cleared(session, tree)
    try:
        if steps.start is not None:
            _strip(session, steps.start, state)
        checkout = layout.apply(store, steps, state)
    except OSError as error:
        if steps.start is None or error.errno in disk.FULL:
            raise
        if error.errno == errno.EXDEV and os.path.lexists(steps.start.path):  # it cannot be renamed (store.layered)
            trees.bury_checkout(store, steps.start)
        trees.sweep(store, session.live, pinned)  # somebody rearranged that tree: it is of no more use
        checkout = layout.lay_out(store, name, state)
    return Ready(checkout, tuple(rescued), just_laid=steps.start is None or checkout.name != steps.start.name)


def _strip(session: Session, tree: Checkout, state: Manifest) -> None:
    """Take the hook out of a tree that becomes one of another Python: no manifest names it, so nothing else would."""
    old, new = manifest.interpreter(session.manifest(tree.expected.manifest)), manifest.interpreter(state)
    if old is not None and (new is None or new.site != old.site):
        hook.remove(os.fsdecode(tree.path), old.site.encode())


def rescue(session: Session, tree: Standing) -> list[bytes]:
    """What somebody wrote into a tree after it was replaced is kept when the tree is given up."""
    checkout = trees.take(session.store, tree)
    return _cleared(session, checkout) if checkout is not None else []


def _cleared(session: Session, checkout: Checkout) -> list[bytes]:
    return swap.clear(session.store, checkout, session.sorter(checkout.path, checkout.expected, frozenset()))


def told_of(rescued: Iterable[bytes]) -> list[str]:
    """A sentence for each file that was kept."""
    return [f"Written into a tree after it was replaced, kept: {os.fsdecode(path)}" for path in rescued]


def pinned_trees(session: Session) -> list[str]:
    """The trees that alone hold what an undone operation left."""
    return [undone.checkout for undone in session.position.undone if undone.checkout]


def prepare(session: Session, name: str) -> None:
    """Like :func:`make_ready`, and with our own files laid: nothing is left to do when it is wanted."""
    with session.store_lock():
        checkout = make_ready(session, name).checkout
    swap.outfit(session.store, checkout, session.ours(manifest.interpreter(session.manifest(name))))
