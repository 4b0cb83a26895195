"""The store as a whole: its directories, its version, and healing of objects that were edited in place."""

from __future__ import annotations

import os

from store import disk, objects
from store.errors import Damaged, StoreError
from store.manifests import Manifests
from store.objects import Objects
from store.pristine import Pristine
from store.segments import Segments
from store.tree import Entry

VERSION = b"sysvenv store 1\n"
DIRECTORIES = (b"objects", b"segments", b"pristine", b"manifests", b"trees", b"trash", b"index", b"rescued")


class Store:
    """The parts of one store. ``guard_text_only`` leaves binaries without pristine copies."""

    def __init__(self, root: bytes, *, guard_text_only: bool = False) -> None:
        self.root = root
        self.guard_text_only = guard_text_only
        self.objects = Objects(root + b"/objects")
        self.segments = Segments(root + b"/segments")
        self.pristine = Pristine(root + b"/pristine")
        self.manifests = Manifests(root + b"/manifests")
        self.trees = root + b"/trees"
        self.trash = root + b"/trash"
        self.indexes = root + b"/index"
        self.rescued = root + b"/rescued"

    def heal(self, entry: Entry, *, thorough: bool = False) -> bool:
        """Make sure the object of ``entry`` is intact, rebuilding it if need be: from its own content, which chmod and
        touch leave as it was, or from its pristine copy.

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
        if content is None:
            raise Damaged(
                f"Object {entry.object_name} was changed in place and no pristine copy of it is kept.",
                "Run: sysvenv verify",
            )
        place = self.objects.path(entry)
        if os.path.lexists(place):
            self.objects.link_in(place, objects.observe(place))
        self.objects.replace(entry, content)
        return True


def create(root: bytes) -> None:
    """Make an empty store at ``root``, or complete one whose creation was interrupted."""
    disk.make_private(root)
    for name in DIRECTORIES:
        disk.make_private(os.path.join(root, name))
    if not os.path.exists(root + b"/VERSION"):
        disk.write_durably(root + b"/VERSION", VERSION)


def open_store(root: bytes, *, guard_text_only: bool = False) -> Store:
    """The store at ``root``. Raises StoreError when it is not there or of a version we do not know."""
    try:
        found = disk.read(root + b"/VERSION")
    except FileNotFoundError:
        raise StoreError(f"There is no store at {os.fsdecode(root)}.", "Run: sysvenv init") from None
    if found != VERSION:
        raise StoreError(
            f"The store at {os.fsdecode(root)} says {found[:60]!r}; this sysvenv reads {VERSION.decode().strip()!r}.",
            "It was written by a newer sysvenv: install that one again.",
        )
    return Store(root, guard_text_only=guard_text_only)
