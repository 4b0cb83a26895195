"""Capture: a drifted tree becomes a state that is kept, durably, before anything says it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from store import capture, disk, intake
from store.index import Index
from store.intake import Beforehand, Kept
from store.manifests import Manifest
from store.named import NamedTuple
from store.scan import Drift
from store.tree import Entry
from sysvenv import manifest as manifests
from sysvenv.manifest import FILES, Composition
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Session


class Captured(NamedTuple):
    """A state, kept."""

    name: str
    manifest: Manifest
    found: Index
    """The index of the tree it was captured from."""
    files: FileCounts
    """How many files of the environment differ for a user from the state before; bytecode does not count."""

    @property
    def changed_environment(self) -> bool:
        """Whether this is an operation: bytecode alone is not."""
        return any(self.files)


def capture_tree(
    session: Session, root: bytes, index: Index, drift: Drift, beforehand: Beforehand | None = None
) -> Captured:
    """Read what drifted in the tree at ``root`` since it was ``index``'s state, and keep the new state.

    Objects, archives and segments are durable before the manifest is written, the manifest before this returns.
    """
    with session.store_lock():
        return _capture(session, root, index, drift, beforehand)


def annotated(session: Session, manifest: Manifest, facts: Mapping[str, Any]) -> str:
    """Keep a state together with more that is known of it; returns that manifest's name."""
    store = session.store
    with session.store_lock():
        name, path = store.manifests.write(manifest._replace(about={**manifest.about, **facts}))
        disk.barrier(store.root, [path])
    return name


def _capture(session: Session, root: bytes, index: Index, drift: Drift, beforehand: Beforehand | None) -> Captured:
    store = session.store
    base = session.manifest(index.manifest)
    stated = manifests.stated_directories(store, base) if drift.stated else {}
    directories = capture.directories(drift, stated)
    after = drift.found
    if not drift.changed and not directories:
        return Captured(index.manifest, base, after, FileCounts())
    made = Composition(store, os.fsdecode(root), base, index, drift.changed, directories)
    taken = intake.take_in(store, root, made.portions, made.facts, beforehand)
    capture.heal(store, made.facts.before.values())
    manifest, name = made.manifest(taken.kept), index.manifest
    if manifest.parts == base.parts:
        manifest = base  # all of it was only looked at
    else:
        disk.barrier(store.root, [*taken.new, *_private(root, drift)])
        name, place = store.manifests.write(manifest)
        disk.barrier(store.root, [place])
    blocks = {**index.blocks, **taken.blocks}
    after = after.replace(manifest=name, blocks={segment: blocks[segment] for segment in manifest.segments})
    after = capture.settle(store, root, after, taken.young, session.sorter(root, after, frozenset()))
    return Captured(name, manifest, after, _count(session, made, taken.kept, drift, directories))


def _private(root: bytes, drift: Drift) -> list[bytes]:
    """The new empty files: no object holds them, so nothing else makes them durable. Seen on btrfs: after a power cut
    every other file of a recorded install was there."""
    came = ((path, found) for path, found in drift.changed.items() if found is not None and not found.st_size)
    paths = [os.path.join(root, path) for path, found in came if stat.S_ISREG(found.st_mode)]
    return [path for path in paths if os.path.lexists(path)]


def _count(
    session: Session, made: Composition, kept: Sequence[Kept], drift: Drift, directories: Mapping[bytes, Entry | None]
) -> FileCounts:
    ours = [each for owner, each in zip(made.owners, kept, strict=True) if owner[1] == FILES]
    gone = {path for path, found in drift.changed.items() if found is None and directories.get(path) is None}
    gone |= {path for path, entry in directories.items() if entry is None and drift.changed.get(path) is None}
    gone |= {path for each in ours for path in each.gone}
    came = {path for path, entry in directories.items() if entry is not None and session.is_environment(path)}
    return FileCounts(
        added=sum(each.added for each in ours) + len(came - made.facts.before.keys()),
        removed=sum(1 for path in gone & made.facts.before.keys() if session.is_environment(path)),
        modified=sum(each.modified for each in ours) + len(came & made.facts.before.keys()),
    )
