"""Relearning: a manifest or segment that was lost, told from a tree that is still laid out.

Both are named by their content, so what is told anew has the old name exactly when nothing of it is different.
"""

from __future__ import annotations

from store import layout, trees
from store.scan import survey
from store.trees import Checkout
from sysvenv.operations.capture import Captured, capture_tree
from sysvenv.operations.session import Session


def live(session: Session) -> Captured:
    """Keep the live tree as a state, as if nothing were known of it."""
    known = trees.load_index(session.store, session.name)
    paths = frozenset(path for block in known.blocks.values() for path in block.paths) if known else frozenset()
    return _capture(session, session.live, paths)


def standing(session: Session, checkout: Checkout) -> Captured:
    """The same of a tree that stands ready."""
    paths = frozenset(path for block in checkout.expected.blocks.values() for path in block.paths)
    return _capture(session, checkout.path, paths)


def _capture(session: Session, root: bytes, paths: frozenset[bytes]) -> Captured:
    """``paths`` are known to be the environment's, whatever their names say."""
    nothing = layout.expected(session.store, "", session.manifest(""))
    drift = survey(root, nothing, [], [b""], session.sorter(root, nothing, paths))
    return capture_tree(session, root, nothing, drift)
