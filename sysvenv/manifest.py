"""Manifests of an environment: which distribution owns which entries, and what packaging says of each."""

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from store.index import Index
from store.manifests import Manifest, Part
from store.store import Store
from store.tree import DIRECTORY, Entry
from sysvenv import dists, venv
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.kinds import in_cache, source_of
from sysvenv.venv import Interpreter

REST = "."
"""The owner of everything no distribution claims: bin/activate, pyvenv.cfg, files copied in by hand."""
FILES = "files"
BYTECODE = "bytecode"

Owner = tuple[str, str]
"""Canonical distribution name, or REST, and FILES or BYTECODE."""


class Composed(NamedTuple):
    """A manifest about to be kept, with the segments it needs that the one before had not."""

    manifest: Manifest
    fresh: dict[str, dict[bytes, Entry]]
    """Segment name -> entries."""
    paths: list[bytes]
    """The segment files, still to be made durable."""
    unseen: dict[str, dict[bytes, Entry]]
    """Of the fresh guarded segments: the files that need a pristine copy."""


def distributions(manifest: Manifest) -> list[Distribution]:
    """The distributions of a state."""
    return [dists.from_json(value) for value in manifest.about.get("distributions", [])]


def interpreter(manifest: Manifest) -> Interpreter | None:
    """The interpreter of a state; None for the state of a venv that is gone."""
    value = manifest.about.get("interpreter")
    return Interpreter(**value) if value else None


def shared(manifest: Manifest) -> dict[str, list[str]]:
    """Paths that more than one distribution claims -> their names, the owner first."""
    return dict(manifest.about.get("shared", {}))


def stated_directories(store: Store, manifest: Manifest) -> dict[bytes, Entry]:
    """The directory entries of a state: they all lie in one segment."""
    for part in manifest.parts:
        if (part.owner, part.kind) == (REST, FILES):
            tree = store.segments.read(part.segment)
            return {path: entry for path, entry in tree.items() if entry.kind == DIRECTORY}
    return {}


def tree(store: Store, manifest: Manifest) -> dict[bytes, Entry]:
    """Every entry of a state."""
    entries: dict[bytes, Entry] = {}
    for segment in manifest.segments:
        entries.update(store.segments.read(segment))
    return entries


def changed_trees(store: Store, old: Manifest, new: Manifest) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
    """The entries of the segments only one of two states has: whatever differs between them is in there."""
    ours, theirs = set(old.segments), set(new.segments)
    return tuple(  # type: ignore[return-value]
        {path: entry for segment in sorted(only) for path, entry in store.segments.read(segment).items()}
        for only in (ours - theirs, theirs - ours)
    )


def compose(store: Store, root: str, base: Manifest, index: Index, changes: Mapping[bytes, Entry | None]) -> Composed:
    """The manifest after ``changes`` to ``base``; ``index`` is of ``base``. Writes the segments that are new."""
    if not changes:
        return Composed(base, {}, [], {})
    python = _interpreter_of(root, base)
    assignment = _Assignment(root, python.site if python else "", base, index, changes)
    owners = assignment.owners()
    fresh, paths, parts = {}, [], {(part.owner, part.kind): part for part in base.parts}
    unseen: dict[str, dict[bytes, Entry]] = {}
    loaded = {owner: store.segments.read(parts[owner].segment) for owner in assignment.opened(owners) if owner in parts}
    known = {path: entry for entries in loaded.values() for path, entry in entries.items()}
    held = {entry.digest for entry in known.values()}
    for owner in assignment.opened(owners):
        entries = {path: entry for path, entry in loaded.get(owner, {}).items() if path not in owners}
        for path in assignment.by_owner.get(owner, ()):
            entry = changes[path] if path in changes else known[path]
            if entry is not None:
                entries[path] = entry
        parts.pop(owner, None)
        if entries:
            name, place = store.segments.write(entries)
            parts[owner] = Part(*owner, name, guarded=owner[1] == FILES)
            fresh[name] = entries
            paths.append(place)
            if owner[1] == FILES:
                unseen[name] = {p: e for p, e in entries.items() if e.has_object and e.digest not in held}
    about = {
        "interpreter": python._asdict() if python else None,
        "distributions": [dists.to_json(d) for d in assignment.distributions],
        "shared": assignment.shared(),
    }
    manifest = Manifest(tuple(parts[owner] for owner in sorted(parts)), about)
    return Composed(manifest, fresh, paths, unseen)


def _interpreter_of(root: str, base: Manifest) -> Interpreter | None:
    """The interpreter as the tree tells it; where it cannot (pyvenv.cfg was edited), the one it had."""
    try:
        return venv.read_interpreter(root)
    except SysvenvError:
        old = interpreter(base)
        return old if old and os.path.isdir(os.path.join(root, old.site)) else None


