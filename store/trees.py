"""The trees kept beside the live one: slots, their markers and indexes, and the trash they end in."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from store import disk, index
from store.errors import StoreError
from store.index import Index
from store.named import NamedTuple
from store.store import Store
from store.tree import parents

MARKER = b".sysvenv"
"""In the root of each checkout: which checkout it is, and the position that holds once it is live."""
VERSION = 1
BUILDING = b".building"


class Marker(NamedTuple):
    """What a checkout says of itself."""

    checkout: str
    """16 hexadecimal digits; names its index."""
    position: dict[str, Any]
    """The caller's: where history stands while this checkout is the live one."""


class Checkout(NamedTuple):
    """A tree laid out on disk, with what is known of it."""

    path: bytes
    name: str
    """As in its marker."""
    expected: Index
    """What it was when it was laid out or last looked at."""


def new_name() -> str:
    """A name no other checkout has."""
    return os.urandom(8).hex()


def read_marker(root: bytes) -> Marker | None:
    """The marker of the tree at ``root``; None where there is none that makes sense: then it is no checkout of ours."""
    try:
        value = json.loads(disk.read(os.path.join(root, MARKER)))
        name, position = value["checkout"], value["position"]
        if (
            value["version"] != VERSION
            or len(name) != 16
            or not (name.isascii() and name.isalnum())
            or not isinstance(position, dict)
        ):
            return None
        return Marker(name, position)
    except (
        FileNotFoundError,
        NotADirectoryError,
        IsADirectoryError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ):
        return None


def write_marker(store: Store, root: bytes, marker: Marker) -> None:
    """Write the marker durably. What a power cut leaves of that is in the store, never in the tree (:func:`sweep`)."""
    value = {"version": VERSION, "checkout": marker.checkout, "position": marker.position}
    disk.write_durably(os.path.join(root, MARKER), json.dumps(value).encode() + b"\n", 0o644, made_in=store.area)


def lay_ours(made_in: bytes, root: bytes, ours: Mapping[bytes, bytes]) -> list[bytes]:
    """Write the caller's own files, in their order, where they are missing or differ; returns their paths.

    Never writes through an inode that is there: another tree may hold a link to it. What a power cut leaves of the
    writing is in the directory ``made_in``, as with the marker.
    """
    laid = []
    for directory in {parent for path in ours for parent in parents(path)}:
        if os.path.islink(os.path.join(root, directory)):
            raise StoreError(
                f"{os.fsdecode(directory)} in the environment is a symlink: what is laid there would lie elsewhere.",
                "Put a real directory in its place; nothing was changed.",
            )
    for path, content in ours.items():
        place = os.path.join(root, path)
        try:
            if disk.read(place) == content:
                continue
        except (FileNotFoundError, NotADirectoryError):
            os.makedirs(os.path.dirname(place), exist_ok=True)
        disk.write_durably(place, content, 0o644, made_in=made_in)
        laid.append(path)
    return laid


def index_path(store: Store, name: str) -> bytes:
    """Where the index of a checkout lies."""
    return os.path.join(store.indexes, name.encode())


def save_index(store: Store, name: str, value: Index) -> None:
    """Replace a checkout's index. Not made durable: it is derived. On a full disk there is none, then."""
    try:
        disk.write_beside(index_path(store, name), index.encode(value), durable=False)
    except OSError as error:
        disk.discard(index_path(store, name))
        if error.errno not in disk.FULL:
            raise


def load_index(store: Store, name: str) -> Index | None:
    """The index of a checkout, None where it must be rebuilt."""
    return index.load(index_path(store, name))


class Standing(NamedTuple):
    """A tree that stands ready by its name, its marker and its having an index; the index is not read yet."""

    path: bytes
    name: str
    manifest: str
    """The state its index says it is in."""
    used: int
    """When it was last live or laid out, in nanoseconds since the epoch."""


def standing(store: Store) -> list[Standing]:
    """The trees that stand ready, the one unused for longest first."""
    found = []
    for slot in os.listdir(store.trees):
        path = os.path.join(store.trees, slot)
        marker = read_marker(path) if slot.isdigit() else None
        manifest = index.peek(index_path(store, marker.checkout)) if marker else None
        if marker is not None and manifest is not None:
            used = os.lstat(index_path(store, marker.checkout)).st_mtime_ns
            found.append(Standing(path, marker.checkout, manifest, used))
    return sorted(found, key=lambda tree: tree.used)


