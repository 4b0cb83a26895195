"""Trees as plain values, drawn by Hypothesis or written by hand, and ways to put them on disk and into a store."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from fingerprint import Fingerprint
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from store import digest, objects
from store import store as stores
from store.manifests import Manifest, Part
from store.scan import DATA, OURS, TRACKED
from store.store import Store
from store.tree import DIRECTORY, FILE, LINK, PLAIN_DIRECTORY, Entry, parents

DAY = 1_700_000_000_123_456_789
"""Some mtime with nanoseconds."""

on_disk = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties whose examples are real files."""
in_memory = settings(max_examples=100, deadline=None)


class File(NamedTuple):
    """A regular file."""

    content: bytes = b"x = 1\n"
    mode: int = 0o644
    mtime: int = DAY


class Link(NamedTuple):
    """A symlink."""

    target: bytes = b"somewhere"
    mtime: int = DAY


class Dir(NamedTuple):
    """A directory that has an entry: because it is empty, or because of its mode."""

    mode: int = PLAIN_DIRECTORY


Spec = Mapping[bytes, File | Link | Dir]

ODD = [b"a", b"b", b"lib", b"m.py", b"line\nbreak", b"\xff\xfe", b"with space", b"-rf", b"m.py~", b"\x01", b"...", b"#"]
NAMES = st.sampled_from(ODD)
PATHS = st.one_of(NAMES, st.builds(b"%s/%s".__mod__, st.tuples(NAMES, NAMES)), st.just(b"a/b/lib/a"), st.just(b"a/b/b"))
TIMES = [DAY, DAY + 1, 0, 1, -1_000_000_001, 2_000_000_000_000_000_007]
CONTENTS = [b"", b"x = 1\n", b"x = 2\n", b"\0\1\2", b"a" * 3000]
NODES = st.sampled_from(
    [
        *(File(content, mode, when) for content in CONTENTS for mode in (0o644, 0o755) for when in TIMES[:2]),
        *(File(b"x = 1\n", mode, when) for mode in (0o600, 0o444, 0o666) for when in TIMES),
        *(Link(target, when) for target in (b"a", b"../b", b"with \n and \xff", b"1 2") for when in TIMES[:3]),
        *map(Dir, (0o755, 0o700, 0o775, 0o750)),
    ]
)


def specs() -> st.SearchStrategy[Spec]:
    """Any small tree: odd names, nested, no path both a file and a directory."""
    return st.lists(st.tuples(PATHS, NODES), max_size=8).map(without_conflicts)


def without_conflicts(nodes: Iterable[tuple[bytes, File | Link | Dir]]) -> Spec:
    """The specimen that arises when each node is put where the earlier ones leave room.

    A directory with the plain mode has an entry only while it is empty, as a scan would say.
    """
    spec: dict[bytes, File | Link | Dir] = {}
    for path, node in nodes:
        above = [spec.get(parent) for parent in parents(path)]
        below = any(other.startswith(path + b"/") for other in spec)
        room = path not in spec and all(each is None or isinstance(each, Dir) for each in above)
        if room and (isinstance(node, Dir) or not below):
            spec[path] = node
    full = {parent for path in spec for parent in parents(path)}
    return {path: node for path, node in spec.items() if node != Dir() or path not in full}


def tree_of(spec: Spec) -> dict[bytes, Entry]:
    """The entries of a specimen, without a disk: equal files are numbered as twins."""
    seen: dict[File, int] = {}
    tree: dict[bytes, Entry] = {}
    for path, node in sorted(spec.items()):
        if isinstance(node, File):
            twin = seen[node] = seen.get(node, -1) + 1
            name = digest.of_bytes(node.content)
            tree[path] = Entry(FILE, node.mode, node.mtime, len(node.content), name, twin if node.content else 0)
        elif isinstance(node, Link):
            tree[path] = Entry(LINK, mtime=node.mtime, target=node.target)
        else:
            tree[path] = Entry(DIRECTORY, mode=node.mode)
    return tree


def seen_as(spec: Spec) -> Fingerprint:
    """The fingerprint a tree of this specimen has."""
    found: Fingerprint = {}
    for path in spec:
        found.update((parent, ("directory", PLAIN_DIRECTORY)) for parent in parents(path) if parent not in found)
    for path, node in spec.items():
        if isinstance(node, File):
            found[path] = ("file", node.mode, node.mtime, node.content)
        elif isinstance(node, Link):
            found[path] = ("link", node.mtime, node.target)
        else:
            found[path] = ("directory", node.mode)
    return found


def plant(root: bytes, spec: Spec) -> None:
    """Make the tree with ordinary system calls."""
    make_directory(root)
    for directory in sorted({parent for path in spec for parent in parents(path)}):
        make_directory(os.path.join(root, directory))
    for path, node in sorted(spec.items()):
        place = os.path.join(root, path)
        if isinstance(node, Link):
            os.symlink(node.target, place)
            os.utime(place, ns=(node.mtime, node.mtime), follow_symlinks=False)
        elif isinstance(node, File):
            write(place, node)
        else:
            make_directory(place)
            os.chmod(place, node.mode)


def make_directory(place: bytes) -> None:
    """A directory with the plain mode, whatever the umask."""
    os.makedirs(place, exist_ok=True)
    os.chmod(place, PLAIN_DIRECTORY)


