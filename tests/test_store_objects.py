"""Objects: one inode, one content, one mode, one mtime; and an edit of it never goes unseen."""

from __future__ import annotations

import errno
import os

import pytest
from specimens import DAY, File, edit_in_place, keep_pristine, worlds, write

from store import digest, disk, objects
from store.errors import Changed, Damaged, StoreError, Unsupported
from store.tree import FILE, Entry


@pytest.fixture
def world():
    with worlds() as made:
        yield made


PLAIN = File()


def make(world, file=PLAIN, name=b"file"):
    """A file beside the store, with its entry."""
    place = world.root + b"/" + name
    write(place, file)
    return place, objects.observe(place)


def test_a_file_is_linked_in_and_out_as_one_inode(world):
    """Nothing is copied: object, source and every checkout are names of the same inode."""
    place, entry = make(world)
    assert world.store.objects.link_in(place, entry) == entry
    out = world.root + b"/out"
    linked = world.store.objects.link_out(entry, out)
    assert os.lstat(out).st_ino == os.lstat(place).st_ino == linked.ino == world.store.objects.inode(entry)
    assert not linked.copied
    assert world.store.objects.path(entry).endswith(b".0644.%d" % DAY)
    assert world.store.objects.intact(entry)


def test_linking_the_same_inode_in_again_changes_nothing(world):
    """A file that is an object already keeps its entry."""
    place, entry = make(world)
    for _ in range(2):
        assert world.store.objects.link_in(place, entry) == entry


def test_equal_files_become_twins(world):
    """One checkout never holds two names of one inode, so equal files are objects of their own."""
    entries = []
    for name in (b"one", b"two", b"three"):
        place, entry = make(world, name=name)
        entries.append(world.store.objects.link_in(place, entry))
    assert [entry.twin for entry in entries] == [0, 1, 2]
    assert len({world.store.objects.inode(entry) for entry in entries}) == 3
    assert entries[0].same(entries[2])


def test_a_collision_of_digests_is_refused(world, monkeypatch):
    """Equal digests are believed only after a look at the bytes."""
    monkeypatch.setattr(digest, "of_bytes", lambda content: "ab" * 16)
    first, entry = make(world, File(b"one\n"), b"first")
    world.store.objects.link_in(first, entry)
    second, entry = make(world, File(b"two\n"), b"second")
    with pytest.raises(StoreError, match="have one digest"):
        world.store.objects.link_in(second, entry)


def test_a_damaged_object_is_no_collision(world):
    """An edit that put size and mtime back is damage of the object, not a second content with its digest."""
    place, entry = make(world, File(b"one\n"))
    world.store.objects.link_in(place, entry)
    edited = world.store.objects.path(entry)
    with open(edited, "r+b") as file:
        file.write(b"eno\n")
    os.utime(edited, ns=(DAY, DAY))
    other, entry = make(world, File(b"one\n"), b"other")
    assert world.store.objects.link_in(other, entry).twin == 1


def test_an_edited_object_is_not_linked_out(world):
    """An object says itself that it was edited in place; a missing one is told too."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    for change in (edit_in_place, lambda path: os.chmod(path, 0o600), lambda path: os.utime(path, ns=(1, 1))):
        change(place)
        assert not world.store.objects.intact(entry)
        with pytest.raises(Damaged, match="changed in place"):
            world.store.objects.link_out(entry, world.root + b"/out")
        world.store.objects.replace(entry, File().content)
        os.unlink(place)
        os.link(world.store.objects.path(entry), place)
    os.unlink(world.store.objects.path(entry))
    assert world.store.objects.inode(entry) == -1
    assert not world.store.objects.intact(entry)
    with pytest.raises(Damaged, match="is missing"):
        world.store.objects.link_out(entry, world.root + b"/out")


def test_a_full_inode_is_copied(world, monkeypatch):
    """ext4 allows 65,000 links, EFS 177: then a checkout gets a copy, equal in all but the inode, and says so."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    monkeypatch.setattr(disk, "link", refuse(errno.EMLINK))
    out = world.root + b"/out"
    assert world.store.objects.link_out(entry, out).copied
    assert objects.agrees(entry, os.lstat(out))
    assert os.lstat(out).st_ino != os.lstat(place).st_ino
    with open(out, "rb") as file:
        assert file.read() == File().content


def test_a_filesystem_without_links_is_named(world, monkeypatch):
    """What cannot hold a store is refused in a sentence; a full disk stays the error it is."""
    place, entry = make(world)
    for number, said in ((errno.EXDEV, "another filesystem"), (errno.EPERM, "refuses hardlinks")):
        monkeypatch.setattr(disk, "link", refuse(number))
        with pytest.raises(Unsupported, match=said):
            world.store.objects.link_in(place, entry)
    monkeypatch.setattr(disk, "link", refuse(errno.ELOOP))
    with pytest.raises(StoreError):
        world.store.objects.link_in(place, entry)
    for number in (errno.ENOSPC, errno.EIO, errno.EMLINK):
        monkeypatch.setattr(disk, "link", refuse(number))
        with pytest.raises(OSError, match=os.strerror(number)):
            world.store.objects.link_in(place, entry)
    monkeypatch.undo()
    world.store.objects.link_in(place, entry)
    monkeypatch.setattr(disk, "link", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        world.store.objects.link_out(entry, world.root + b"/out")


def refuse(number):
    """A link(2) that always fails so."""

    def link(source, target):
        raise OSError(number, os.strerror(number), source)

    return link


def test_a_file_being_written_is_not_linked(world):
    """What changes before it is linked is no object: the error says to try again."""
    place, entry = make(world)
    edit_in_place(place)
    with pytest.raises(Changed):
        world.store.objects.link_in(place, entry)


@pytest.mark.parametrize(("size", "reader"), [(10, "of_bytes"), (2 * objects.WHOLE, "of_open_file")])
def test_a_file_being_written_is_not_taken(world, monkeypatch, size, reader):
    """What changes while it is read is no object either, whether it was read whole or in pieces."""
    place, _ = make(world, File(b"x" * size))

    def read_while_it_grows(what):
        found = real(what)
        edit_in_place(place)
        return found

    real = getattr(digest, reader)
    monkeypatch.setattr(digest, reader, read_while_it_grows)
    with pytest.raises(Changed):
        objects.observe(place)


def test_a_file_the_kernel_gives_in_pieces_is_read_whole(world, monkeypatch):
    """read(2) may return less than was asked for: the digest is of all bytes nevertheless."""
    place, entry = make(world, File(b"0123456789"))
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: real(fd, min(size, 3)))
    assert objects.read(place) == (entry, os.lstat(place).st_ino, None)