def take(store: Store, tree: Standing) -> Checkout | None:
    """A standing tree with its index; None where that cannot be believed: then the next sweep buries the tree."""
    known = load_index(store, tree.name)
    if known is None:
        disk.discard(index_path(store, tree.name))
        return None
    return Checkout(tree.path, tree.name, known)


def ready(store: Store) -> list[Checkout]:
    """Every checkout that stands ready, the one unused for longest first."""
    return [checkout for tree in standing(store) if (checkout := take(store, tree)) is not None]


def touch(store: Store, name: str) -> None:
    """Remember that a checkout was live until now."""
    os.utime(index_path(store, name))


def free_slot(store: Store) -> bytes:
    """A path in ``trees/`` nothing stands at."""
    number = 1
    while os.path.lexists(slot := b"%s/%d" % (store.trees, number)) or os.path.lexists(slot + BUILDING):
        number += 1
    return slot


def bury(store: Store, path: bytes) -> None:
    """Move something out of the way at once, to be deleted when nobody waits (:func:`empty_trash`).

    A directory of overlayfs's lower layer cannot be moved (``store.layered``): it is deleted where it is.
    """
    try:
        os.rename(path, os.path.join(store.trash, new_name().encode()))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        delete(path)


def bury_checkout(store: Store, checkout: Checkout | Standing) -> None:
    """Give a ready checkout up."""
    bury(store, checkout.path)
    disk.discard(index_path(store, checkout.name))


def sweep(store: Store, live: bytes, keep: Collection[str] = ()) -> None:
    """Bury what is no checkout any more: half-built trees, trees without marker or index; drop stray indexes, and
    files that were being written when a power cut came.

    A checkout named in ``keep`` is never buried, whatever it lacks: it is the only record of what it holds.
    """
    names = set(keep)
    marker = read_marker(live)
    if marker is not None:
        names.add(marker.checkout)
    known = {tree.path: tree.name for tree in standing(store)}
    names.update(known.values())
    for slot in os.listdir(store.trees):
        path = os.path.join(store.trees, slot)
        found = read_marker(path) if path not in known else None
        if path not in known and (found is None or found.checkout not in keep):
            bury(store, path)
    for stray in os.scandir(store.indexes):
        if stray.is_dir(follow_symlinks=False):
            bury(store, stray.path)
        elif os.fsdecode(stray.name) not in names:
            disk.discard(stray.path)
    for name in os.listdir(store.area):
        if name.endswith(b".tmp"):
            delete(os.path.join(store.area, name))


def has_trash(store: Store) -> bool:
    """Whether anything waits to be deleted."""
    return bool(os.listdir(store.trash))


def empty_trash(store: Store) -> None:
    """Delete what was buried. May be killed at any time and run again; two at once do no harm."""
    for name in os.listdir(store.trash):
        delete(os.path.join(store.trash, name))


def delete(path: bytes) -> None:
    """Delete a file, or a directory with all there is in it; what cannot be deleted stays."""
    if os.path.islink(path) or not os.path.isdir(path):
        disk.discard(path)
        return
    import shutil

    shutil.rmtree(path, onerror=_open_up)


def _open_up(function: Any, path: Any, _error: Any) -> None:
    """A directory without write permission does not give up its files, one without any does not even name them: open
    it and try once more. What another process deleted meanwhile is of no interest."""
    import shutil

    try:
        os.chmod(os.path.dirname(path), 0o700)
        if function in (os.unlink, os.rmdir):
            function(path)
        elif not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return  # it stays in the trash; the next run tries again


def rescue(store: Store, root: bytes, paths: Iterable[bytes], label: str) -> list[bytes]:
    """Move files out of a checkout into ``rescued/``: written there by somebody after it was replaced."""
    saved = []
    for path in paths:
        place = os.path.join(store.rescued, label.encode(), path)
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        while os.path.lexists(place):
            place += b"~"
        os.rename(os.path.join(root, path), place)
        saved.append(place)
    return saved
