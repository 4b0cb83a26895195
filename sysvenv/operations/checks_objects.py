"""A sample of the objects, read: what an edit leaves no trace of in lstat, and what a disk does by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator

from store import verify
from store.errors import StoreError
from store.verify import Fault
from sysvenv.errors import SysvenvError
from sysvenv.operations.session import Session

SAMPLE = 50
"""Objects that are read."""
SEGMENTS = 10
"""Segments they are taken from."""


def sample(session: Session) -> list[Fault]:
    """Read some objects of the present state; those whose content is not what lstat still makes believe."""
    try:
        return [fault for fault in _chosen(session) if _is_bad(session, fault)]
    except (StoreError, SysvenvError):
        return []  # a state that cannot be read is told of by whoever reads all of its segments


def _is_bad(session: Session, fault: Fault) -> bool:
    entry = fault.entry
    return entry is not None and session.store.objects.intact(entry) and not verify.sound(session.store, entry)


def _chosen(session: Session) -> Iterator[Fault]:
    parts = list(session.recorded.parts)
    left = SAMPLE
    for number, part in enumerate(random.sample(parts, min(SEGMENTS, len(parts)))):
        tree = session.store.segments.read(part.segment)
        files = [(path, entry) for path, entry in tree.items() if entry.has_object]
        share = -(-left // (min(SEGMENTS, len(parts)) - number))
        for path, entry in random.sample(files, min(share, len(files))):
            copied = session.store.pristine.holds(entry.digest)
            yield Fault(verify.OBJECT, verify.DAMAGED, entry.object_name, "", path, part.guarded, copied, entry)
            left -= 1
