"""Trees and their difference as values."""

from __future__ import annotations

from hypothesis import given
from specimens import in_memory, specs, tree_of

from store.tree import FILE, Entry, TreeDiff, apply, changes, diff, is_safe, parents


@in_memory
@given(specs(), specs())
def test_changes_turn_one_tree_into_the_other(one, other):
    """apply(a, changes(a, b)) is b, twin numbers included."""
    old, new = tree_of(one), tree_of(other)
    assert apply(old, changes(old, new)) == new


@in_memory
@given(specs(), specs())
def test_the_difference_names_exactly_the_paths_that_differ(one, other):
    """diff tells added, removed and modified apart, and the way back is its mirror image."""
    old, new = tree_of(one), tree_of(other)
    there, back = diff(old, new), diff(new, old)
    assert set(there.added) == new.keys() - old.keys()
    assert set(there.removed) == old.keys() - new.keys()
    assert set(there.modified) == {p for p in old.keys() & new.keys() if not old[p].same(new[p])}
    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert bool(there) == any(there)


@in_memory
@given(specs())
def test_a_tree_does_not_differ_from_itself(spec):
    """diff(a, a) is empty, and so are the changes."""
    tree = tree_of(spec)
    assert diff(tree, dict(tree)) == TreeDiff((), (), ())
    assert changes(tree, dict(tree)) == {}


def test_a_twin_is_no_difference_to_a_user():
    """Two inodes of equal content, mode and mtime look alike: no modification is told."""
    one = Entry(FILE, 0o644, 5, 3, "ab" * 16)
    other = one._replace(twin=1)
    assert not diff({b"a": one}, {b"a": other})
    assert changes({b"a": one}, {b"a": other}) == {b"a": other}
    assert not one.same(None)
    assert (one.object_name, other.object_name) == ("ab" * 16 + ".0644.5", "ab" * 16 + ".0644.5.1")


def test_parents_and_safe_paths():
    """A path read from disk may not lead out of the tree, and its parents are named outermost first."""
    assert parents(b"a/b/c") == [b"a", b"a/b"]
    assert parents(b"a") == []
    for path in (b"a", b"a/b", b"a/..b", b"...", b"\xff\n"):
        assert is_safe(path)
    for path in (b"", b"/a", b"a/", b"a//b", b"..", b"a/../b", b"./a", b"a/.", b"a\0b"):
        assert not is_safe(path)
