"""Collecting garbage: what no state that is kept needs is found, and swept into the trash.

The caller gives the states. Nothing here goes by link counts but the telling of what was freed.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from store import census, disk, trees
from store.census import COPY, MANIFEST, OBJECT, SEGMENT, Held, Ready
from store.named import NamedTuple
from store.store import Store
from store.trees import Standing

_REPACK_FROM = 0.5
"""An archive is written anew when more than this share of it is needed by nobody ..."""
_BLOCK = 4096
"""... and that gives back as many bytes."""
KEPT = sys.maxsize
"""The claim of what stays whatever happens. Smaller ones say in which order states may go, 1 first."""


class Weighed(NamedTuple):
    """A file that may go, and how much that would free."""

    held: Held
    freed: int
    """Allocated bytes: 0 where something that stays is another name of it."""


class Repack(NamedTuple):
    """An archive that stays for some of its contents, to be written anew without the others."""

    path: bytes
    wanted: frozenset[str]
    """The digests of those that stay."""
    freed: int
    """About how many allocated bytes that gives back: packed, all contents are taken to shrink alike."""


class Plan(NamedTuple):
    """What goes."""

    trees: tuple[tuple[Standing, int], ...]
    """Trees that stand ready, each with what it takes for itself."""
    files: tuple[Weighed, ...]
    """In this order: what names others goes first."""
    archives: tuple[Repack, ...]
    """More than half of these is needed by nobody."""
    idle: int
    """About how many bytes nobody needs lie in archives that stay as they are."""

    @property
    def freed(self) -> int:
        """Allocated bytes."""
        files = sum(each.freed for each in self.files) + sum(each.freed for each in self.archives)
        return files + sum(weight for _, weight in self.trees)

    def count(self, kind: str) -> int:
        """How many files of a kind go."""
        return sum(1 for each in self.files if each.held.kind == kind)


class Swept(NamedTuple):
    """What went."""

    trees: int
    manifests: int
    segments: int
    copies: int
    objects: int
    repacked: int
    """Archives that were written anew."""
    freed: int


class Marked:
    """A store in which everything is marked with the largest claim on it."""

    def __init__(self, found: census.Census, files: list[Weighed], weights: list[tuple[Ready, int]]) -> None:
        self._census = found
        self._files = files
        self._trees = weights

    def plan(self, least: int = KEPT) -> Plan:
        """Let everything go whose claim is less than ``least``."""
        archives, idle = [], 0
        for held in self._census.files:
            if not held.contents or held.claim < least:
                continue
            share = _unneeded(held, least)
            size = int(disk.allocated_at(held.path) * share) if share else 0
            if share > _REPACK_FROM and size >= _BLOCK:
                wanted = frozenset(content.name for content in held.contents if content.claim >= least)
                archives.append(Repack(held.path, wanted, size))
            else:
                idle += size
        return Plan(
            tuple((ready.tree, weight) for ready, weight in self._trees if ready.claim < least),
            tuple(each for each in self._files if each.held.claim < least),
            tuple(archives),
            idle,
        )


def mark(store: Store, claims: Mapping[str, int], pinned: Mapping[str, int], keep_trees: int) -> Marked:
    """Mark what the claimed states need, each a manifest with its claim; of the trees that stand ready at most
    ``keep_trees`` and those ``pinned`` stay, the others of them with their states.

    To be called, like :func:`apply`, with the store's lock held. Raises Damaged when a claimed state cannot be read:
    then nothing may be swept.
    """
    found = census.take(store, claims, max, pinned)
    loose = [ready for ready in found.trees if ready.tree.name not in pinned]
    spare = {ready.tree.name for ready in loose[: max(0, len(loose) - keep_trees)]}
    ready_trees = [ready._replace(claim=0) if ready.tree.name in spare else ready for ready in found.trees]
    links = names_in_trash(store)
    weights = []
    for ready in ready_trees:
        if ready.claim < KEPT:
            weights.append((ready, own(store, ready.tree, links)))
    files = [Weighed(held, _freed(held.path, links)) for held in found.files if held.claim < KEPT]
    return Marked(found, files, weights)


def apply(store: Store, plan: Plan, until: float = float("inf")) -> Swept:
    """Sweep what the plan names into the trash, each file with a rename; it is deleted when nobody waits.

    Stops ``until`` that moment of time.monotonic() is past. May be killed at any time: what goes first is what names
    others, so that nothing that can be found names what is gone. On a disk that takes no new name, files are deleted
    at once. Archives are written anew last, as that takes space.
    """
    freed = 0
    gone: Counter[str] = Counter()
    for tree, weight in plan.trees:
        trees.bury_checkout(store, tree)
        freed += weight
    if plan.trees:
        disk.sync_directory(store.trees)
    heap = _Heap(store)
    naming = True
    for each in plan.files:
        if naming and each.held.kind != MANIFEST:
            naming = False
            if gone[MANIFEST]:
                disk.sync_directory(store.manifests.root)
        if time.monotonic() > until:
            break
        heap.throw(each.held.path)
        gone[each.held.kind] += 1
        freed += each.freed
    if naming and gone[MANIFEST]:
        disk.sync_directory(store.manifests.root)
    store.pristine.forget_members()
    given_back = [_repack(store, each) for each in plan.archives if time.monotonic() <= until]
    freed += sum(given_back)
    repacked = sum(1 for size in given_back if size)
    return Swept(len(plan.trees), gone[MANIFEST], gone[SEGMENT], gone[COPY], gone[OBJECT], repacked, freed)


def _repack(store: Store, each: Repack) -> int:
    """Write an archive anew; how many allocated bytes that gave back. One that is damaged, or for which there is no
    space, stays as it is."""
    before = disk.allocated_at(each.path)
    try:
        done = store.pristine.repack(each.path, each.wanted)
    except OSError as error:
        if error.errno not in disk.FULL:
            raise
        return 0
    return max(0, before - disk.allocated_at(each.path)) if done else 0


class _Heap:
    """A directory in the trash, made when there is something to throw on it."""

    def __init__(self, store: Store) -> None:
        self._place = os.path.join(store.trash, trees.new_name().encode())
        self._count = 0
        self._full = False

    def throw(self, path: bytes) -> None:
        """Move a file there, or delete it where there is no room for its name."""
        try:
            if not self._full:
                if not self._count:
                    os.makedirs(self._place, 0o700)
                self._count += 1
                os.rename(path, b"%s/%d" % (self._place, self._count))
                return
        except FileNotFoundError:
            return  # somebody deleted it meanwhile
        except OSError as error:
            if error.errno not in disk.FULL:
                raise
            self._full = True
        disk.discard(path)


def names_in_trash(store: Store) -> Counter[int]:
    """How many names of each inode are being deleted anyway."""
    return Counter(entry.inode() for entry in _below(store.trash))


def own(store: Store, tree: Standing, links: Counter[int]) -> int:
    """What a ready tree takes for itself: directories, and files nothing else is a name of. ``links`` learns how many
    names of each inode it has."""
    checkout = trees.take(store, tree)
    blocks = checkout.expected.blocks.values() if checkout is not None else ()
    shared = {ino for block in blocks for ino in block.columns[0]}
    size = disk.allocated_at(tree.path)
    for entry in _below(tree.path):
        links[entry.inode()] += 1
        if entry.inode() not in shared:
            size += _freed(entry.path, {})
    return size


def _below(root: bytes) -> Iterator[os.DirEntry[bytes]]:
    """Everything below a directory, as far as it is still there."""
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        waiting += (entry.path for entry in found if entry.is_dir(follow_symlinks=False))
        yield from found


def _freed(path: bytes, links: Mapping[int, int]) -> int:
    """What goes with a file. Ready trees that hold an object have its claim at most, so they go no later."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 + links.get(found.st_ino, 0):
        return 0
    return disk.allocated(found)


def _unneeded(held: Held, least: int) -> float:
    """Which share of an archive nobody needs, before packing."""
    whole = sum(content.size for content in held.contents)
    return sum(content.size for content in held.contents if content.claim < least) / whole if whole else 0.0
