"""Harm: which states a fault of the store concerns, and whose files in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from store import verify
from store.errors import StoreError
from store.manifests import Manifest
from store.named import NamedTuple
from store.store import Store
from store.verify import Fault


class Place(NamedTuple):
    """A part of a state."""

    manifest: str
    owner: str
    """Whose files; "" where all of the state is concerned."""


def places(store: Store, manifests: Iterable[str], faults: Iterable[Fault]) -> dict[tuple[str, str], set[Place]]:
    """Where in the named states each fault lies, by its subject and name. Segments are opened only for objects."""
    wrong = list(faults)
    found: dict[tuple[str, str], set[Place]] = {(fault.subject, fault.name): set() for fault in wrong}
    objects = {fault.name for fault in wrong if fault.subject == verify.OBJECT}
    opened: dict[str, set[str]] = {}
    for name in manifests if wrong else ():
        manifest = _read(store, name)
        if manifest is None:
            found.get((verify.MANIFEST, name), set()).add(Place(name, ""))
            continue
        for part in manifest.parts:
            place = Place(name, part.owner)
            for key in _keys(part.segment):
                if key in found:
                    found[key].add(place)
            if objects and part.segment not in opened:
                opened[part.segment] = _objects_in(store, part.segment, objects)
            for each in opened.get(part.segment, ()):
                found[verify.OBJECT, each].add(place)
    return found


def segments(store: Store, manifests: Iterable[str], wanted: Iterable[str]) -> Mapping[str, list[str]]:
    """The segments of the named states in which each of the wanted objects is."""
    objects = set(wanted)
    found: dict[str, list[str]] = {name: [] for name in objects}
    readable = (_read(store, name) for name in manifests)
    for segment in sorted({part.segment for manifest in readable if manifest for part in manifest.parts}):
        for name in _objects_in(store, segment, objects):
            found[name].append(segment)
    return found


def _keys(segment: str) -> list[tuple[str, str]]:
    return [(verify.SEGMENT, segment), (verify.PRISTINE, f"{segment[:2]}/{segment[2:]}.zst")]


def _read(store: Store, name: str) -> Manifest | None:
    try:
        return store.manifests.read(name)
    except (StoreError, OSError):
        return None


def _objects_in(store: Store, segment: str, objects: set[str]) -> set[str]:
    try:
        return {entry.object_name for entry in store.segments.read(segment).values() if entry.has_object} & objects
    except (StoreError, OSError):
        return set()