class _Assignment:
    """Who owns each path an operation touched. RECORDs are read of touched distributions only, unless that leaves
    a path without an answer."""

    def __init__(
        self, root: str, site: str, base: Manifest, index: Index, changes: Mapping[bytes, Entry | None]
    ) -> None:
        self.root = root
        self.changes = changes
        self.index = index
        self.site = site.encode()
        old = {d.location: d for d in distributions(base)}
        present = dists.find_locations(root, self.site) if site else []
        touched = self._touched_locations(set(present) | old.keys())
        self.distributions = sorted(
            (
                old[place] if place in old and place not in touched else dists.read_distribution(root, place)
                for place in present
            ),
            key=lambda distribution: (distribution.name, distribution.location),
        )
        gone = old.keys() - set(present)
        self.touched = {d.name for d in self.distributions if d.location in touched or d.location not in old}
        self.touched |= {old[place].name for place in gone}
        self.owner_of_segment: dict[str, Owner] = {part.segment: (part.owner, part.kind) for part in base.parts}
        self.claims = self._claims(d for d in self.distributions if d.name in self.touched)
        self.old_shared = {p.encode("utf-8", "surrogateescape"): set(names) for p, names in shared(base).items()}
        self._all_claims: dict[bytes, list[str]] | None = None
        self.by_owner: dict[Owner, list[bytes]] = {}
        self._old_owners: dict[bytes, Owner] = {}

    def owners(self) -> dict[bytes, Owner]:
        """The owner of every path that is, or may be, affected."""
        affected = set(self.changes) | self._rows_of(self.touched)
        segment_of = self.index.segment_of()
        self._old_owners = {path: self.owner_of_segment[name] for path, name in segment_of.items()}
        affected |= {path for path in self.claims if path in segment_of}
        owners = {path: self._owner(path) for path in affected}
        for path, owner in owners.items():
            self.by_owner.setdefault(owner, []).append(path)
        return owners

    def opened(self, owners: Mapping[bytes, Owner]) -> list[Owner]:
        """The segments that must be written anew: the old and new homes of every affected path."""
        old = {self._old_owners[path] for path in owners if path in self._old_owners}
        stated = {(REST, FILES)} if any(path not in self._old_owners for path in owners) else set()
        return sorted(old | set(owners.values()) | stated)

    def shared(self) -> dict[str, list[str]]:
        """Paths that several distributions claim, each with their names, the owner first."""
        result = {}
        for path in self.claims.keys() | self.old_shared.keys():
            names = self._cheap_claimants(path)
            if len(names) > 1 and self.changes.get(path, path) is not None:
                result[path.decode("utf-8", "surrogateescape")] = names
        return result

    def _touched_locations(self, locations: set[bytes]) -> set[bytes]:
        below = self.site + b"/"
        touched = set()
        for path in self.changes:
            if path.startswith(below):
                end = path.find(b"/", len(below))
                top = path if end < 0 else path[:end]
                if top in locations:
                    touched.add(top)
        return touched

    def _claims(self, chosen: Iterable[Distribution]) -> dict[bytes, list[str]]:
        claims: dict[bytes, list[str]] = {}
        for distribution in chosen:
            for path in dists.claims(self.root, distribution.location):
                claims.setdefault(path, []).append(distribution.name)
        return claims

    def _rows_of(self, names: set[str]) -> set[bytes]:
        return {
            path
            for segment, block in self.index.blocks.items()
            if self.owner_of_segment[segment][0] in names
            for path in block.paths
        }

    def _owner(self, path: bytes) -> Owner:
        entry = self.changes.get(path)
        if entry is not None and entry.kind == DIRECTORY:
            return (REST, FILES)
        if not in_cache(path):
            return (self._name(path), FILES)
        source = source_of(path)
        names = self._cheap_claimants(path)
        if names:
            return (names[0], BYTECODE)
        return (self._name(source) if source is not None else REST, BYTECODE)

    def _name(self, path: bytes) -> str:
        """The first canonical name among those who claim a path. RECORDs of untouched distributions are read only
        for paths that are new, or whose owner is."""
        names = self._cheap_claimants(path)
        if not names and (path not in self._old_owners or self._old_owners[path][0] in self.touched):
            names = sorted(self._claims_of_all().get(path, ()))
        return names[0] if names else REST

    def _cheap_claimants(self, path: bytes) -> list[str]:
        names = set(self.claims.get(path, ()))
        names.update(self.old_shared.get(path, set()) - self.touched)
        old = self._old_owners.get(path, (REST, FILES))[0]
        if old != REST and old not in self.touched:
            names.add(old)
        return sorted(names)

    def _claims_of_all(self) -> dict[bytes, list[str]]:
        if self._all_claims is None:
            self._all_claims = self._claims(self.distributions)
        return self._all_claims
