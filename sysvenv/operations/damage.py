"""Damage: what is wrong with what the store holds, grouped, and whom it concerns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from store import harm, inventory
from store import verify as kept
from store.errors import StoreError
from store.harm import Place
from store.inventory import Oddity
from store.named import NamedTuple
from store.store import Store
from store.tree import Tree
from store.verify import Fault, Verified
from sysvenv import manifest, records
from sysvenv.errors import SysvenvError
from sysvenv.operations import states
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, many, some
from sysvenv.operations.session import Session

RECORD = b".dist-info/RECORD"


class Group(NamedTuple):
    """Faults of one kind, as one finding."""

    finding: Finding
    faults: tuple[Fault, ...]


class Report(NamedTuple):
    """The outcome."""

    groups: tuple[Group, ...]
    verified: Verified


def look(session: Session, *, quick: bool, progress: Callable[[int, int], None] | None = None) -> Report:
    """Verify the store of a session; ``quick`` reads no contents."""
    named = states.named(session)
    opinion = None if quick else _Records(session, named).opinion
    verified = kept.verify(session.store, named, progress, quick=quick, opinion=opinion)
    return Report(tuple(grouped(session, verified.faults)), verified)


def grouped(session: Session, faults: Iterable[Fault]) -> list[Group]:
    """One finding for all faults of a kind, each naming the states and the distributions it concerns."""
    groups: dict[tuple[object, ...], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.subject, fault.what, fault.guarded, fault.copied), []).append(fault)
    named = states.named(session)
    everywhere = harm.places(session.store, named, [fault for group in groups.values() for fault in group])
    found = []
    for _, group in sorted(groups.items(), key=lambda item: str(item[0])):
        places = {place for fault in group for place in everywhere[fault.subject, fault.name]}
        fences = bool(places) and any(fault.loses for fault in group)
        finding = _finding(group)._replace(
            states=_states(named, places), distributions=distributions_at(session, places), fences=fences
        )
        found.append(Group(finding, tuple(group)))
    return found


def oddities(session: Session, noticed: Iterable[Oddity] | None = None) -> list[Finding]:
    """What lies in the store and does not belong there, and directories that others may enter."""
    found: dict[str, list[str]] = {}
    for oddity in inventory.take(session.store) if noticed is None else noticed:
        found.setdefault(oddity.what, []).append(os.fsdecode(oddity.path) or session.home.store)
    told = []
    if names := found.get(inventory.STRANGE):
        sentence = f"{many(len(names), 'name')} in the store that sysvenv did not give: {some(names)}."
        told.append(Finding("warning", "store", sentence, "Look at it, and remove it if nothing needs it."))
    if names := found.get(inventory.OPEN):
        sentence = f"Directories whose mode is not {inventory.mode(session.store):04o}: {some(names)}."
        told.append(Finding("warning", "permissions", sentence, FIX))
    if names := found.get(inventory.FOREIGN):
        sentence = f"Directories of the store that another user owns: {some(names)}."
        owner = os.lstat(session.home.store).st_uid
        told.append(Finding("error", "permissions", sentence, f"Run: sudo chown -R {owner} {session.home.store}"))
    if names := found.get(inventory.MISPLACED):
        sentence = f"Something stands where a directory belongs: {some(names)}."
        told.append(Finding("error", "store", sentence, "Move it away, then run: sysvenv doctor --fix"))
    return told


def inner_oddities(session: Session) -> list[Finding]:
    """The same, but for what doctor tells of the store as a whole."""
    return oddities(session, [each for each in inventory.take(session.store) if each.path])


def closed(session: Session, finding: Finding) -> Finding:
    """Oddities put right: directories that others may enter are closed."""
    if finding.remedy != FIX:
        return finding
    mode = inventory.mode(session.store)
    for oddity in inventory.take(session.store):
        if oddity.what == inventory.OPEN:
            os.chmod(os.path.join(session.store.root, oddity.path), mode)
    return finding._replace(message=f"{finding.message} They are {mode:04o} now.", fixed=True)


def all_well(found: Verified, *, quick: bool) -> str:
    """A sentence for a store in which nothing is wrong."""
    how = "what lstat says of them" if quick else "their content"
    return f"{many(found.objects, 'object')} of the store: {how} is what their names say."


def sound(found: Verified, *, quick: bool) -> list[Finding]:
    """A sentence for each part of the store in which nothing is wrong."""
    contents = "times and sizes are as the name says" if quick else "the content is what the name says"
    state = "listed" if quick else "intact"
    parts = {
        kept.MANIFEST: f"{many(found.manifests, 'manifest')} can be read.",
        kept.SEGMENT: f"{many(found.segments, 'segment')} can be read.",
        kept.OBJECT: f"{many(found.objects, 'object')} checked: {contents}.",
        kept.PRISTINE: f"{many(found.copies, 'pristine file')} {state}.",
    }
    faulty = {fault.subject for fault in found.faults}
    return [Finding("ok", subject, sentence) for subject, sentence in parts.items() if subject not in faulty]


class _Records:
    """What the RECORDs say of the files beside them: SHA-256, taken by whoever built the wheel."""

    def __init__(self, session: Session, names: Iterable[str]) -> None:
        self._store: Store = session.store
        self._root = session.home.venv
        self._shared: set[bytes] = set()
        """Paths that several distributions claim: whose RECORD is right, the order of installing decided."""
        for name in names:
            try:
                shared = manifest.shared(session.manifest(name))
            except (StoreError, SysvenvError, OSError):
                continue  # verify tells of it
            self._shared |= {path.encode("utf-8", "surrogateescape") for path in shared}

    def opinion(self, tree: Tree) -> Mapping[bytes, str]:
        """Path -> SHA-256."""
        found: dict[bytes, str] = {}
        for path in [path for path in tree if path.endswith(RECORD)]:
            content = self._store.objects.content(tree[path]) if tree[path].has_object else None
            if content is not None:
                site = os.path.dirname(os.path.dirname(path))
                found.update(records.sha256_in(content, site, self._root))
        return {path: sha256 for path, sha256 in found.items() if path not in self._shared}


def _finding(group: list[Fault]) -> Finding:
    fault = group[0]
    if fault.subject != kept.OBJECT:
        detail = f" ({fault.detail})" if fault.detail else ""
        sentence = f"{_count(group, fault.subject)} {fault.what}: {_names(group)}{detail}."
        return Finding("error", fault.subject, sentence, FIX)
    if fault.what == kept.FOREIGN:
        sentence = f"{_count(group, 'object')} owned by another user, who can change it: {_names(group)}."
        return Finding("warning", "permissions", sentence, "Run: sysvenv doctor")
    if not fault.guarded:
        sentence = f"{_count(group, 'bytecode file')} {fault.what} in the store; Python will build it anew: "
        remedy = "Nothing has to be done." if fault.what == kept.MISSING else FIX  # it is dropped, or was
        return Finding("warning", "bytecode", sentence + _names(group) + ".", remedy)
    if fault.what == kept.ALTERED:
        sentence = f"{_count(group, 'file')} not what RECORD says, nor when sysvenv first saw it: {_names(group)}."
        return Finding(
            "warning", "record", sentence, "If that was not you, install it again: pip install --force-reinstall."
        )
    if fault.what == kept.UNGUARDED:
        sentence = f"{_count(group, 'object')} without a second copy, so an edit in place could not be undone: "
        return Finding("warning", kept.OBJECT, sentence + _names(group) + ".", FIX)
    if fault.what == kept.EDITED and fault.copied:
        sentence = f"{_count(group, 'object')} changed in place; a copy is kept: "
        return Finding("warning", kept.OBJECT, sentence + _names(group) + ".", FIX)
    rest = "a copy is kept" if fault.copied else "no copy is kept"
    verb = "changed in place" if fault.what == kept.EDITED else fault.what
    return Finding("error", kept.OBJECT, f"{_count(group, 'object')} {verb}, {rest}: {_names(group)}.", FIX)


def _states(named: Mapping[str, list[str]], places: Iterable[Place]) -> tuple[str, ...]:
    """In the order of history."""
    concerned = {place.manifest for place in places}
    return tuple(words for name, each in named.items() if name in concerned for words in each)


def distributions_at(session: Session, places: Iterable[Place]) -> tuple[str, ...]:
    """ "demo 1.0": the distributions whose files lie there."""
    found = set()
    for place in places:
        if place.owner in ("", manifest.REST):
            continue
        try:
            here = manifest.distributions(session.manifest(place.manifest))
        except (StoreError, SysvenvError, OSError):
            continue
        versions = [distribution.version for distribution in here if distribution.name == place.owner]
        found.add(f"{place.owner} {versions[0]}" if versions else place.owner)
    return tuple(sorted(found))


def _count(group: list[Fault], noun: str) -> str:
    return f"{many(len(group), noun)} {'is' if len(group) == 1 else 'are'}"


def _names(group: list[Fault]) -> str:
    return some(fault.path or fault.name for fault in group)
