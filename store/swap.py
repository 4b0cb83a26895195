"""The swap: a ready checkout and the live tree change places in one step; what was live is set aside whole."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from store import audit, capture, disk, journal, layered, objects, trees
from store.errors import Lower, Unsupported
from store.index import ANY, Index, settle
from store.layout import Work
from store.named import NamedTuple
from store.row import Seen, rows_of
from store.scan import Drift, Sort, survey
from store.store import Store
from store.tree import DIRECTORY, Entry, parents
from store.trees import Checkout, Marker

JOURNAL = b"exchange.json"
"""In the store while two renames stand in for an exchange: what recovery must finish."""


class Mended(NamedTuple):
    """What had to be put right in a checkout before it could go live."""

    checkout: Checkout
    healed: tuple[bytes, ...]
    """Paths that were laid anew: edited in place, replaced or deleted since the tree was set aside."""
    rescued: tuple[bytes, ...]
    """Absolute paths of files somebody had written into the tree while it was set aside."""


def mend(store: Store, checkout: Checkout, looked: audit.Looked, sort: Sort, live: Index | None = None) -> Mended:
    """Put right what disagrees in a checkout that is about to go live; ``looked`` is its audit.

    ``live`` is the index of the live tree: an edit of an inode that is there too will be recorded from there.
    """
    touched, moved = looked
    if not moved and not touched:
        return Mended(checkout, (), ())
    drift, entries = disagreeing(store, checkout, looked, sort)
    known = {path: entry for path, entry in entries.items() if entry.kind != DIRECTORY}
    rescued = _rescue(store, checkout, drift, entries, live)
    _drop_directories(checkout, drift)
    checkout = checkout._replace(expected=_relay(store, checkout, known))
    mended = checkout._replace(expected=checkout.expected.replace(directories=_restore_directories(checkout, drift)))
    trees.save_index(store, mended.name, mended.expected)
    return Mended(mended, tuple(sorted(known)), tuple(rescued))


def clear(store: Store, checkout: Checkout, sort: Sort) -> list[bytes]:
    """Before a tree that was set aside is transformed or given up: save what somebody wrote into it since.

    Returns where it is now. An edit in place needs no saving, as it reached the object too; what was empty has none.
    """
    private = [block.private() for block in checkout.expected.blocks.values() if block.count > block.shared]
    touched, moved = audit.look(checkout.path, checkout.expected, private)
    if not touched and not moved:
        return []
    return _rescue(store, checkout, *disagreeing(store, checkout, (touched, moved), sort))


def disagreeing(store: Store, checkout: Checkout, looked: audit.Looked, sort: Sort) -> tuple[Drift, dict[bytes, Entry]]:
    """What is other in a checkout than it was, and the entries of what belongs there. Whatever only could not be
    believed by lstat, and is as it should be, is in neither."""
    touched, moved = looked
    drift = survey(checkout.path, checkout.expected, touched, moved, sort)
    entries = capture.entries(store, checkout.expected, drift.changed)
    standing = {path for path, entry in entries.items() if _stands(store, entry, drift.changed[path])}
    changed = {path: found for path, found in drift.changed.items() if path not in standing}
    return drift._replace(changed=changed), {path: entries[path] for path in entries.keys() - standing}


def _rescue(
    store: Store, checkout: Checkout, drift: Drift, entries: Mapping[bytes, Entry], live: Index | None = None
) -> list[bytes]:
    """Move out of a checkout the inodes that neither the store nor the live tree has, and, where ``live`` tells what
    that has, those whose object was written to through this tree alone."""
    late = [path for path, ino in drift.data.items() if checkout.expected.data.get(path) != ino]
    held = rows_of(live, drift.changed) if live is not None else {}
    for path, found in drift.changed.items():
        if found is None or (path in held and held[path].ino == found.st_ino):
            continue
        entry = entries.get(path)
        if not _is_object(store, entry, found.st_ino) or (live is not None and _is_edited(store, entry)):
            late.append(path)
    return trees.rescue(store, checkout.path, sorted(late), checkout.name)


def _stands(store: Store, entry: Entry, found: Seen | None) -> bool:
    """Whether what belongs there is there: the row was only too young to be believed, or says more bits than a file
    that was rebuilt can have."""
    return (
        found is not None
        and objects.agrees(entry, found)
        and (not entry.has_object or found.st_ino == store.objects.inode(entry))
    )


def _is_object(store: Store, entry: Entry | None, ino: int) -> bool:
    """Whether an unexpected file is at least the inode of the expected object: then the edit is in the store."""
    return entry is not None and entry.has_object and store.objects.inode(entry) == ino


def _is_edited(store: Store, entry: Entry | None) -> bool:
    """Whether the content of an object is another than its name says."""
    return entry is not None and not store.objects.intact(entry) and store.objects.content(entry) is None


def _relay(store: Store, checkout: Checkout, wrong: Mapping[bytes, Entry]) -> Index:
    """Replace names in a set-aside tree by what belongs there; returns its index with the inodes they have now.

    Bytecode that was edited in place is dropped, as no copy of it is kept.
    """
    expected = checkout.expected
    if not wrong:
        return expected
    segment_of = expected.segment_of(wrong.__contains__)
    guarded = {part.segment for part in store.manifests.read(expected.manifest).parts if part.guarded}
    work = Work(store, checkout.path)
    inodes: dict[bytes, int | None] = {}
    for path, entry in sorted(wrong.items()):
        place = os.path.join(checkout.path, path)
        disk.discard(place)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        inodes[path] = work.lay(path, entry, segment_of.get(path) in guarded)
    if work.copied:
        disk.barrier(checkout.path, work.copied)
    mended = {segment: expected.blocks[segment].amended(inodes) for segment in set(segment_of.values())}
    return expected.replace(blocks={**expected.blocks, **mended})


def _drop_directories(checkout: Checkout, drift: Drift) -> None:
    """Directories that came later go if they are empty."""
    for path in sorted(drift.directories.keys() - checkout.expected.directories.keys(), key=len, reverse=True):
        try:
            os.rmdir(os.path.join(checkout.path, path))
        except OSError:
            continue  # it holds something: survey told of it, and it is harmless


def _restore_directories(checkout: Checkout, drift: Drift) -> dict[bytes, tuple[int, int]]:
    """Directories get their modes back."""
    expected = checkout.expected.directories
    result = dict(drift.directories)
    for path in sorted(expected):
        place = os.path.join(checkout.path, path) if path else checkout.path
        mode = expected[path][0]
        if path not in drift.directories:
            os.makedirs(place, exist_ok=True)
        if drift.directories.get(path, (None, 0))[0] != mode:
            os.chmod(place, mode)
        result[path] = (mode, drift.directories.get(path, expected[path])[1])
    return {path: value for path, value in result.items() if path in expected}


def carry(live: bytes, data: Iterable[bytes], target: Checkout) -> tuple[dict[bytes, int], list[bytes]]:
    """Give ``target`` a second name of each of the user's files.

    Returns the inode numbers of those that came along, and those whose place the target needs.
    """
    carried: dict[bytes, int] = {}
    taken: list[bytes] = []
    for path in data:
        try:
            ino = os.lstat(os.path.join(live, path)).st_ino
            if _carry_one(live, path, target, ino):
                carried[path] = ino
            else:
                taken.append(path)
        except FileNotFoundError:
            continue  # deleted since the audit
        except OSError as error:
            for known in carried.keys() - target.expected.data.keys():
                disk.discard(os.path.join(target.path, known))
            if error.errno not in disk.NO_LINK:
                raise
            raise _cannot_come_along(os.path.join(live, path), error) from error
    return carried, taken


def _cannot_come_along(place: bytes, error: OSError) -> Unsupported:
    why = "it lies on a filesystem or subvolume of its own" if error.errno == errno.EXDEV else str(error.strerror)
    return Unsupported(
        f"{os.fsdecode(place)} cannot come along: {why}.",
        "Move it out of the environment; nothing was changed.",
    )


def _carry_one(live: bytes, path: bytes, target: Checkout, ino: int) -> bool:
    source, place = os.path.join(live, path), os.path.join(target.path, path)
    if not _make_parents(live, target.path, path):
        return False
    try:
        found = os.lstat(place).st_ino
    except FileNotFoundError:
        disk.link(source, place)
        return True
    if found != ino and found == target.expected.data.get(path):
        os.unlink(place)  # what a swap that was cut off had carried, before the file was saved anew
        disk.link(source, place)
        return True
    return found == ino


def _make_parents(live: bytes, target: bytes, path: bytes) -> bool:
    """Directories that only hold the user's files are made like those in the live tree; False where they cannot be."""
    for parent in parents(path):
        place = os.path.join(target, parent)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            os.mkdir(place)
            os.chmod(place, os.lstat(os.path.join(live, parent)).st_mode & 0o7777)
        else:
            if not stat.S_ISDIR(found.st_mode):
                return False
    return True


