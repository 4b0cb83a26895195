"""Manifests of an environment: which distribution owns which entries, and what packaging says of each."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from store.index import Index
from store.intake import Facts, Kept, Portion
from store.manifests import Manifest, Part
from store.row import Seen, rows
from store.store import Store
from store.tree import DIRECTORY, Entry, is_safe
from sysvenv import dists, venv
from sysvenv.dists import Distribution
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.kinds import in_cache, source_of
from sysvenv.venv import Interpreter

REST = "."
"""The owner of everything no distribution claims: bin/activate, pyvenv.cfg, files copied in by hand."""
FILES = "files"
BYTECODE = "bytecode"

Owner = tuple[str, str]
"""Canonical distribution name, or REST, and FILES or BYTECODE."""


def distributions(manifest: Manifest) -> list[Distribution]:
    """The distributions of a state. Raises DamageFound for what :class:`Composition` cannot have written."""
    try:
        return [dists.from_json(value) for value in manifest.about.get("distributions", [])]
    except (ValueError, TypeError, AttributeError) as error:
        raise DamageFound(
            f"What a manifest says of packages makes no sense ({error}).", "Run: sysvenv verify"
        ) from None


def interpreter(manifest: Manifest) -> Interpreter | None:
    """The interpreter of a state; None for the state of a venv that is gone."""
    value = manifest.about.get("interpreter")
    try:
        found = Interpreter(**value) if value else None
        if found is not None and not is_safe(os.fsencode(found.site)):
            raise ValueError(f"site-packages at {found.site!r}")
    except (ValueError, TypeError) as error:
        raise DamageFound(f"What a manifest says of Python makes no sense ({error}).", "Run: sysvenv verify") from None
    return found


def shared(manifest: Manifest) -> dict[str, list[str]]:
    """Paths that more than one distribution claims -> their names, the owner first."""
    return dict(manifest.about.get("shared", {}))


def brought_origins(manifest: Manifest) -> dict[str, dict[str, Any]] | None:
    """Distribution name -> where it came from, of a state from another machine; None for one made here."""
    value = manifest.about.get("origins")
    return dict(value) if value is not None else None


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


class Composition:
    """The manifest after a change of ``base``: first what becomes each of its new segments, then the whole.

    ``index`` is of ``base``. ``changed`` are files and links as lstat finds them now, ``directories`` the entries of
    directories; None: gone. Segments whose owners lost and gained nothing are taken over without being opened.
    """

    def __init__(
        self,
        store: Store,
        root: str,
        base: Manifest,
        index: Index,
        changed: Mapping[bytes, Seen | None],
        directories: Mapping[bytes, Entry | None],
    ) -> None:
        self._base = {(part.owner, part.kind): part for part in base.parts}
        python = _interpreter_of(root, base)
        site = python.site if python else ""
        assignment = _Assignment(root, site, base, index, changed, directories)
        owners = assignment.owners()
        self.owners = assignment.opened(owners)
        """Whose segments are written anew."""
        opened = {owner: self._base[owner] for owner in self.owners if owner in self._base}
        loaded = {owner: store.segments.read(part.segment) for owner, part in opened.items()}
        known = {path: entry for entries in loaded.values() for path, entry in entries.items()}
        self.facts = Facts(
            found=changed,
            before={path: known[path] for path in (*changed, *directories) if path in known},
            rows=dict(rows(index.blocks[part.segment] for part in opened.values())),
            held={e.digest for owner, entries in loaded.items() if opened[owner].guarded for e in entries.values()},
        )
        self.portions: list[Portion] = []
        """What becomes the segment of each of ``owners``."""
        for owner in self.owners:
            entries = {path: entry for path, entry in loaded.get(owner, {}).items() if path not in owners}
            portion = Portion(entries, [], guarded=owner[1] == FILES)
            for path in assignment.by_owner.get(owner, ()):
                directory, found = directories.get(path), changed.get(path)
                if directory is not None:
                    portion.known[path] = directory
                elif found is not None:
                    portion.paths.append(path)
                elif path not in changed and path not in directories:
                    portion.known[path] = known[path]
            self.portions.append(portion)
        self._about = {
            "interpreter": python._asdict() if python else None,
            "distributions": [dists.to_json(d) for d in assignment.distributions],
            "shared": assignment.shared(),
        }

    def manifest(self, kept: Sequence[Kept]) -> Manifest:
        """The manifest, given what became of each portion."""
        parts = self._base.copy()
        for owner, each in zip(self.owners, kept, strict=True):
            parts.pop(owner, None)
            if each.segment:
                parts[owner] = Part(*owner, each.segment, guarded=owner[1] == FILES)
        return Manifest(tuple(parts[owner] for owner in sorted(parts)), self._about)


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
        self,
        root: str,
        site: str,
        base: Manifest,
        index: Index,
        changed: Mapping[bytes, Seen | None],
        directories: Mapping[bytes, Entry | None],
    ) -> None:
        self.root = root
        self.changed = changed
        self.directories = directories
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
        self._all_claims: dict[bytes, tuple[str, ...]] | None = None
        self.by_owner: dict[Owner, list[bytes]] = {}
        self._segment_of = index.segment_of()

    def owners(self) -> dict[bytes, Owner]:
        """The owner of every path that is, or may be, affected."""
        affected = {*self.changed, *self.directories} | self._rows_of(self.touched)
        affected |= {path for path in self.claims if path in self._segment_of}
        owners = {path: self._owner(path) for path in affected}
        for path, owner in owners.items():
            self.by_owner.setdefault(owner, []).append(path)
        return owners

    def opened(self, owners: Mapping[bytes, Owner]) -> list[Owner]:
        """The segments that must be written anew: the old and new homes of every affected path."""
        old = {self._old_owner(path) for path in owners if path in self._segment_of}
        stated = {(REST, FILES)} if any(path not in self._segment_of for path in owners) else set()
        return sorted(old | set(owners.values()) | stated)

    def shared(self) -> dict[str, list[str]]:
        """Paths that several distributions claim, each with their names, the owner first."""
        result = {}
        several = {path for path, names in self.claims.items() if len(names) > 1 or path in self._segment_of}
        for path in several | self.old_shared.keys():
            names = self._cheap_claimants(path)
            if len(names) > 1 and not self._gone(path):
                result[path.decode("utf-8", "surrogateescape")] = names
        return result

    def _touched_locations(self, locations: set[bytes]) -> set[bytes]:
        below = self.site + b"/"
        touched = set()
        for path in (*self.changed, *self.directories):
            if path.startswith(below):
                end = path.find(b"/", len(below))
                top = path if end < 0 else path[:end]
                if top in locations:
                    touched.add(top)
        return touched

    def _claims(self, chosen: Iterable[Distribution]) -> dict[bytes, tuple[str, ...]]:
        claims: dict[bytes, tuple[str, ...]] = {}
        for distribution in chosen:
            alone = (distribution.name,)
            for path in dists.claims(self.root, distribution.location):
                claims[path] = claims[path] + alone if path in claims else alone
        return claims

    def _rows_of(self, names: set[str]) -> set[bytes]:
        return {
            path
            for segment, block in self.index.blocks.items()
            if self.owner_of_segment[segment][0] in names
            for path in block.paths
        }

    def _old_owner(self, path: bytes) -> Owner:
        segment = self._segment_of.get(path)  # directories and new paths have none
        return self.owner_of_segment[segment] if segment is not None else (REST, FILES)

    def _gone(self, path: bytes) -> bool:
        present = self.changed.get(path) or self.directories.get(path)
        return present is None and (path in self.changed or path in self.directories)

    def _owner(self, path: bytes) -> Owner:
        if self.directories.get(path) is not None:
            return (REST, FILES)
        if self._gone(path):
            return self._old_owner(path)
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
        if not names and (path not in self._segment_of or self._old_owner(path)[0] in self.touched):
            names = sorted(self._claims_of_all().get(path, ()))
        return names[0] if names else REST

    def _cheap_claimants(self, path: bytes) -> list[str]:
        names = set(self.claims.get(path, ()))
        names.update(self.old_shared.get(path, set()) - self.touched)
        old = self._old_owner(path)[0]
        if old != REST and old not in self.touched:
            names.add(old)
        return sorted(names)

    def _claims_of_all(self) -> dict[bytes, tuple[str, ...]]:
        if self._all_claims is None:
            self._all_claims = self._claims(self.distributions)
        return self._all_claims
