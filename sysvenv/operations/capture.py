"""Capture: a drifted tree becomes a state that is kept, durably, before anything says it is."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from store import capture, disk
from store.index import Index
from store.manifests import Manifest
from store.scan import Drift
from store.tree import Entry
from sysvenv import manifest as manifests
from sysvenv.operations.session import Session

MANY = 64
"""From this many segments on, their archives are compressed on two threads (zstd lets go of the interpreter)."""


class Captured(NamedTuple):
    """A state, kept."""

    name: str
    manifest: Manifest
    found: Index
    """The index of the tree it was captured from."""
    changes: dict[bytes, Entry | None]
    """What differs for a user from the state before (environment and bytecode)."""
    before: dict[bytes, Entry]

    def changed_environment(self, session: Session) -> bool:
        """Whether this is an operation: bytecode alone is not."""
        return any(session.is_environment(path) for path in self.changes)


def capture_tree(session: Session, root: bytes, index: Index, drift: Drift) -> Captured:
    """Read what drifted in the tree at ``root`` since it was ``index``'s state, and keep the new state.

    Objects, archives and segments are durable before the manifest is written, the manifest before this returns.
    """
    with session.store_lock():
        return _capture(session, root, index, drift)


def _capture(session: Session, root: bytes, index: Index, drift: Drift) -> Captured:
    store = session.store
    base = session.manifest(index.manifest)
    stated = manifests.stated_directories(store, base) if drift.stated else {}
    observed = capture.observe(store, root, index, drift, stated)
    changes = capture.link_in(store, root, observed)
    composed = manifests.compose(store, os.fsdecode(root), base, index, changes)
    if not changes:
        fresh = index.replace(directories=drift.directories, data=drift.data)
        return Captured(index.manifest, base, fresh, {}, {})
    archives = _keep_pristine(session, root, composed.unseen)
    linked = [store.objects.path(entry) for entry in changes.values() if entry is not None and entry.has_object]
    disk.barrier(store.root, [*linked, *archives, *composed.paths])
    name, place = store.manifests.write(composed.manifest)
    disk.barrier(store.root, [place])
    kept = {
        part.segment: index.blocks[part.segment] for part in composed.manifest.parts if part.segment in index.blocks
    }
    kept.update(capture.new_blocks(root, composed.fresh, drift.racy))
    after = Index(name, kept, drift.directories, drift.data)
    return Captured(name, composed.manifest, after, observed.changes, observed.before)


def _keep_pristine(session: Session, root: bytes, unseen: Mapping[str, Mapping[bytes, Entry]]) -> list[bytes]:
    """Archive the files of each fresh segment; returns the archives, still to be made durable."""
    pristine = session.store.pristine

    def keep(segment: str) -> list[bytes]:
        files = [(entry, os.path.join(root, path)) for path, entry in unseen[segment].items()]
        return pristine.keep(segment, files, text_only=session.store.guard_text_only)

    if len(unseen) < MANY:
        return [path for segment in unseen for path in keep(segment)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return [path for paths in pool.map(keep, unseen) for path in paths]
