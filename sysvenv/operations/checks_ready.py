"""The trees that stand ready. They are derived: audited before they go live, laid anew where they are lost."""

from __future__ import annotations

import os
from collections.abc import Iterator

from store import audit, swap, trees
from store.errors import StoreError
from store.trees import Checkout
from sysvenv.errors import SysvenvError
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, Problem, many, some
from sysvenv.operations.session import Session


def examine(session: Session) -> Iterator[Problem]:
    """Compare each with its index. Writes nothing."""
    store = session.store
    pinned = {undone.checkout for undone in session.position.undone if undone.checkout}
    there: set[str] = set()
    differing: list[Checkout] = []
    useless: list[bytes] = []
    for name in _slots(store.trees):
        path = os.path.join(store.trees, name)
        marker = trees.read_marker(path) if name.isdigit() else None
        if marker is not None:
            there.add(marker.checkout)
        expected = trees.load_index(store, marker.checkout) if marker is not None else None
        if marker is not None and marker.checkout in pinned:
            continue  # it holds what nothing else knows: it is captured as it is
        if marker is None or expected is None:
            useless.append(name)
        elif _differs(session, checkout := Checkout(path, marker.checkout, expected)):
            differing.append(checkout)
    if useless:
        sentence = f"Trees that cannot be used, and will be cleared away: {some(useless)}."
        finding = Finding("warning", "trees", sentence, FIX)
        yield Problem(finding, repair=lambda session: "They are in the trash.")  # where every session puts them
    if differing:
        sentence = f"Trees that stand ready and are not what their index says: {many(len(differing), 'tree')}."
        finding = Finding("warning", "trees", sentence, "They are put right before they are used.")
        yield Problem(finding, repair=lambda session: _mend(session, differing))
    if lost := sorted(pinned - there):
        sentence = f"The tree that alone held what an undone operation left is gone: {some(lost)}."
        remedy = "redo cannot bring that back; everything else can be had."
        yield Problem(Finding("error", "trees", sentence, remedy))


def _slots(directory: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _differs(session: Session, checkout: Checkout) -> bool:
    """Whether its files differ, not only the times of its directories."""
    try:
        looked = audit.look(checkout.path, checkout.expected)
        if not any(looked):
            return False
        sort = session.sorter(checkout.path, checkout.expected, frozenset())
        drift, _ = swap.disagreeing(session.store, checkout, looked, sort)
    except (StoreError, SysvenvError, OSError):
        return True
    return bool(drift.changed or drift.data.keys() - checkout.expected.data.keys())


def _mend(session: Session, differing: list[Checkout]) -> str:
    with session.store_lock():
        for checkout in differing:
            looked = audit.look(checkout.path, checkout.expected)
            try:
                swap.mend(
                    session.store, checkout, looked, session.sorter(checkout.path, checkout.expected, frozenset())
                )
            except (StoreError, OSError):  # somebody rearranged it, or it needs what is lost: it is of no more use
                trees.bury_checkout(session.store, checkout)
    return "They were put right, or given up."
