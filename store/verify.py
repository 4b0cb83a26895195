"""Verify: everything the store holds read again and compared with its names. Finds what lstat cannot; never writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from store import digest, disk
from store.errors import StoreError
from store.manifests import Manifest
from store.objects import agrees
from store.pristine import Member
from store.store import Store
from store.tree import Entry

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

_REPORT = 64
"""Report progress every so many files."""


class Fault(NamedTuple):
    """One thing that is not as it should be."""

    subject: str
    """MANIFEST, SEGMENT, OBJECT or PRISTINE."""
    what: str
    """MISSING, DAMAGED, EDITED or UNGUARDED."""
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


def verify(store: Store, manifests: Iterable[str], progress: Callable[[int, int], None] | None = None) -> Verified:
    """Check the named manifests and all others there are, their segments, objects, and every pristine copy.

    ``progress`` is called with how many files were read and how many there are to read.
    """
    faults: list[Fault] = []
    read = list(_manifests(store, {*manifests, *store.manifests.names()}, faults))
    wanted, segments = _segments(store, read, faults)
    needed = {part.segment for manifest in read for part in manifest.parts}
    archives = list(_tables(store, needed, faults))
    loose = list(_loose_copies(store))
    steps = _Steps(progress, len(wanted) + len(loose) + sum(len(members) for _, members in archives))
    copies = _archived(store, archives, faults, steps) | _reflinked(loose, faults, steps)
    for each in wanted.values():
        fault = _object(store, each, copies)
        if fault is not None:
            faults.append(fault)
        steps.step()
    return Verified(tuple(faults), len(read), segments, len(wanted), len(copies))


def sound(store: Store, entry: Entry) -> bool:
    """Whether an entry's object is there, answers lstat as its name says, and holds the content its name says."""
    fault = _object(store, _Wanted(entry, b"", False), frozenset())
    return fault is None


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
            what = DAMAGED if os.path.lexists(store.manifests.path(name)) else MISSING
            faults.append(Fault(MANIFEST, what, name, str(error)))


def _segments(store: Store, manifests: Iterable[Manifest], faults: list[Fault]) -> tuple[dict[str, _Wanted], int]:
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
        for path, entry in tree.items():
            if entry.has_object:
                known = wanted.get(entry.object_name)
                if known is None or (guarded[name] and not known.guarded):
                    wanted[entry.object_name] = _Wanted(entry, path, guarded[name])
    return wanted, len(guarded)


def _tables(store: Store, needed: set[str], faults: list[Fault]) -> Iterator[tuple[bytes, dict[str, Member]]]:
    """The archives and what is in them. One without a table, of a segment that no manifest names, is what a power cut
    left of a state that was being captured: no damage. (Should a content of it be missed, its object is told of.)
    """
    paths = {store.pristine.archive_path(segment) for segment in needed}
    for archive in sorted(store.pristine.archives()):
        try:
            yield archive, store.pristine.members(archive)
        except (StoreError, OSError) as error:
            if archive in paths:
                faults.append(_of_archive(archive, str(error)))


def _archived(
    store: Store, archives: Iterable[tuple[bytes, dict[str, Member]]], faults: list[Fault], steps: _Steps
) -> set[str]:
    """The digests of the contents that archives hold intact. Each frame is decompressed once."""
    intact: set[str] = set()
    for archive, members in archives:
        frames: dict[int, list[tuple[str, Member]]] = {}
        for name, member in members.items():
            frames.setdefault(member.frame_offset, []).append((name, member))
        bad = 0
        for inside in frames.values():
            whole = max(member.offset + member.size for _, member in inside)
            try:
                frame = store.pristine.extract(inside[0][1]._replace(offset=0, size=whole))
            except (StoreError, OSError):
                frame = b""
            for name, member in inside:
                if digest.of_bytes(frame[member.offset : member.offset + member.size]) == name:
                    intact.add(name)
                else:
                    bad += 1
            steps.step(len(inside))
        if bad:
            faults.append(_of_archive(archive, f"{bad} of {len(members)} copies in it are damaged"))
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


def _object(store: Store, wanted: _Wanted, copies: Iterable[str]) -> Fault | None:
    entry = wanted.entry
    what = _what_is_wrong(store, entry)
    copied = entry.digest in copies
    if not what and wanted.guarded and not copied and not store.guard_text_only:
        what = UNGUARDED
    if not what:
        return None
    if what == EDITED and not copied:
        copied = _only_touched(store, entry)
    return Fault(OBJECT, what, entry.object_name, "", wanted.path, wanted.guarded, copied)


def _only_touched(store: Store, entry: Entry) -> bool:
    """Whether an object's mode or time was changed but not its content: then it is its own copy."""
    try:
        return store.objects.content(entry) is not None
    except OSError:
        return False


def _what_is_wrong(store: Store, entry: Entry) -> str:
    try:
        fd = os.open(store.objects.path(entry), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return MISSING
    except OSError:
        return EDITED  # no file, or its owner or mode keeps us out: chmod in place
    try:
        if not agrees(entry, os.fstat(fd)):
            return EDITED
        return "" if digest.of_open_file(fd)[0] == entry.digest else DAMAGED
    except OSError:
        return DAMAGED  # the disk cannot read it
    finally:
        os.close(fd)
