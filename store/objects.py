"""Objects: immutable inodes, each named by its content, mode and mtime, hardlinked into trees."""

import errno
import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from store import digest, disk
from store.errors import Changed, Damaged, StoreError
from store.row import Seen
from store.tree import FILE, NOT_RESTORED, Entry, lacks_only_those


def agrees(entry: Entry, found: os.stat_result | Seen) -> bool:
    """Whether an lstat result is what ``entry`` says of a file; every other answer means it was touched.

    A file that was rebuilt lacks setuid and setgid, and that is right.
    """
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_mtime_ns == entry.mtime
        and found.st_size == entry.size
        and lacks_only_those(stat.S_IMODE(found.st_mode), entry.mode)
    )


WHOLE = 1 << 20
"""Bytes up to which a file that is read may be handed on whole; nobody holds a larger one."""


class Read(NamedTuple):
    """A regular file, read."""

    entry: Entry
    ino: int
    content: bytes | None
    """Its bytes; None where they are more than WHOLE."""


def read(path: bytes) -> Read:
    """Read the regular file at ``path``, once. Raises Changed when it moves under our eyes."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        before = os.fstat(fd)
        content: bytes | None = None
        if before.st_size <= WHOLE:
            content = os.read(fd, before.st_size + 1)
        if content is not None and len(content) == before.st_size:
            name, size = digest.of_bytes(content), len(content)
        else:  # it is large, or the kernel gives it in pieces
            content = None
            os.lseek(fd, 0, os.SEEK_SET)
            name, size = digest.of_open_file(fd)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    entry = Entry(FILE, stat.S_IMODE(after.st_mode), after.st_mtime_ns, size, name)
    if before.st_mtime_ns != after.st_mtime_ns or not agrees(entry, after):
        raise _being_written(path)
    return Read(entry, after.st_ino, content)


def holding(entry: Entry, places: Iterable[bytes]) -> bytes | None:
    """The content of ``entry`` from the first of some files that has it; None where none has."""
    for place in places:
        try:
            found = os.lstat(place)
            if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size:
                continue
            content = disk.read(place)
        except OSError:
            continue  # gone, or kept from us: another may have it
        if digest.of_bytes(content) == entry.digest:
            return content
    return None


def observe(path: bytes) -> Entry:
    """What the regular file at ``path`` is. Raises Changed when it moves under our eyes."""
    return read(path).entry


class Linked(NamedTuple):
    """What :meth:`Objects.link_out` made."""

    ino: int
    """Inode number of what was made: the object's, or the copy's."""
    copied: bool
    """True where the inode has no room for another name and a copy was written, which must be fsynced."""


class Objects:
    """The objects below one directory, ``ab/<30 hex digits>.<mode>.<mtime>[.<twin>]`` each."""

    def __init__(self, root: bytes) -> None:
        self.root = root

    def path(self, entry: Entry) -> bytes:
        """Where the object of a file entry lies."""
        name = entry.object_name
        return self.root + f"/{name[:2]}/{name[2:]}".encode()

    def intact(self, entry: Entry) -> bool:
        """Whether the object is there and its lstat agrees with its name."""
        try:
            return agrees(entry, os.lstat(self.path(entry)))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def inode(self, entry: Entry) -> int:
        """The object's inode number; 0 for entries without an object, -1 where it is missing."""
        if not entry.has_object:
            return 0
        try:
            return os.lstat(self.path(entry)).st_ino
        except (FileNotFoundError, NotADirectoryError):
            return -1

    def content(self, entry: Entry) -> bytes | None:
        """The object's bytes if they are what its name says, whatever became of its mode and mtime; else None."""
        return holding(entry, [self.path(entry)])

    def twins(self, entry: Entry) -> list[bytes]:
        """The other objects of the same content: only mode, mtime or the inode differ."""
        place = self.path(entry)
        directory, own = os.path.split(place)
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            return []
        return [b"%s/%s" % (directory, name) for name in names if name != own and name[:30] == own[:30]]

    def link_in(self, source: bytes, entry: Entry) -> Entry:
        """Make the file ``source``, observed as ``entry``, an object; returns the entry with its twin number.

        The file itself stays as it is: the object is one more name of its inode. Where that has as many as it may
        have (uv's cache can bring it there), the object is a copy.
        """
        while True:
            place = self.path(entry)
            try:
                self._make(source, place, entry)
            except FileExistsError:
                found = os.lstat(place)
                if found.st_ino != os.lstat(source).st_ino:
                    if agrees(entry, found):
                        self._refuse_collision(source, place)
                    entry = entry._replace(twin=entry.twin + 1)
                    continue
            break
        if not agrees(entry, os.lstat(place)):
            raise _being_written(source)
        return entry

    def link_out(self, entry: Entry, place: bytes) -> Linked:
        """Make ``place`` a name of the object. Raises Damaged where the object is not what its name says."""
        source = self.path(entry)
        try:
            found = os.lstat(source)
        except (FileNotFoundError, NotADirectoryError):
            raise Damaged(f"Object {entry.object_name} is missing.", "Run: sysvenv verify") from None
        if not agrees(entry, found):
            raise Damaged(f"Object {entry.object_name} was changed in place.", "Run: sysvenv doctor --fix")
        try:
            disk.link(source, place)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            write_file(place, disk.read(source), entry)
            return Linked(os.lstat(place).st_ino, copied=True)
        return Linked(found.st_ino, copied=False)

    def adopt(self, entry: Entry, source: bytes) -> bool:
        """Let ``source`` be the missing object of ``entry`` again, should it be just that; returns whether it is."""
        place = self.path(entry)
        if os.path.lexists(place):
            return False
        try:
            found = read(source)
            held = {os.lstat(twin).st_ino for twin in self.twins(entry)}
        except (OSError, Changed):
            return False
        if found.entry._replace(twin=entry.twin) != entry or found.ino in held:
            return False
        self._link(source, place)
        disk.sync_directory(os.path.dirname(place))
        return True

    def replace(self, entry: Entry, content: bytes) -> None:
        """Give the object a new inode with ``content``, durably; whoever holds the old inode keeps it."""
        place = self.path(entry)
        if digest.of_bytes(content) != entry.digest:
            raise Damaged(f"The copy of object {entry.object_name} is damaged too.", "Run: sysvenv verify")
        disk.make_parent(place)
        temporary = place + b".healing"
        disk.discard(temporary)
        write_file(temporary, content, entry, attributes_of=place)
        disk.sync_file(temporary)
        os.rename(temporary, place)
        disk.sync_directory(os.path.dirname(place))

    def _make(self, source: bytes, place: bytes, entry: Entry) -> None:
        try:
            self._link(source, place)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            content = disk.read(source)
            if digest.of_bytes(content) != entry.digest:
                raise _being_written(source) from error
            temporary = b"%s.%d.tmp" % (place, os.getpid())
            disk.make_parent(place)
            disk.discard(temporary)
            write_file(temporary, content, entry)
            try:
                disk.link(temporary, place)
            finally:
                disk.discard(temporary)

    def _link(self, source: bytes, place: bytes) -> None:
        try:
            disk.link(source, place)
        except FileNotFoundError:
            disk.make_parent(place)
            disk.link(source, place)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMLINK):
                raise
            raise disk.why_no_link(error, source, self.root) from error

    def _refuse_collision(self, source: bytes, place: bytes) -> None:
        """Equal digests are believed only after a look at the bytes: XXH3 is fast, not cryptographic."""
        if disk.read(source) == disk.read(place):
            return
        if digest.of_bytes(disk.read(source)) == digest.of_bytes(disk.read(place)):
            raise StoreError(
                f"{os.fsdecode(source)} and an object of the store differ but have one digest.",
                "Such a pair has to be made on purpose; look where that file comes from.",
            )


def _being_written(path: bytes) -> Changed:
    return Changed(f"{os.fsdecode(path)} is being written right now.", "Try again when that is done.")


def write_file(place: bytes, content: bytes, entry: Entry, attributes_of: bytes | None = None) -> None:
    """Write a new file with ``content`` and the mode and mtime of ``entry`` (never setuid or setgid).

    It gets the user's extended attributes of ``attributes_of``, if that is there. Access control lists, labels and
    capabilities it does not: they are rights, and what was edited may have been given some it did not have.
    """
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        disk.write_whole(fd, content)
        if attributes_of is not None:
            disk.copy_attributes(attributes_of, fd)
        os.fchmod(fd, entry.mode & ~NOT_RESTORED)
        os.utime(fd, ns=(entry.mtime, entry.mtime))
    finally:
        os.close(fd)