def _let_go(live: bytes, old: bytes, path: bytes, ino: int) -> None:
    """Drop the replaced tree's name of a carried file; what was saved there anew during the swap is what counts."""
    kept, place = os.path.join(live, path), os.path.join(old, path)
    try:
        if os.lstat(place).st_ino == ino:
            os.unlink(place)
        elif os.lstat(kept).st_ino == ino:
            os.rename(place, kept)
    except FileNotFoundError:
        return


def outfit(store: Store, checkout: Checkout, ours: Mapping[bytes, bytes]) -> Checkout:
    """Lay the caller's own files into a ready checkout, so that nothing is left to write when it goes live."""
    laid = trees.lay_ours(store.area, checkout.path, ours)
    if not laid:
        return checkout
    checkout = checkout._replace(expected=_settled(checkout, laid, checkout.expected.data))
    trees.save_index(store, checkout.name, checkout.expected)
    return checkout


def keep_inode(live: bytes, target: bytes, path: bytes) -> None:
    """Let a file be one inode in every checkout: locks are taken on inodes, not on names."""
    source, place = os.path.join(live, path), os.path.join(target, path)
    try:
        if os.path.lexists(place):
            if os.path.samefile(source, place):
                return
            os.unlink(place)
        disk.link(source, place)
    except FileNotFoundError:
        return


