"""Verify: what the store holds compared with its names, by lstat or by reading everything. Never writes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from store import digest, disk
from store.errors import StoreError
from store.manifests import Manifest
from store.named import NamedTuple
from store.objects import agrees
from store.pristine import Member
from store.store import Store
from store.tree import Entry, Tree

MANIFEST = "manifest"
SEGMENT = "segment"
OBJECT = "object"
PRISTINE = "pristine"

MISSING = "missing"
DAMAGED = "damaged"
"""Its bytes are not what its name says, and for an object: nothing lstat tells gives that away."""
EDITED = "edited"
"""An object whose lstat shows that it was changed in place: the next audit makes that an object of its own."""
UNGUARDED = "unguarded"
"""An intact object that could not be rebuilt after an edit in place, for no second copy of it is kept."""
ALTERED = "altered"
"""An intact object whose bytes are not what the second opinion says: it was altered before it was recorded."""
FOREIGN = "foreign"
"""An object that another user owns, who could change it."""

_REPORT = 64
"""Report progress every so many files."""

Opinion = Callable[[Tree], Mapping[bytes, str]]
"""What somebody else says of the files of a segment: path -> SHA-256 in hexadecimal digits."""


class Fault(NamedTuple):
    """One thing that is not as it should be."""

    subject: str
    """MANIFEST, SEGMENT, OBJECT or PRISTINE."""
    what: str
    """MISSING, DAMAGED, EDITED, UNGUARDED, ALTERED or FOREIGN."""
    name: str
    """The object's, segment's or manifest's name; the file name of an archive."""
    detail: str = ""
    """The sentence of the error, where there was one."""
    path: bytes = b""
    """Of an object: the first path that is it."""
    guarded: bool = True
    """Of an object: whether the files it is for are guarded (bytecode is not: Python builds it again)."""
    copied: bool = False
    """Of an object: whether its content is still to be had, from a pristine copy or (chmod, touch) from itself."""
    entry: Entry | None = None
    """Of an object."""

    @property
    def loses(self) -> bool:
        """Whether states that need it cannot be laid out any more."""
        if self.subject == OBJECT:
            return self.guarded and not self.copied and self.what in (MISSING, DAMAGED, EDITED)
        return self.subject in (MANIFEST, SEGMENT)


class Verified(NamedTuple):
    """The outcome."""

    faults: tuple[Fault, ...]
    manifests: int
    segments: int
    objects: int
    copies: int
    """Contents in archives and reflinked copies."""


class _Wanted(NamedTuple):
    """An object some manifest names."""

    entry: Entry
    path: bytes
    guarded: bool
    claims: frozenset[str] = frozenset()
    """What a second opinion says its SHA-256 is."""


def verify(
    store: Store,
    manifests: Iterable[str],
    progress: Callable[[int, int], None] | None = None,
    *,
    quick: bool = False,
    opinion: Opinion | None = None,
) -> Verified:
    """Check the named manifests and all others there are, their segments, objects, and every pristine copy.

    ``quick`` asks lstat and reads no contents. ``progress`` is called with how many files were read and how many there
    are to read.
    """
    faults: list[Fault] = []
    read = list(_manifests(store, {*manifests, *store.manifests.names()}, faults))
    wanted, segments = _segments(store, read, None if quick else opinion, faults)
    needed = {part.segment for manifest in read for part in manifest.parts}
    archives = list(_tables(store, needed, faults))
    loose = list(_loose_copies(store))
    if quick:
        steps = _Steps(progress, len(wanted))
        copies = {name for _, members in archives for name in members} | {content for _, content in loose}
    else:
        steps = _Steps(progress, len(wanted) + len(loose) + sum(len(members) for _, members in archives))
        copies = _archived(store, archives, faults, steps) | _reflinked(loose, faults, steps)
    look = _glance if quick else _read
    owner = os.lstat(store.root).st_uid
    for each in wanted.values():
        faults += _object(store, each, copies, look(store, each, owner))
        steps.step()
    return Verified(tuple(faults), len(read), segments, len(wanted), len(copies))


def sound(store: Store, entry: Entry) -> bool:
    """Whether an entry's object is there, answers lstat as its name says, and holds the content its name says."""
    return not _read(store, _Wanted(entry, b"", False), -1) - {FOREIGN}