def test_healing_gives_the_object_back_and_keeps_the_edit(world):
    """The edit stays where it was made, becomes an object of its own, and the old object is whole again."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    keep_pristine(world.store, "ab" * 16, [(entry, place)])
    edit_in_place(place)
    edited = objects.observe(place)
    assert world.store.heal(entry)
    assert world.store.objects.intact(entry)
    assert world.store.objects.intact(edited)
    assert world.store.objects.inode(edited) == os.lstat(place).st_ino
    assert disk.read(world.store.objects.path(entry)) == File().content
    assert disk.read(place) == File().content + b"# edited\n"
    assert not world.store.heal(entry)


def test_a_missing_object_is_rebuilt(world):
    """An object somebody deleted comes back from its pristine copy, mode and mtime too."""
    place, entry = make(world, File(b"", 0o755)._replace(content=b"#!/bin/sh\n"))
    world.store.objects.link_in(place, entry)
    keep_pristine(world.store, "ab" * 16, [(entry, place)])
    os.unlink(world.store.objects.path(entry))
    assert world.store.heal(entry)
    assert world.store.objects.intact(entry)


def test_what_has_no_copy_cannot_be_healed(world):
    """Damage without a copy is told; what has no object, or is intact, needs nothing."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    assert not world.store.heal(entry)
    assert not world.store.heal(Entry(FILE))
    assert world.store.objects.inode(Entry(FILE)) == 0
    edit_in_place(place)
    with pytest.raises(Damaged, match="no copy of it is kept"):
        world.store.heal(entry)


def test_a_touched_object_heals_without_a_copy(world):
    """chmod and touch leave the content as it was, so nothing but the object itself is needed to heal it."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    os.chmod(place, 0o600)
    assert world.store.heal(entry)
    assert world.store.objects.intact(entry)
    assert os.lstat(place).st_mode & 0o777 == 0o600


def test_a_thorough_heal_reads_what_looks_intact(world):
    """A store through a mapping, or an edit that put the mtime back, shows only to whoever reads."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    keep_pristine(world.store, "ab" * 16, [(entry, place)])
    assert not world.store.heal(entry, thorough=True)
    with open(place, "r+b") as file:
        file.write(b"X")
    os.utime(place, ns=(DAY, DAY))
    assert world.store.objects.intact(entry)
    assert not world.store.heal(entry)
    assert world.store.heal(entry, thorough=True)
    assert world.store.objects.content(entry) == PLAIN.content
    assert disk.read(place)[:1] == b"X"


def test_a_wrong_copy_is_not_believed(world):
    """An object is never rebuilt from bytes that are not its content."""
    place, entry = make(world)
    world.store.objects.link_in(place, entry)
    with pytest.raises(Damaged, match="damaged too"):
        world.store.objects.replace(entry, b"something else")
    assert world.store.objects.intact(entry)


def test_a_rebuilt_file_is_never_setuid(world):
    """What a stranger could have set must not come back with our authority."""
    entry = Entry(FILE, 0o6755, DAY, 3, digest.of_bytes(b"abc"))
    place = world.root + b"/file"
    objects.write_file(place, b"abc", entry)
    assert os.lstat(place).st_mode & 0o7777 == 0o755


def test_only_regular_files_are_read(world):
    """A symlink put in the place of a file is not followed."""
    os.symlink(b"/etc/passwd", world.root + b"/link")
    with pytest.raises(OSError):
        objects.observe(world.root + b"/link")
    assert not objects.agrees(Entry(FILE), os.lstat(world.root))


@pytest.mark.parametrize("size", [0, 1, digest.CHUNK - 1, digest.CHUNK, digest.CHUNK + 1, 2 * digest.CHUNK])
def test_the_digest_of_a_file_is_that_of_its_bytes(world, size):
    """Files are read in pieces; the pieces make no difference."""
    _, entry = make(world, File(b"x" * size))
    assert (entry.digest, entry.size) == (digest.of_bytes(b"x" * size), size)


def test_reads_that_come_in_pieces(world):
    """A pipe, or a slow filesystem, gives less than was asked for; the digest is that of all of it."""
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    pid = os.fork()
    if not pid:
        os.close(reader)
        for _ in range(3):
            os.write(writer, b"def")
        os._exit(0)
    os.close(writer)
    assert digest.of_open_file(reader) == (digest.of_bytes(b"abc" + b"def" * 3), 12)
    os.close(reader)
    os.waitpid(pid, 0)
