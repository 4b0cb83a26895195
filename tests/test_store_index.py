"""The index: derived, so it is believed only when it is intact."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import NAMES, File, Link, in_memory, specs, tree_of

from store import index
from store.index import ANY, Index, block
from store.row import Row, rows
from store.tree import DIRECTORY

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@st.composite
def indexes(draw):
    """Any index: blocks of drawn trees with drawn inode numbers."""
    blocks = {}
    for number, spec in enumerate(draw(st.lists(specs(), max_size=2))):
        tree = tree_of(spec)
        first = draw(st.integers(1, 2**62))
        inodes = {path: first + position for position, path in enumerate(tree)}
        name = f"{number:032x}"
        blocks[name] = block(name, tree, inodes, frozenset(sorted(tree)[:1]))
    directories = draw(st.dictionaries(NAMES, st.tuples(NUMBERS, NUMBERS), max_size=3))
    return Index(
        "ab" * 16, blocks, {b"": (0o755, ANY), **directories}, draw(st.dictionaries(NAMES, NUMBERS, max_size=3))
    )


def same(one: Index, other: Index) -> bool:
    """Blocks are compared by what they hold; they have no equality of their own."""
    plain = [
        (
            i.manifest,
            {n: (b.segment, b.count, b.shared, b.names, b.numbers) for n, b in i.blocks.items()},
            i.directories,
            i.data,
        )
        for i in (one, other)
    ]
    return plain[0] == plain[1]


@in_memory
@given(indexes())
def test_decode_is_the_inverse_of_encode(value):
    """Every index survives its encoding; its rows are those of its trees."""
    again = index.decode(index.encode(value))
    assert same(again, value)
    assert list(rows(again.blocks.values())) == list(rows(value.blocks.values()))
    assert {path: index.decode(index.encode(value)).directory(path) for path in value.directories} == value.directories
    assert index.decode(index.encode(value)).directory(b"/") is None is value.directory(b"/")
    assert list(again.directories) == list(value.directories)


@in_memory
@given(indexes(), st.data())
def test_a_flipped_byte_is_refused(value, data):
    """No damage goes unnoticed: the index is rebuilt rather than believed."""
    content = bytearray(index.encode(value))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError):
        index.decode(bytes(content))


@in_memory
@given(specs(), st.data())
def test_a_block_holds_the_rows_of_its_tree(spec, data):
    """Files with objects come first, links and empty files after them, directories have no row."""
    tree = tree_of(spec)
    inodes = {path: number for number, path in enumerate(tree, 100)}
    made = block("ab" * 16, tree, inodes)
    of = dict(rows([made]))
    assert set(of) == {path for path, entry in tree.items() if entry.kind != DIRECTORY}
    assert all(tree[path].has_object == (position < made.shared) for position, path in enumerate(made.paths))
    assert all(of[path].ino == (inodes[path] if tree[path].has_object else 0) for path in of)
    chosen = data.draw(st.lists(st.integers(0, made.count - 1), unique=True)) if made.count else []
    part = made.only(chosen)
    assert dict(rows([part])) == {made.paths[row]: of[made.paths[row]] for row in chosen}


def test_an_index_that_is_missing_or_cut_is_none(tmp_path):
    """Losing an index costs a rebuild, never an error."""
    path = os.fsencode(tmp_path / "index")
    assert index.load(path) is None
    content = index.encode(Index("", {}, {}, {}))
    for cut in (0, 10, len(index.MAGIC) + 5, len(content) - 1):
        (tmp_path / "index").write_bytes(content[:cut])
        assert index.load(path) is None
    (tmp_path / "index").write_bytes(content)
    found = index.load(path)
    assert found is not None
    assert same(found, Index("", {}, {}, {}))


def test_segments_of_paths():
    """Each path is known by the segment it belongs to, all of them or those one asks for."""
    one = block("a" * 32, tree_of({b"a": File(), b"b": Link()}), {})
    two = block("b" * 32, tree_of({b"c": File()}), {})
    value = Index("", {"a" * 32: one, "b" * 32: two}, {}, {})
    assert value.segment_of() == {b"a": "a" * 32, b"b": "a" * 32, b"c": "b" * 32}
    assert value.segment_of(b"c".__eq__) == {b"c": "b" * 32}
    assert two.shared_inodes == two.numbers[:8]


def test_rows_answer_for_files(tmp_path):
    """A row agrees with the file it describes, and with no other."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    found = path.lstat()
    row = Row(found.st_ino, found.st_mtime_ns, 3, found.st_mode)
    assert row.agrees(found)
    assert row._replace(ino=0).agrees(found)
    for wrong in (row._replace(ino=1), row._replace(mtime=1), row._replace(size=4), row._replace(mode=1)):
        assert not wrong.agrees(found)
    assert row._replace(ino=1).looks_like(found)
    assert row._replace(size=ANY).looks_like(found)
    assert not row._replace(size=4).looks_like(found)


def test_settling_a_directory_makes_later_changes_show(tmp_path):
    """A directory we just changed gets an mtime that the next change cannot repeat; an old one is left alone."""
    place = os.fsencode(tmp_path)
    mode, settled = index.settle(place)
    assert (mode, settled) == (os.lstat(place).st_mode & 0o7777, os.lstat(place).st_mtime_ns)
    (tmp_path / "new").touch()
    assert os.lstat(place).st_mtime_ns > settled
    os.utime(place, ns=(5, 5))
    assert index.settle(place)[1] == 5
