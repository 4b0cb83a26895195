"""Segments: what is written is read, and anything else is refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import File, Link, in_memory, specs, tree_of, worlds

from store import digest, segments
from store.errors import Damaged
from store.segments import MAGIC
from store.tree import LINK, Entry, is_safe

GOOD = segments.encode(tree_of({b"a/m.py": File(), b"b": Link(b"1 2")}))
NAME = b"ab" * 16


@in_memory
@given(specs())
def test_decode_is_the_inverse_of_encode(spec):
    """Every tree survives its encoding, whatever bytes its paths are made of."""
    tree = tree_of(spec)
    assert segments.decode(segments.encode(tree)) == tree


@in_memory
@given(st.dictionaries(st.binary(min_size=1).filter(is_safe), st.binary().filter(lambda target: b"\0" not in target)))
def test_any_bytes_can_be_names_and_targets(links):
    """Paths are bytes: newlines, spaces, numbers, and what is no UTF-8, in names and in link targets."""
    tree = {path: Entry(LINK, mtime=5, target=target) for path, target in links.items()}
    assert segments.decode(segments.encode(tree)) == tree


@in_memory
@given(specs(), st.randoms(use_true_random=False))
def test_the_encoding_is_canonical(spec, shuffle):
    """The order in which a tree was put together does not show; another tree gives other bytes."""
    tree = tree_of(spec)
    paths = list(tree)
    shuffle.shuffle(paths)
    assert segments.encode({path: tree[path] for path in paths}) == segments.encode(tree)
    assert segments.encode({**tree, b"one more": Entry("d", mode=0o700)}) != segments.encode(tree)


@in_memory
@given(specs())
def test_paths_are_told_from_records_alone(spec):
    """A diff reads paths from encoded entries; they are the paths of the tree."""
    records = segments.encode(tree_of(spec))[len(MAGIC) : -1].split(b"\0")
    assert [segments.path_of(record) for record in records if record] == sorted(spec)


@in_memory
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_bytes_make_decode_fail_otherwise(position, flip):
    """A crafted segment is refused with ValueError or read as safe paths, never anything else."""
    content = bytearray(GOOD)
    content[position] ^= flip
    try:
        tree = segments.decode(bytes(content))
    except ValueError:
        return
    assert all(b".." not in path.split(b"/") and not path.startswith(b"/") for path in tree)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"sysvenv segment 2\n",
        MAGIC + b"f no zero byte at the end",
        MAGIC + b"\0",
        MAGIC + b"x 1 2 path\0",
        MAGIC + b"f short.0644.5 1 path\0",
        MAGIC + b"f " + NAME + b" 1 path\0",
        MAGIC + b"f " + NAME + b".0644.5.1.2 1 path\0",
        MAGIC + b"f " + NAME + b".0999.5 1 path\0",
        MAGIC + b"f " + NAME + b".0644.5 one path\0",
        MAGIC + b"f " + NAME + b".0644.5 1 ../out\0",
        MAGIC + b"f " + NAME + b".0644.5 1 /etc/passwd\0",
        MAGIC + b"l 5 -1 ab\0",
        MAGIC + b"l 5 3 ab\0",
        MAGIC + b"d 0755 0 \0",
    ],
)
def test_what_encode_cannot_have_written_is_refused(content):
    """Another version, a cut file, odd numbers and paths that lead out are all ValueError."""
    with pytest.raises(ValueError):
        segments.decode(content)


def test_a_segment_is_kept_under_its_digest():
    """A segment is written once, read back equal, and its file can be checked with xxhsum."""
    with worlds() as world:
        tree = tree_of({b"a": File()})
        name, path = world.store.segments.write(tree)
        first = os.stat(path)
        assert world.store.segments.write(tree) == (name, path)
        assert os.stat(path).st_ino == first.st_ino
        assert world.store.segments.read(name) == tree
        with open(path, "rb") as file:
            content = file.read()
        assert digest.of_bytes(content) == name
        assert world.store.segments.records(name) == {content[len(MAGIC) : -1]}


def test_writing_again_mends_a_damaged_segment():
    """What has the name but not the bytes is replaced."""
    with worlds() as world:
        tree = tree_of({b"a": File()})
        name, path = world.store.segments.write(tree)
        with open(path, "ab") as file:
            file.write(b"!")
        with pytest.raises(Damaged, match="is damaged"):
            world.store.segments.read(name)
        assert world.store.segments.write(tree)[0] == name
        assert world.store.segments.read(name) == tree


def test_a_missing_or_senseless_segment_is_damage():
    """A segment that is gone, or has its right digest but no sense, is named in a sentence."""
    with worlds() as world:
        with pytest.raises(Damaged, match="is missing"):
            world.store.segments.read("ab" * 16)
        name = digest.of_bytes(b"nonsense")
        path = world.store.segments.path(name)
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(b"nonsense")
        with pytest.raises(Damaged, match="cannot be read"):
            world.store.segments.read(name)


def test_an_empty_segment():
    """A tree with nothing in it has an encoding too."""
    assert segments.decode(segments.encode({})) == {}
