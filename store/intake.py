"""Intake: files of a tree become objects, archives and segments, each file read once, a segment at a time.

What a segment needed is let go of when it is written, so that memory does not grow with the tree; and many files are
taken in by two processes, each with segments of its own. Some can be taken in beforehand, while others are still made.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from store import disk, fork, objects, room
from store.index import ANY, RACY, Block, Index, block, decode, encode
from store.named import NamedTuple
from store.pristine import Archive
from store.row import Row, Seen
from store.store import Store
from store.tree import DIRECTORY, LINK, Entry

WORTH_A_FORK = 2000
"""Files below which a second process costs more than it saves."""
WORTH_A_LOOK = 500
"""Files from which on the tables of all archives are read: what another environment has already is not kept again."""
FILE_WEIGHS = 30_000
"""Opening, linking and listing a file takes about as long as compressing this many bytes."""


class Portion(NamedTuple):
    """What becomes one segment."""

    known: dict[bytes, Entry]
    """Entries that are as they were."""
    paths: list[bytes]
    """Files and links to read."""
    guarded: bool
    """Whether pristine copies are kept."""


class Facts(NamedTuple):
    """What is known of the paths of all portions."""

    found: Mapping[bytes, Seen | None]
    """What lstat said of those to read."""
    before: Mapping[bytes, Entry]
    """What the state before has at those to read, where it has anything."""
    rows: Mapping[bytes, Row]
    """The index's rows of the known entries."""
    held: Collection[str]
    """Digests of contents that have a pristine copy already."""

    def weight(self, portion: Portion) -> int:
        """How long a portion takes, in bytes to compress."""
        packed = 1 if portion.guarded else 10  # hashing alone is ten times as fast
        found = (self.found[path] for path in portion.paths)
        return sum(FILE_WEIGHS + each.st_size // packed for each in found if each is not None)


class Kept(NamedTuple):
    """A portion that was taken in."""

    segment: str
    """Its segment's name; empty where no entry is left."""
    added: int
    modified: int
    gone: tuple[bytes, ...]
    """Paths that vanished before they were read."""


class Taken(NamedTuple):
    """Portions that were taken in."""

    kept: Sequence[Kept]
    """Of each portion, in their order."""
    blocks: dict[str, Block]
    """The index blocks of the segments written."""
    young: set[bytes]
    """Files read so shortly after they were written that a later change might not show."""
    new: list[bytes]
    """Files of the store to be made durable; where they are too many to be synced one by one, not all of them."""


_Share = tuple[list[int], bytes, list[tuple[str, int, int, tuple[bytes, ...]]], set[bytes], list[bytes]]
"""What one of two processes took in, of values that marshal knows: the portions' numbers, then as in Taken."""


class Beforehand:
    """Portions that were taken in before the whole was complete. Each counts as long as its files are as they were."""

    def __init__(self) -> None:
        self._done: dict[frozenset[bytes], tuple[bool, list[Seen | None], Taken]] = {}

    def take(self, store: Store, root: bytes, portion: Portion, found: Mapping[bytes, Seen]) -> None:
        """Take in files that nothing is known of yet, with the store's lock held. Raises like :func:`take_in`.

        What is too young to be believed counts for nothing: it will be read again.
        """
        taken = _take_in(store, root, [portion], Facts(found, {}, {}, ()))
        if not taken.young and not taken.kept[0].gone:
            self._done[frozenset(portion.paths)] = (portion.guarded, _seen(portion, found), taken)

    def of(self, store: Store, portion: Portion, facts: Facts) -> Taken | None:
        """What was taken in of a portion; None where that is not, or no more, the same."""
        guarded, seen, taken = self._done.get(frozenset(portion.paths), (None, [], None))
        if taken is None or portion.known or portion.guarded != guarded or _seen(portion, facts.found) != seen:
            return None
        (kept,) = taken.kept
        if facts.before.keys().isdisjoint(portion.paths):
            return taken
        entries = store.segments.read(kept.segment)
        return taken._replace(kept=[_kept(kept.segment, entries, portion.paths, facts.before)])


def take_in(
    store: Store, root: bytes, portions: Sequence[Portion], facts: Facts, beforehand: Beforehand | None = None
) -> Taken:
    """Keep what stands below ``root``. Raises StoreError, before anything is written, where the disk has no room."""
    done: dict[int, Taken] = {}
    for number, portion in enumerate(portions):
        if beforehand is not None and (taken := beforehand.of(store, portion, facts)) is not None:
            done[number] = taken
    rest = [number for number in range(len(portions)) if number not in done]
    taken = _take_in(store, root, [portions[number] for number in rest], facts)
    return _together([(rest, taken), *(([number], each) for number, each in done.items())])


def _take_in(store: Store, root: bytes, portions: Sequence[Portion], facts: Facts) -> Taken:
    _refuse_if_short(store, portions, facts)
    count = sum(len(portion.paths) for portion in portions)
    if count >= WORTH_A_LOOK and not store.pristine.shares_blocks():
        facts = facts._replace(held={*facts.held, *store.pristine.names()})
    if len(portions) < 2 or count < WORTH_A_FORK or not fork.worth_it():
        return _Intake(store, root, facts).take(portions)
    numbers: list[int] = []

    def mine(turns: Iterable[int]) -> Iterator[Portion]:
        for number in turns:
            numbers.append(number)
            yield portions[number]

    def share(turns: Iterable[int]) -> _Share:
        taken = _Intake(store, root, facts).take(mine(turns))
        kept = [(each.segment, each.added, each.modified, each.gone) for each in taken.kept]
        return numbers, encode(Index("", taken.blocks, {}, {})), kept, taken.young, taken.new

    with fork.in_turns([facts.weight(portion) for portion in portions]) as turns:
        shares = fork.both(lambda: share(turns), lambda: share(turns))
    return _together(
        (theirs, Taken([Kept(*each) for each in kept], decode(index).blocks, young, new))
        for theirs, index, kept, young, new in shares
    )


def _together(parts: Iterable[tuple[Sequence[int], Taken]]) -> Taken:
    """Several parts as one, each with the numbers of its portions."""
    kept: dict[int, Kept] = {}
    blocks: dict[str, Block] = {}
    young: set[bytes] = set()
    new: list[bytes] = []
    for numbers, taken in parts:
        kept.update(zip(numbers, taken.kept, strict=True))
        blocks.update(taken.blocks)
        young |= taken.young
        new += taken.new
    return Taken([kept[number] for number in sorted(kept)], blocks, young, new)


def _seen(portion: Portion, found: Mapping[bytes, Seen | None]) -> list[Seen | None]:
    return [found[path] for path in sorted(portion.paths)]


def _kept(
    segment: str,
    entries: Mapping[bytes, Entry],
    present: Collection[bytes],
    before: Mapping[bytes, Entry],
    gone: Sequence[bytes] = (),
) -> Kept:
    """A portion of which ``present`` was read, and how it differs from ``before``."""
    added = sum(1 for path in present if path not in before)
    same = sum(1 for path in present if entries[path].same(before.get(path)))
    return Kept(segment, added, len(present) - added - same, tuple(gone))


def _refuse_if_short(store: Store, portions: Sequence[Portion], facts: Facts) -> None:
    found = (facts.found[path] for portion in portions if portion.guarded for path in portion.paths)
    packed = sum(each.st_size for each in found if each is not None) // room.PACKED
    if packed >= room.LARGE and not store.pristine.shares_blocks():
        room.refuse_if_short(store.root, "Keeping what changed", packed)


class _Intake:
    """One process's share of the work."""

    def __init__(self, store: Store, root: bytes, facts: Facts) -> None:
        self._store = store
        self._root = root
        self._facts = facts
        self._young: set[bytes] = set()
        self._new: list[bytes] = []

    def take(self, portions: Iterable[Portion]) -> Taken:
        kept = []
        blocks: dict[str, Block] = {}
        for portion in portions:
            with self._store.pristine.archive(text_only=self._store.guard_text_only) as archive:
                kept.append(self._portion(portion, archive, blocks))
        return Taken(kept, blocks, self._young, self._new)

    def _portion(self, portion: Portion, archive: Archive, blocks: dict[str, Block]) -> Kept:
        entries = dict(portion.known)
        rows = self._facts.rows
        inodes = {path: rows[path].ino for path in entries if path in rows}
        absent = {path for path, entry in entries.items() if path not in inodes and entry.kind != DIRECTORY}
        gone = []
        for path in sorted(portion.paths):
            try:
                entries[path] = self._read(path, inodes, archive if portion.guarded else None)
            except FileNotFoundError:
                gone.append(path)
        if not entries:
            return Kept("", 0, 0, tuple(gone))
        segment, place = self._store.segments.write(entries)
        self._to_sync(place, *archive.finish(segment))
        doubtful = {path for path in portion.known if path in rows and rows[path].size == ANY}
        racy = frozenset(doubtful | (self._young.intersection(portion.paths)))
        rowed = {path: entry for path, entry in entries.items() if path not in absent}  # damaged bytecode is not laid
        blocks[segment] = block(segment, rowed, inodes, racy)
        return _kept(segment, entries, set(portion.paths).difference(gone), self._facts.before, gone)

    def _read(self, path: bytes, inodes: dict[bytes, int], archive: Archive | None) -> Entry:
        """Read a file or link, and link it in. Raises FileNotFoundError when it is gone."""
        place = self._root + b"/" + path
        found = self._facts.found[path]
        now = time.time_ns()
        if found is not None and stat.S_ISLNK(found.st_mode):
            entry, inodes[path], content = Entry(LINK, mtime=found.st_mtime_ns, target=os.readlink(place)), 0, None
        else:
            entry, inodes[path], content = objects.read(place)
        if entry.mtime >= now - RACY:
            self._young.add(path)
        if not entry.has_object:
            return entry
        if archive is not None and entry.digest not in self._facts.held:
            archive.add(entry, place, content)
        entry = self._store.objects.link_in(place, entry)
        self._to_sync(self._store.objects.path(entry))
        return entry

    def _to_sync(self, *paths: bytes) -> None:
        """Remember new files. More than a few make the whole filesystem be synced, so the others need no mention."""
        if len(self._new) <= disk.MANY_FILES:
            self._new += paths
