"""Census: every file the store holds, each with the claims on it.

A claim is a number of the caller's, 1 or more, that stands for whoever wants a state kept; 0 is nobody's. Where several
want the same, the caller's ``join`` makes one number of theirs: ``max``, or ``|`` for sets of bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from store import trees
from store.errors import Damaged
from store.named import NamedTuple
from store.store import Store
from store.trees import Standing

MANIFEST = "manifest"
SEGMENT = "segment"
COPY = "copy"
OBJECT = "object"

Join = Callable[[int, int], int]


class Content(NamedTuple):
    """One content in an archive."""

    name: str
    """Its digest."""
    claim: int
    size: int
    """Bytes, unpacked."""


class Held(NamedTuple):
    """One file of the store."""

    kind: str
    """MANIFEST, SEGMENT, COPY (an archive, or one shared copy) or OBJECT."""
    path: bytes
    claim: int
    contents: tuple[Content, ...] = ()
    """Of an archive: what is in it."""


class Ready(NamedTuple):
    """A tree that stands ready."""

    tree: Standing
    claim: int
    """That on its state, or its own."""


class Census(NamedTuple):
    """The outcome."""

    files: list[Held]
    """In the order in which they may go: what names others first."""
    trees: list[Ready]
    """The one unused for longest first."""


class _Claims:
    """What the claimed manifests need."""

    def __init__(self, store: Store, manifests: Mapping[str, int], join: Join) -> None:
        self.manifests = manifests
        self.segments: dict[str, int] = {}
        self.objects: dict[bytes, int] = {}
        self.contents: dict[bytes, int] = {}
        """Digests of which second copies are wanted."""
        guarded: dict[str, int] = {}
        for name, claim in manifests.items():
            for part in store.manifests.read(name).parts:
                self.segments[part.segment] = join(self.segments.get(part.segment, 0), claim)
                if part.guarded:
                    guarded[part.segment] = join(guarded.get(part.segment, 0), claim)
        for name, claim in self.segments.items():
            second = guarded.get(name, 0)
            for each in store.segments.objects(name):
                self.objects[each] = join(self.objects.get(each, 0), claim)
                if second:
                    self.contents[each[:32]] = join(self.contents.get(each[:32], 0), second)


def take(store: Store, claims: Mapping[str, int], join: Join, pinned: Mapping[str, int] | None = None) -> Census:
    """Everything there is, given the claims on manifests, and on checkouts that are kept whatever their state.

    Raises Damaged when a claimed manifest, or a segment of one, cannot be read: then nobody can say what it needs.
    An archive that cannot be read is left out, as whatever it holds may be wanted.
    """
    pinned = pinned or {}
    standing = trees.standing(store)
    named = dict(claims)
    for tree in standing:
        if tree.name in pinned and tree.manifest:
            named[tree.manifest] = join(named.get(tree.manifest, 0), pinned[tree.name])
    found = _Claims(store, named, join)
    return Census(
        [*_manifests(store, found), *_segments(store, found), *_copies(store, found, join), *_objects(store, found)],
        [Ready(tree, pinned.get(tree.name, named.get(tree.manifest, 0))) for tree in standing],
    )


def _manifests(store: Store, claims: _Claims) -> Iterator[Held]:
    for name in os.listdir(store.manifests.root):
        known = os.fsdecode(name.removesuffix(b".json")) if name.endswith(b".json") else ""
        yield Held(MANIFEST, os.path.join(store.manifests.root, name), claims.manifests.get(known, 0))


def _segments(store: Store, claims: _Claims) -> Iterator[Held]:
    for name, path in _spread(store.segments.root):
        yield Held(SEGMENT, path, claims.segments.get(os.fsdecode(name), 0))


def _copies(store: Store, claims: _Claims, join: Join) -> Iterator[Held]:
    for name, path in _spread(store.pristine.root):
        if not name.endswith(b".zst"):
            yield Held(COPY, path, claims.contents.get(name, 0))
            continue
        try:
            members = store.pristine.members(path)
        except (Damaged, OSError):
            continue
        contents = tuple(
            Content(each, claims.contents.get(each.encode(), 0), member.size) for each, member in members.items()
        )
        claim = 0
        for content in contents:
            claim = join(claim, content.claim)
        yield Held(COPY, path, claim, contents)


def _objects(store: Store, claims: _Claims) -> Iterator[Held]:
    for name, path in _spread(store.objects.root):
        yield Held(OBJECT, path, claims.objects.get(name, 0))


def _spread(root: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What lies below ``root`` in directories of two digits: its whole name and its path. What lies beside these
    directories is unfinished work."""
    with os.scandir(root) as entries:
        for directory in entries:
            if not directory.is_dir(follow_symlinks=False):
                yield directory.name, directory.path
                continue
            for name in os.listdir(directory.path):
                yield directory.name + name, directory.path + b"/" + name
