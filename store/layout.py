"""Laying out: a manifest as a tree of hardlinks, from scratch or by turning another checkout into it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence

from store import disk, fork, room, trees
from store.errors import Damaged, StoreError
from store.index import ANY, Block, Index, block, decode, encode, settle
from store.manifests import Manifest, Part
from store.named import NamedTuple
from store.objects import write_file
from store.store import Store
from store.tree import DIRECTORY, LINK, PLAIN_DIRECTORY, Entry, Tree, changes, parents
from store.trees import Checkout, Marker

WORTH_A_FORK = 300_000
"""Bytes of segments, about 3,000 entries, below which a second process costs more than it saves."""
WORTH_A_TRANSFORM = 4
"""A checkout is transformed when that costs at most a quarter of laying the target out from scratch."""


class Plan(NamedTuple):
    """How a checkout of ``manifest`` comes to stand ready."""

    manifest: str
    start: Checkout | None
    """The checkout to transform or, if it is one of this manifest already, to use; None: lay out from scratch."""
    give_up: Checkout | None
    """The checkout whose slot is needed."""


def plan(store: Store, name: str, manifest: Manifest, keep: int, pinned: Iterable[str] = ()) -> Plan:
    """The cheapest way to a checkout of ``manifest`` with at most ``keep`` of them; ``pinned`` ones are not touched."""
    spared = set(pinned)
    trees_there = [tree for tree in trees.standing(store) if tree.name not in spared]
    for tree in trees_there:
        found = trees.take(store, tree) if tree.manifest == name else None
        if found is not None:
            return Plan(name, found, None)
    candidates = [checkout for tree in trees_there if (checkout := trees.take(store, tree)) is not None]
    segments = set(manifest.segments)
    costs = [(_cost(checkout.expected, segments), checkout) for checkout in candidates]
    if costs:
        cost, nearest = min(costs, key=lambda pair: pair[0])
        if cost * WORTH_A_TRANSFORM <= sum(block.count for block in nearest.expected.blocks.values()):
            return Plan(name, nearest, None)
    return Plan(name, None, candidates[0] if len(candidates) >= keep else None)


def _cost(index: Index, segments: set[str]) -> int:
    """About how many files a transform touches: those of segments only one side has."""
    return 2 * sum(block.count for name, block in index.blocks.items() if name not in segments)


def apply(store: Store, steps: Plan, manifest: Manifest) -> Checkout:
    """Carry a plan out; returns the checkout, ready."""
    if steps.start is not None and steps.start.expected.manifest == steps.manifest:
        return steps.start
    if steps.give_up is not None:
        trees.bury_checkout(store, steps.give_up)
    if steps.start is None:
        return lay_out(store, steps.manifest, manifest)
    return transform(store, steps.start, steps.manifest, manifest)


def lay_out(store: Store, name: str, manifest: Manifest) -> Checkout:
    """A new checkout of ``manifest`` in a free slot."""
    room.to_lay_out(store.root, sum(store.segments.size(part.segment) for part in manifest.parts))
    slot = trees.free_slot(store)
    building = slot + trees.BUILDING
    os.mkdir(building)
    os.chmod(building, PLAIN_DIRECTORY)
    work = Work(store, building)
    try:
        blocks = _fill_together(work, manifest.parts)
    except FileExistsError as error:
        trees.bury(store, building)
        place = os.fsdecode(error.filename2 or error.filename or name)
        raise Damaged(f"State {name} has two things at one place, {place}.", "Run: sysvenv verify") from error
    except StoreError:
        trees.bury(store, building)  # what cannot be had leaves nothing behind
        raise
    work.state_modes()
    trees.write_marker(store, building, Marker(checkout := trees.new_name(), {}))
    return work.finish(slot, checkout, Index(name, blocks, work.look_at(work.directories), {}))


def _fill_together(work: Work, parts: Sequence[Part]) -> dict[str, Block]:
    """Lay the files of ``parts``, a forked process and this one in turns where they are many: directories and links
    are what laying out costs, and the kernel makes them on two cores at once."""
    sizes = [work.store.segments.size(part.segment) for part in parts]
    if sum(sizes) < WORTH_A_FORK or not fork.worth_it():
        return work.fill_all(parts)

    def fill(numbers: Iterable[int]) -> dict[str, Block]:
        blocks: dict[str, Block] = {}
        for number in numbers:
            blocks.update(work.fill_all([parts[number]]))
        return blocks

    def other(numbers: Iterable[int]) -> tuple[bytes, list[bytes], dict[bytes, int]]:
        blocks = fill(numbers)
        if work.copied:
            disk.barrier(work.root, work.copied)
        return encode(Index("", blocks, {}, {})), list(work.directories), work.stated

    with fork.in_turns(sizes) as turns:
        blocks, (index, directories, stated) = fork.both(lambda: fill(turns), lambda: other(turns))
    work.directories.update(dict.fromkeys(directories))
    work.stated.update(stated)
    blocks.update(decode(index).blocks)
    return {part.segment: blocks[part.segment] for part in parts}


def transform(store: Store, checkout: Checkout, name: str, manifest: Manifest) -> Checkout:
    """Turn a ready checkout into one of ``manifest`` by their difference."""
    old_blocks = checkout.expected.blocks
    guarded = {part.segment: part.guarded for part in manifest.parts}
    old: dict[bytes, Entry] = {}
    for segment in old_blocks:
        if segment not in guarded:
            old.update(store.segments.read(segment))
    fresh = {segment: store.segments.read(segment) for segment in guarded if segment not in old_blocks}
    new = {path: entry for tree in fresh.values() for path, entry in tree.items()}
    difference = changes(old, new)
    building = checkout.path + trees.BUILDING  # from here on: all that can be told beforehand is read
    os.rename(checkout.path, building)
    work = Work(store, building, dict(checkout.expected.directories))
    work.remove(path for path in difference if path in old)
    work.make_directories(_directories_of(new))
    blocks = {segment: block for segment, block in old_blocks.items() if segment in guarded}
    try:
        for segment, tree in fresh.items():
            blocks[segment] = work.fill(segment, tree, guarded[segment], set(difference))
    except StoreError:
        trees.bury_checkout(store, Checkout(building, checkout.name, checkout.expected))
        raise
    unstated = {path for path, entry in old.items() if entry.kind == DIRECTORY and difference.get(path, entry) is None}
    work.plain_modes(unstated)
    for tree in fresh.values():
        work.state(tree)
    work.state_modes()
    directories = {path: known for path, known in checkout.expected.directories.items() if path in work.directories}
    directories.update(work.look_at(work.dirty & work.directories.keys()))
    return work.finish(checkout.path, checkout.name, Index(name, blocks, directories, checkout.expected.data))


def expected(store: Store, name: str, manifest: Manifest) -> Index:
    """The index a perfect checkout of ``manifest`` would have, with every directory marked for a look.

    What stands in for an index that was lost: an audit against it finds every difference there is.
    """
    blocks: dict[str, Block] = {}
    directories: dict[bytes, tuple[int, int]] = {b"": (PLAIN_DIRECTORY, ANY)}
    for part in manifest.parts:
        tree = store.segments.read(part.segment)
        inodes = {path: store.objects.inode(entry) for path, entry in tree.items() if entry.has_object}
        blocks[part.segment] = block(part.segment, tree, inodes)
        directories.update((path, (PLAIN_DIRECTORY, ANY)) for path in _directories_of(tree))
    for part in manifest.parts:
        for path, entry in store.segments.read(part.segment).items():
            if entry.kind == DIRECTORY:
                directories[path] = (entry.mode, ANY)
    return Index(name, blocks, directories, {})


def _directories_of(tree: Tree) -> set[bytes]:
    """Every directory the entries need."""
    found: set[bytes] = set()
    for path, entry in tree.items():
        parent = path[: max(path.rfind(b"/"), 0)]
        if parent and parent not in found:
            found.update(parents(path))
        if entry.kind == DIRECTORY:
            found.update((*parents(path), path))
    return found


class Work:
    """One tree under construction."""

    def __init__(self, store: Store, root: bytes, directories: dict[bytes, tuple[int, int]] | None = None) -> None:
        self.store = store
        self.root = root
        self.directories: dict[bytes, tuple[int, int] | None] = {b"": None, **(directories or {})}
        self.dirty: set[bytes] = {b""}
        self.copied: list[bytes] = []
        self.stated: dict[bytes, int] = {}
        self.masked: bool | None = None
        """Whether the umask, or a setgid parent, gives new directories another mode; None: not known yet."""

    def fill_all(self, parts: Sequence[Part]) -> dict[str, Block]:
        """Lay everything of some parts of a manifest; returns their blocks."""
        found = [(part, self.store.segments.read(part.segment)) for part in parts]
        self.make_directories({path for _, tree in found for path in _directories_of(tree)})
        for _, tree in found:
            self.state(tree)
        return {part.segment: self.fill(part.segment, tree, part.guarded) for part, tree in found}

    def make_directories(self, wanted: set[bytes]) -> None:
        """Make those that are not there yet, outermost first, with the plain mode whatever the umask."""
        for path in sorted(wanted):
            if path in self.directories:
                continue
            place = os.path.join(self.root, path)
            try:
                os.mkdir(place, PLAIN_DIRECTORY)
                if self.masked is None:
                    self.masked = os.lstat(place).st_mode & 0o7777 != PLAIN_DIRECTORY
                if self.masked:
                    os.chmod(place, PLAIN_DIRECTORY)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(place).st_mode):
                    raise  # a link here would lead out of the tree; a directory, the process of the other half made
            self.directories[path] = None
            self.dirty.update((path, path[: max(path.rfind(b"/"), 0)]))

    def fill(self, segment: str, tree: Tree, guarded: bool, only: set[bytes] | None = None) -> Block:
        """Lay the files and links of one segment; ``only`` those, the others stand already. Returns its block."""
        inodes: dict[bytes, int] = {}
        laid: dict[bytes, Entry] = {}
        for path, entry in tree.items():
            if entry.kind == DIRECTORY:
                continue
            here = only is None or path in only
            ino = self.lay(path, entry, guarded) if here else self.store.objects.inode(entry)
            if ino is not None:
                laid[path] = entry
                inodes[path] = ino
        return block(segment, laid, inodes)

    def lay(self, path: bytes, entry: Entry, guarded: bool) -> int | None:
        """Lay one file or link; returns its inode number (0 for private ones), None for bytecode that is damaged."""
        place = self.root + b"/" + path
        self.dirty.add(path[: max(path.rfind(b"/"), 0)])
        if entry.kind == LINK:
            os.symlink(entry.target, place)
            os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
            return 0
        if not entry.size:
            write_file(place, b"", entry)
            return 0
        try:
            linked = self.store.objects.link_out(entry, place)
        except Damaged:
            try:
                self.store.heal(entry)
            except Damaged:
                if guarded:
                    lost = f"{os.fsdecode(path)} is damaged in the store, and no copy of it is kept."
                    raise Damaged(lost, "Run: sysvenv doctor --fix") from None
                return None
            linked = self.store.objects.link_out(entry, place)
        if linked.copied:
            self.copied.append(place)
        return linked.ino

    def remove(self, paths: Iterable[bytes]) -> None:
        """Remove files, links and stated directories, then the directories that became empty by it."""
        touched: set[bytes] = set()
        for path in paths:
            if path in self.directories:
                touched.add(path)
            else:
                disk.discard(os.path.join(self.root, path))
            touched.update(parents(path))
        for directory in sorted(touched, key=len, reverse=True):
            self.dirty.add(directory)
            try:
                os.rmdir(os.path.join(self.root, directory))
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                continue
            self.directories.pop(directory, None)
            self.dirty.add(directory[: max(directory.rfind(b"/"), 0)])

    def state(self, tree: Tree) -> None:
        """Remember the modes the entries state for directories."""
        self.stated.update((path, entry.mode) for path, entry in tree.items() if entry.kind == DIRECTORY)

    def state_modes(self) -> None:
        """Give the directories the modes stated for them, innermost first."""
        for path in sorted(self.stated, reverse=True):
            os.chmod(os.path.join(self.root, path), self.stated[path])
            self.dirty.add(path)

    def plain_modes(self, paths: Iterable[bytes]) -> None:
        """Give directories that no entry states any more their plain mode back."""
        for path in paths:
            if path in self.directories:
                os.chmod(os.path.join(self.root, path), PLAIN_DIRECTORY)
                self.dirty.add(path)

    def look_at(self, directories: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
        """What the index says of the directories, now that nothing more changes in them."""
        return {path: settle(os.path.join(self.root, path) if path else self.root) for path in directories}

    def finish(self, slot: bytes, name: str, index: Index) -> Checkout:
        """Marker, index, bytes of our own made durable, and the name that says ready."""
        if self.copied:
            disk.barrier(self.root, self.copied)
        trees.save_index(self.store, name, index)
        os.rename(self.root, slot)
        return Checkout(slot, name, index)
