"""The store as a whole: its directories, its version, and healing of objects that were edited in place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from store import disk, objects
from store.errors import Changed, Damaged, StoreError
from store.manifests import Manifests
from store.objects import Objects
from store.pristine import Pristine
from store.segments import Segments
from store.tree import Entry

VERSION = b"sysvenv store 1\n"
SHARED = (b"objects", b"segments", b"pristine", b"manifests")
"""The directories of what all environments that use the store have a part in."""


class Store:
    """The parts of one store, as one environment uses it; ``guard_text_only`` leaves binaries without second copies."""

    def __init__(self, root: bytes, area: bytes | None = None, *, guard_text_only: bool = False) -> None:
        self.root = root
        self.area = root if area is None else area
        """Where that environment's own things lie; on the filesystem of the store."""
        self.guard_text_only = guard_text_only
        self.objects = Objects(root + b"/objects")
        self.segments = Segments(root + b"/segments")
        self.pristine = Pristine(root + b"/pristine")
        self.manifests = Manifests(root + b"/manifests")
        self.trees = self.area + b"/trees"
        self.trash = self.area + b"/trash"
        self.indexes = self.area + b"/index"
        self.rescued = self.area + b"/rescued"
        self.healed: dict[int, Entry] = {}
        """Inodes that were edited in place, and the objects they were until these got others."""

    def heal(self, entry: Entry, *, thorough: bool = False, elsewhere: Iterable[bytes] = ()) -> bool:
        """Make sure the object of ``entry`` is intact, rebuilding it if need be: from its own content, which chmod and
        touch leave as it was, from its pristine copy, from an object of the same content, or from one of the files
        ``elsewhere`` that may have it.

        What answers lstat as it should is believed, unless ``thorough`` asks to read it.
        Returns whether anything had to be done. The inode found in its place is kept under its own name: it is
        somebody's edit. Raises Damaged where no intact copy exists.
        """
        if not entry.has_object:
            return False
        intact = self.objects.intact(entry)
        if intact and not thorough:
            return False
        content = self.objects.content(entry)
        if intact and content is not None:
            return False
        if content is None:
            content = self.pristine.read(entry.digest)
        if content is None and elsewhere:
            content = objects.holding(entry, [*self.objects.twins(entry), *elsewhere])
        if content is None:
            raise Damaged(
                f"Object {entry.object_name} was changed or lost, and no copy of it is kept.",
                "Run: sysvenv doctor --fix",
            )
        self.rebuild(entry, content)
        return True

    def rebuild(self, entry: Entry, content: bytes) -> None:
        """Give the object of ``entry`` a new inode with ``content``. What stands in its place is kept."""
        edited = self._keep_what_stands_at(self.objects.path(entry))
        if edited is not None:
            self.healed[edited] = entry
        self.objects.replace(entry, content)

    def disown(self, entry: Entry) -> None:
        """Take its name from an object that is not what that says, so that it is never laid out. It is kept."""
        place = self.objects.path(entry)
        self._keep_what_stands_at(place)
        disk.discard(place)

    def _keep_what_stands_at(self, place: bytes) -> int | None:
        """Somebody's edit becomes an object of its own; what is no file, or cannot be read, goes to ``rescued/``.
        Returns its inode number, None where nothing was there."""
        try:
            found = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISREG(found.st_mode):
            try:
                self.objects.link_in(place, objects.observe(place))
                return found.st_ino
            except (PermissionError, Changed):
                pass  # as it is, then
        aside = os.path.join(self.rescued, b"objects", os.path.basename(place))
        os.makedirs(os.path.dirname(aside), mode=0o700, exist_ok=True)
        while os.path.lexists(aside):
            aside += b"~"
        os.rename(place, aside)
        return found.st_ino


def create(root: bytes, mode: int = 0o700) -> None:
    """Make an empty store at ``root``, or complete one whose creation was interrupted, of directories of that mode."""
    from store import areas

    disk.make_directory(root, mode)
    for name in SHARED:
        disk.make_directory(os.path.join(root, name), mode)
    areas.create(root, mode=mode)
    if not os.path.exists(root + b"/VERSION"):
        state_version(root)


def state_version(root: bytes) -> None:
    """Write the file that says which version of the format the store has."""
    disk.write_durably(root + b"/VERSION", VERSION)


def open_store(root: bytes, area: bytes | None = None, *, guard_text_only: bool = False) -> Store:
    """The store at ``root``. Raises StoreError when it is not there or of a version we do not know, Damaged where
    what is there does not say its version."""
    try:
        found = disk.read(root + b"/VERSION")
    except (FileNotFoundError, IsADirectoryError):
        if not os.path.isdir(root + b"/objects"):
            raise StoreError(f"There is no store at {os.fsdecode(root)}.", "Run: sysvenv init") from None
        found = b""
    if found != VERSION:
        raise _unknown(os.fsdecode(root), found)
    return Store(root, area, guard_text_only=guard_text_only)


def _unknown(root: str, found: bytes) -> StoreError:
    words = found.split(b" ")
    if words[:2] != [b"sysvenv", b"store"] or not words[-1].strip().isdigit():
        return Damaged(f"{root}/VERSION is missing or does not name a version.", "Run: sysvenv doctor --fix")
    return StoreError(
        f"The store at {root} says {found[:60]!r}; this sysvenv reads {VERSION.decode().strip()!r}.",
        "It was written by a newer sysvenv: install that one again.",
    )