def exchange(store: Store, live: bytes, target: bytes) -> None:
    """Let the trees at ``live`` and ``target`` change places, durably. ``live`` may be missing.

    Raises Lower where one of them must be copied up first.
    """
    if not os.path.lexists(live):
        os.mkdir(live, 0o755)
    try:
        if not disk.exchange(live, target):
            _two_renames(store, live, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise Lower(
                "The environment lay in a lower layer of its filesystem; it is copied up now, and not changed.",
                "Run it again.",
            ) from error
        raise
    disk.sync_directory(os.path.dirname(live))
    disk.sync_directory(os.path.dirname(target))


def _two_renames(store: Store, live: bytes, target: bytes) -> None:
    """Where the filesystem cannot exchange there is an instant with no live tree; the journal lets recovery end it."""
    begun = os.path.join(store.area, JOURNAL)
    journal.write(begun, live=os.fsdecode(live), target=os.fsdecode(target))
    aside = target + b".aside"
    try:
        os.rename(live, aside)
    except OSError:
        disk.discard(begun)
        raise
    try:
        os.rename(target, live)
    except OSError:
        os.rename(aside, live)
        disk.discard(begun)
        raise
    os.rename(aside, target)
    disk.discard(begun)


def recover_exchange(store: Store, live: bytes) -> bool:
    """Finish an exchange by two renames that was interrupted; returns whether there was one."""
    copied = layered.recover(store, live)
    begun = os.path.join(store.area, JOURNAL)
    words = journal.read(begun)
    if words is None:
        return copied
    target = os.fsencode(words.get("target", ""))
    if os.path.dirname(target) == store.trees:
        if not os.path.lexists(live) and os.path.lexists(target):
            os.rename(target, live)
        if os.path.lexists(target + b".aside"):
            os.rename(target + b".aside", target if os.path.lexists(live) else live)
    disk.discard(begun)
    return True


def go_live(
    store: Store,
    live: bytes,
    drift: Drift,
    target: Checkout,
    ours: Mapping[bytes, bytes],
    position: dict[str, Any],
    one_inode: Collection[bytes] = (),
    last_look: Callable[[], None] = lambda: None,
) -> list[bytes]:
    """Make a mended checkout the live tree.

    The user's files (``drift.data``) come along as the same inodes, ``ours`` are laid, ``position`` becomes true in
    the same instant as the tree. Right before that ``last_look`` may raise, and nothing has happened. Returns the
    user's files whose place the target needs; they stay set aside.
    """
    carried, taken = carry(live, drift.data, target)
    trees.lay_ours(store.area, target.path, ours)
    for path in one_inode:
        keep_inode(live, target.path, path)
    trees.write_marker(store, target.path, Marker(target.name, position))
    known = _settled(target, [trees.MARKER, *ours, *one_inode], carried)
    if known is not target.expected:
        trees.save_index(store, target.name, known)
    last_look()
    exchange(store, live, target.path)
    for path, ino in carried.items():
        _let_go(live, target.path, path, ino)
    return taken


def _settled(target: Checkout, laid: Iterable[bytes], carried: dict[bytes, int]) -> Index:
    """The target's index with the user's files. Directories that got something take the mtime the index has for
    them, so that as a rule it need not be written again."""
    expected = target.expected
    fresh: dict[bytes, tuple[int, int]] = {}
    for path in {parent for each in [*carried, *laid] for parent in (b"", *parents(each))}:
        place = os.path.join(target.path, path) if path else target.path
        known = expected.directory(path)
        if known is None or known[1] == ANY:
            fresh[path] = settle(place)
        else:
            os.utime(place, ns=(known[1], known[1]))
    if not fresh and carried == expected.data:
        return expected
    return expected.replace(directories={**expected.directories, **fresh}, data=carried)