def write(place: bytes, file: File) -> None:
    """A new file; what was there is replaced, not written through."""
    if os.path.lexists(place):
        os.unlink(place)
    with open(place, "wb") as stream:
        stream.write(file.content)
    os.chmod(place, file.mode)
    os.utime(place, ns=(file.mtime, file.mtime))


def edit_in_place(place: bytes, more: bytes = b"# edited\n") -> None:
    """What `echo >> file` does: the inode stays, and every hardlink of it changes."""
    os.chmod(place, os.stat(place).st_mode | 0o200)
    with open(place, "ab") as stream:
        stream.write(more)


def mutate(root: bytes, one: Spec, other: Spec) -> None:
    """Turn a tree of ``one`` on disk into ``other`` as a user's programs would: removing and replacing."""
    _clear(root, one, other)
    plant(root, {path: node for path, node in other.items() if one.get(path) != node})


def in_place(root: bytes, one: Spec, other: Spec) -> None:
    """The same, but a file that stays a file is written through, which reaches every other name of its inode."""
    rewritten = {}
    for path, node in other.items():
        if isinstance(node, File) and isinstance(one.get(path), File) and one[path] != node:
            place = os.path.join(root, path)
            with open(place, "r+b") as stream:
                stream.truncate()
                stream.write(node.content)
            os.chmod(place, node.mode)
            os.utime(place, ns=(node.mtime, node.mtime))
            rewritten[path] = node
    mutate(root, {**one, **rewritten}, other)


def _clear(root: bytes, one: Spec, other: Spec) -> None:
    needed = {parent for path in other for parent in parents(path)} | {
        p for p, n in other.items() if isinstance(n, Dir)
    }
    for path, node in one.items():
        if not isinstance(node, Dir) and other.get(path) != node:
            os.unlink(os.path.join(root, path))
    standing = {parent for path in one for parent in parents(path)} | {p for p, n in one.items() if isinstance(n, Dir)}
    for path in sorted(standing, key=len, reverse=True):
        place = os.path.join(root, path)
        if path not in needed:
            os.rmdir(place)
        elif not isinstance(other.get(path), Dir):
            os.chmod(place, PLAIN_DIRECTORY)


def plain_sort(path: bytes, mode: int) -> str:
    """Which kind a path is, for tests: the user's files say so in their names; special files are theirs too."""
    if path in (b".sysvenv", b".lock", b"ours.py"):
        return OURS
    special = not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))
    return DATA if special or path.endswith(b".data") or path.startswith(b"mine") else TRACKED


def keep_pristine(
    store: Store, segment: str, files: Iterable[tuple[Entry, bytes]], *, text_only: bool = False
) -> list[bytes]:
    """Write the archive of a segment from files (entry, path to read); the paths a capture would make durable."""
    with store.pristine.archive(text_only=text_only) as archive:
        for entry, path in files:
            archive.add(entry, path, objects.read(path).content)
        return archive.finish(segment)


class Kept(NamedTuple):
    """A state in the store."""

    name: str
    manifest: Manifest
    tree: dict[bytes, Entry]


class World:
    """A store in a directory of its own, and what was put into it."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        stores.create(root + b"/store")
        self.store: Store = stores.open_store(root + b"/store")
        self.live = root + b"/live"
        self._pool: dict[tuple[File, int], Entry] = {}

    def keep(self, spec: Spec, *, guarded: bool = True) -> Kept:
        """Make a specimen a state of the store: objects, segments (three, by path), pristine copies, manifest."""
        return self.keep_tree(
            {path: self._entry(path, node, spec) for path, node in sorted(spec.items())}, guarded=guarded
        )

    def keep_tree(self, tree: dict[bytes, Entry], *, guarded: bool = True) -> Kept:
        """The same of entries whose objects are in the store."""
        parts: dict[str, dict[bytes, Entry]] = {}
        for path, entry in tree.items():
            owner = "." if entry.kind == DIRECTORY else str(zlib.crc32(path.split(b"/")[0]) % 3)
            parts.setdefault(owner, {})[path] = entry
        made = []
        for owner, entries in sorted(parts.items()):
            name, _ = self.store.segments.write(entries)
            if guarded:
                files = [(e, self.store.objects.path(e)) for e in entries.values() if e.has_object]
                keep_pristine(self.store, name, files)
            made.append(Part(owner, "files", name, guarded))
        manifest = Manifest(tuple(made), {})
        name, _ = self.store.manifests.write(manifest)
        return Kept(name, manifest, tree)

    def _entry(self, path: bytes, node: File | Link | Dir, spec: Spec) -> Entry:
        if not isinstance(node, File) or not node.content:
            return tree_of({path: node})[path]
        earlier = sum(1 for other in spec if other < path and spec[other] == node)
        if (node, earlier) not in self._pool:
            place = self.root + b"/incoming"
            write(place, node)
            self._pool[node, earlier] = self.store.objects.link_in(place, objects.observe(place))
            os.unlink(place)
        return self._pool[node, earlier]


@contextmanager
def worlds() -> Iterator[World]:
    """A fresh world for one example of a property."""
    place = tempfile.mkdtemp(prefix="sysvenv-world-").encode()
    try:
        yield World(place)
    finally:
        shutil.rmtree(place)
