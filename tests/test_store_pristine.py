"""Pristine copies: what an edited object is rebuilt from, so damage of them must show."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import File, in_memory, keep_pristine, worlds, write

from store import disk, objects, pristine
from store.errors import Changed, Damaged
from store.pristine import Pristine

SEGMENT = "ab" * 16
OTHER = "cd" * 16
CONTENTS = [b"text\n", b"\0binary", b"", b"more\n" * 1000]


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def files_of(world, contents):
    """Files with these contents, and their entries."""
    found = []
    for number, content in enumerate(contents):
        place = b"%s/%d" % (world.root, number)
        write(place, File(content))
        found.append((objects.observe(place), place))
    return found


def copy(source, target):
    """What FICLONE does, on a filesystem that cannot."""
    os.sendfile(target, source, 0, os.fstat(source).st_size)
    os.lseek(target, 0, os.SEEK_SET)
    return True


@pytest.mark.parametrize("reflink", [False, True])
def test_every_content_comes_back(world, monkeypatch, reflink):
    """Archive or reflinked copies: each content is read back as it was kept."""
    monkeypatch.setattr(disk, "reflink", copy if reflink else lambda source, target: False)
    files = files_of(world, CONTENTS)
    made = keep_pristine(world.store, SEGMENT, files)
    assert made and all(os.path.exists(path) for path in made)
    assert [path.endswith(b".zst") for path in made] == ([False] * 4 if reflink else [True])
    again = Pristine(world.store.pristine.root)
    for (entry, _), content in zip(files, CONTENTS, strict=True):
        assert again.read(entry.digest) == content
    assert again.read("ef" * 16) is None
    assert keep_pristine(world.store, SEGMENT, files) == (made if reflink else [])


def test_text_only_leaves_binaries_out(world):
    """With guard = "text" archives hold what people edit, and nothing else."""
    files = files_of(world, CONTENTS)
    keep_pristine(world.store, SEGMENT, files, text_only=True)
    kept = [world.store.pristine.read(entry.digest) for entry, _ in files]
    assert kept == [b"text\n", None, b"", b"more\n" * 1000]
    assert pristine.is_text(b"x" * 8000 + b"\0")


def test_nothing_worth_an_archive_makes_none(world):
    """A segment without text has no archive when only text is kept, and leaves nothing behind."""
    assert keep_pristine(world.store, SEGMENT, files_of(world, [b"\0"]), text_only=True) == []
    assert [names for _, _, names in os.walk(world.store.pristine.root) if names] == []


def test_frames_hold_about_a_megabyte(world):
    """Large segments are cut into frames, so that one file costs one frame; all files come back."""
    contents = [bytes([number]) * (pristine.FRAME // 2) for number in range(5)]
    files = files_of(world, contents)
    (archive,) = keep_pristine(world.store, SEGMENT, files)
    members = world.store.pristine.members(archive)
    assert len({member.frame_offset for member in members.values()}) == 3
    assert [world.store.pristine.extract(members[entry.digest]) for entry, _ in files] == contents


@in_memory
@given(st.data())
def test_a_damaged_archive_never_gives_wrong_bytes(data):
    """Whatever byte flips or is cut off: the right content, or none; and never another error than Damaged."""
    with worlds() as world:
        files = files_of(world, CONTENTS)
        (archive,) = keep_pristine(world.store, SEGMENT, files)
        content = bytearray(disk.read(archive))
        position = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[position] ^= data.draw(st.integers(1, 255))
        else:
            del content[position:]
        with open(archive, "wb") as file:
            file.write(content)
        again = Pristine(world.store.pristine.root)
        for (entry, _), right in zip(files, CONTENTS, strict=True):
            assert again.read(entry.digest) in (right, None)
        try:
            again.members(archive)
        except Damaged as error:
            assert os.fsdecode(archive) in error.message


@pytest.mark.parametrize(
    "content",
    [b"", b"sysvenv pristine 2\n" + b"x" * 64, pristine.MAGIC, pristine.MAGIC + b"\xff" * 32, pristine.MAGIC * 3],
)
def test_what_is_no_archive_is_damaged(world, content):
    """Another version, an empty file, a cut one: Damaged, and other archives are still read."""
    files = files_of(world, CONTENTS)
    keep_pristine(world.store, SEGMENT, files)
    odd = world.store.pristine.archive_path(OTHER)
    os.makedirs(os.path.dirname(odd))
    with open(odd, "wb") as file:
        file.write(content)
    with pytest.raises(Damaged):
        world.store.pristine.members(odd)
    assert Pristine(world.store.pristine.root).read(files[0][0].digest) == b"text\n"


def test_a_second_copy_is_used_where_the_first_is_damaged(world):
    """Two segments that hold the same content guard each other."""
    files = files_of(world, [b"text\n" * 100])
    for segment in (SEGMENT, OTHER):
        keep_pristine(world.store, segment, files)
    for segment, other in ((SEGMENT, OTHER), (OTHER, SEGMENT)):
        for each, damage in ((segment, True), (other, False)):
            archive = world.store.pristine.archive_path(each)
            os.unlink(archive)
            keep_pristine(world.store, each, files)
            if damage:
                member = world.store.pristine.members(archive)[files[0][0].digest]
                with open(archive, "r+b") as file:
                    file.seek(member.frame_offset)
                    file.write(b"\xff" * member.frame_length)
        assert Pristine(world.store.pristine.root).read(files[0][0].digest) == b"text\n" * 100


def test_a_damaged_copy_falls_back_to_an_archive(world, monkeypatch):
    """A reflinked copy that was changed is not believed either."""
    files = files_of(world, [b"text\n"])
    keep_pristine(world.store, SEGMENT, files)
    monkeypatch.setattr(disk, "reflink", copy)
    world.store.pristine = Pristine(world.store.pristine.root)
    (kept,) = keep_pristine(world.store, OTHER, files)
    with open(kept, "wb") as file:
        file.write(b"other")
    assert Pristine(world.store.pristine.root).read(files[0][0].digest) == b"text\n"


@pytest.mark.parametrize("content", [b"text\n", b"text\n" * pristine.FRAME])
@pytest.mark.parametrize("reflink", [False, True])
def test_a_file_that_changes_is_not_copied(world, monkeypatch, reflink, content):
    """A copy that does not match its digest is never kept: of what is read again for it, or cloned."""
    monkeypatch.setattr(disk, "reflink", copy if reflink else lambda source, target: False)
    ((entry, place),) = files_of(world, [content])
    write(place, File(b"other\n"))
    with world.store.pristine.archive(text_only=False) as archive:
        if reflink or len(content) > objects.WHOLE:
            with pytest.raises(Changed):
                archive.add(entry, place, None)
        else:
            archive.add(entry, place, content)
            archive.finish(SEGMENT)
            assert world.store.pristine.read(entry.digest) == content
            os.unlink(world.store.pristine.archive_path(SEGMENT))
    assert [names for _, _, names in os.walk(world.store.pristine.root) if names] == []


@pytest.mark.parametrize("content", [b"text\n" * pristine.FRAME, b"\0" * (2 * pristine.FRAME)])
def test_a_large_file_is_a_frame_of_its_own(world, content):
    """What is larger than anybody should hold is packed while it is read, between the others, and comes back."""
    files = files_of(world, [b"before\n", content, b"after\n"])
    (archive,) = keep_pristine(world.store, SEGMENT, files)
    members = world.store.pristine.members(archive)
    assert len({member.frame_offset for member in members.values()}) == 3
    assert [world.store.pristine.read(entry.digest) for entry, _ in files] == [b"before\n", content, b"after\n"]


def test_a_large_binary_is_left_out_of_text(world):
    """`guard = "text"` asks the first bytes of a large file as well."""
    files = files_of(world, [b"\0" + b"text\n" * pristine.FRAME])
    assert keep_pristine(world.store, SEGMENT, files, text_only=True) == []


def test_an_archive_that_is_given_up_leaves_nothing(world):
    """Whatever goes wrong while a segment is taken in, no half archive stays."""
    files = files_of(world, [b"text\n" * pristine.FRAME])
    with pytest.raises(KeyError), world.store.pristine.archive(text_only=False) as archive:
        archive.add(*files[0], None)
        assert [names for _, _, names in os.walk(world.store.pristine.root) if names]
        raise KeyError
    assert [names for _, _, names in os.walk(world.store.pristine.root) if names] == []