class _Steps:
    """Counts files read and tells the caller now and then."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def step(self, count: int = 1) -> None:
        before = self._done // _REPORT
        self._done += count
        if self._progress is not None and (self._done // _REPORT > before or self._done == self._total):
            self._progress(self._done, self._total)


def _manifests(store: Store, names: Iterable[str], faults: list[Fault]) -> Iterator[Manifest]:
    for name in sorted(names):
        try:
            yield store.manifests.read(name)
        except (StoreError, OSError) as error:
            there = digest.is_one(name) and os.path.lexists(store.manifests.path(name))
            what = DAMAGED if there else MISSING
            faults.append(Fault(MANIFEST, what, name, str(error)))


def _segments(
    store: Store, manifests: Iterable[Manifest], opinion: Opinion | None, faults: list[Fault]
) -> tuple[dict[str, _Wanted], int]:
    """Every object the segments name, by its name, and how many segments there are."""
    guarded: dict[str, bool] = {}
    for manifest in manifests:
        for part in manifest.parts:
            guarded[part.segment] = guarded.get(part.segment, False) or part.guarded
    wanted: dict[str, _Wanted] = {}
    for name in sorted(guarded):
        try:
            tree = store.segments.read(name)
        except (StoreError, OSError) as error:
            what = DAMAGED if os.path.lexists(store.segments.path(name)) else MISSING
            faults.append(Fault(SEGMENT, what, name, str(error)))
            continue
        claims = opinion(tree) if opinion is not None and guarded[name] else {}
        for path, entry in tree.items():
            if entry.has_object:
                object_name = entry.object_name
                known = wanted.get(object_name)
                if known is None or (guarded[name] and not known.guarded):
                    known = wanted[object_name] = _Wanted(entry, path, guarded[name])
                if path in claims:
                    wanted[object_name] = known._replace(claims=known.claims | {claims[path]})
    return wanted, len(guarded)


def _tables(store: Store, needed: set[str], faults: list[Fault]) -> Iterator[tuple[bytes, dict[str, Member]]]:
    """The archives and what is in them. One without a table, of a segment that no manifest names, is what a power cut
    left of a state that was being captured: no damage. (Should a content of it be missed, its object is told of.)
    """
    for archive in sorted(store.pristine.archives()):
        try:
            yield archive, store.pristine.members(archive)
        except (StoreError, OSError) as error:
            if store.pristine.segment_of(archive) in needed:
                faults.append(_of_archive(archive, str(error)))


def _archived(
    store: Store, archives: Iterable[tuple[bytes, dict[str, Member]]], faults: list[Fault], steps: _Steps
) -> set[str]:
    """The digests of the contents that archives hold intact. Each frame is decompressed once."""
    intact: set[str] = set()
    for archive, members in archives:
        found: set[str] = set()
        for inside in store.pristine.intact(members):
            found |= inside.keys()
        steps.step(len(members))
        intact |= found
        if len(found) < len(members):
            faults.append(
                _of_archive(archive, f"{len(members) - len(found)} of {len(members)} copies in it are damaged")
            )
    return intact


def _of_archive(archive: bytes, detail: str) -> Fault:
    return Fault(PRISTINE, DAMAGED, "/".join(os.fsdecode(archive).split("/")[-2:]), detail)


def _loose_copies(store: Store) -> Iterator[tuple[bytes, str]]:
    """The reflinked copies and the digests they are named by. What has another name is unfinished, not a copy."""
    for directory, _, names in os.walk(store.pristine.root):
        for name in sorted(names):
            content = os.fsdecode(os.path.basename(directory) + name)
            if len(content) == 32 and content.isalnum():
                yield os.path.join(directory, name), content


def _reflinked(copies: Iterable[tuple[bytes, str]], faults: list[Fault], steps: _Steps) -> set[str]:
    intact: set[str] = set()
    for path, content in copies:
        try:
            found = digest.of_bytes(disk.read(path))
        except OSError:
            found = ""
        if found == content:
            intact.add(content)
        else:
            faults.append(Fault(PRISTINE, DAMAGED, content))
        steps.step()
    return intact


def _object(store: Store, wanted: _Wanted, copies: Collection[str], wrong: set[str]) -> Iterator[Fault]:
    entry = wanted.entry
    copied = entry.digest in copies
    if wanted.guarded and not copied and not store.guard_text_only and not wrong - {ALTERED, FOREIGN}:
        wrong = wrong | {UNGUARDED}
    for what in sorted(wrong):
        kept = copied or (what == EDITED and store.objects.content(entry) is not None)  # chmod, touch: its own copy
        yield Fault(OBJECT, what, entry.object_name, "", wanted.path, wanted.guarded, kept, entry)


def _glance(store: Store, wanted: _Wanted, owner: int) -> set[str]:
    """What lstat tells of an object."""
    try:
        found = os.lstat(store.objects.path(wanted.entry))
    except (FileNotFoundError, NotADirectoryError):
        return {MISSING}
    except OSError:
        return {EDITED}
    if not agrees(wanted.entry, found):
        return {EDITED}
    return {FOREIGN} if found.st_uid != owner else set()


def _read(store: Store, wanted: _Wanted, owner: int) -> set[str]:
    """The same, and what its content tells."""
    wrong = _glance(store, wanted, owner)
    if wrong - {FOREIGN}:
        return wrong
    try:
        fd = os.open(store.objects.path(wanted.entry), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {EDITED}  # its owner or mode keeps us out: chmod in place, on a path that is not ours
    second = hashlib.sha256() if wanted.claims else None
    reading = digest.Reading(fd)
    try:
        for piece in reading:
            if second is not None:
                second.update(piece)
    except OSError:
        return {DAMAGED}  # the disk cannot read it
    finally:
        os.close(fd)
    if reading.digest() != wanted.entry.digest:
        return {DAMAGED}
    if second is not None and second.hexdigest() not in wanted.claims:
        return wrong | {ALTERED}
    return wrong
