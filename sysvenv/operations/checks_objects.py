"""A sample of the objects, read: what an edit leaves no trace of in lstat, and what a disk does by itself."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import NamedTuple

from store import disk, trees, verify
from store.errors import Damaged, StoreError
from store.tree import Entry
from sysvenv.errors import SysvenvError
from sysvenv.operations import keep
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, Problem, fine, some
from sysvenv.operations.session import Session

SAMPLE = 50
"""Objects that are read."""
SEGMENTS = 10
"""Segments they are taken from."""


class Bad(NamedTuple):
    """An object whose content is not what its name says, while lstat is content."""

    path: bytes
    entry: Entry
    guarded: bool


def examine(session: Session) -> Iterator[Problem]:
    """Read some objects of the present state."""
    try:
        chosen = list(_sample(session))
    except (StoreError, SysvenvError) as error:
        sentence = f"The present state cannot be read: {error.message}"
        yield Problem(Finding("error", "objects", sentence, "Run: sysvenv verify"))
        return
    kept = session.store.objects
    bad = [each for each in chosen if kept.intact(each.entry) and not verify.sound(session.store, each.entry)]
    lost = [each for each in chosen if kept.inode(each.entry) < 0]
    if not bad and not lost:
        yield fine("objects", f"{len(chosen)} objects, chosen at random, are what their names say.")
    if lost:
        sentence = f"Objects of the store are missing: {some(each.path for each in lost)}."
        yield Problem(Finding("error", "objects", sentence, FIX), repair=lambda session: _rebuild(session, lost))
    if bad:
        sentence = f"The content of objects changed without a trace: {some(each.path for each in bad)}."
        yield Problem(Finding("error", "objects", sentence, FIX), repair=lambda session: _rebuild(session, bad))


def _sample(session: Session) -> Iterator[Bad]:
    parts = list(session.recorded.parts)
    left = SAMPLE
    for number, part in enumerate(random.sample(parts, min(SEGMENTS, len(parts)))):
        tree = session.store.segments.read(part.segment)
        files = [(path, entry) for path, entry in tree.items() if entry.has_object]
        share = -(-left // (min(SEGMENTS, len(parts)) - number))
        for path, entry in random.sample(files, min(share, len(files))):
            yield Bad(path, entry, part.guarded)
            left -= 1


def _rebuild(session: Session, bad: list[Bad]) -> str:
    """Give each object an inode with the right content. What was found there stays, as an edit would: an operation.

    Trees that stand ready and hold a bad inode cannot be told from good ones by lstat any more, so they are given up.
    """
    inodes = {session.store.objects.inode(each.entry) for each in bad}
    hopeless: list[Bad] = []
    for each in bad:
        try:
            session.store.heal(each.entry, thorough=True)
        except Damaged:
            hopeless.append(each)
    if any(each.guarded for each in hopeless):
        raise Damaged(f"No intact copy is kept of {some(each.path for each in hopeless)}.", "Run: sysvenv verify")
    for each in hopeless:
        _drop(session, each)
    _give_up_holders(session, inodes)
    _forget_index(session)
    operation = keep.settle(session, session.audit())
    if operation is None:
        return "They were rebuilt from their copies."
    return f"They were rebuilt. What stood in their place is recorded as @{operation.number}; sysvenv undo goes back."


def _drop(session: Session, bytecode: Bad) -> None:
    """Python builds bytecode anew where it finds none."""
    place, live = session.store.objects.path(bytecode.entry), os.path.join(session.live, bytecode.path)
    if os.path.lexists(place) and os.path.lexists(live) and os.path.samefile(place, live):
        disk.discard(live)
    disk.discard(place)


def _give_up_holders(session: Session, inodes: set[int]) -> None:
    pinned = {undone.checkout for undone in session.position.undone}
    for checkout in trees.ready(session.store):
        held = any(not inodes.isdisjoint(block.columns[0]) for block in checkout.expected.blocks.values())
        if held and checkout.name not in pinned:
            trees.bury_checkout(session.store, checkout)


def _forget_index(session: Session) -> None:
    """The live tree's index names the old inodes; the one made from the objects finds every file that is another."""
    disk.discard(trees.index_path(session.store, session.name))
    session.become(session.name)
