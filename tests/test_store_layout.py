"""Laying out: any state from scratch, or from any other checkout by their difference, with the same result."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from fingerprint import fingerprint
from hypothesis import given
from hypothesis import strategies as st
from specimens import Dir, File, Link, edit_in_place, on_disk, seen_as, specs, worlds

from store import audit, disk, layout, trees
from store.errors import Damaged
from store.layout import Plan
from store.row import rows


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def check(world, checkout, kept, spec):
    """A checkout is exactly its state, and its index is that of one laid out anew."""
    assert fingerprint(checkout.path) == seen_as(spec)
    assert checkout.expected.manifest == kept.name
    assert audit.look(checkout.path, checkout.expected) == ([], [])
    perfect = layout.expected(world.store, kept.name, kept.manifest)
    assert dict(rows(checkout.expected.blocks.values())) == dict(rows(perfect.blocks.values()))
    assert {p: m for p, (m, _) in checkout.expected.directories.items()} == {
        p: m for p, (m, _) in perfect.directories.items()
    }
    (found,) = [each for each in trees.ready(world.store) if each.path == checkout.path]
    assert found.name == checkout.name
    assert dict(rows(found.expected.blocks.values())) == dict(rows(perfect.blocks.values()))


@on_disk
@given(st.lists(specs(), min_size=2, max_size=4))
def test_a_transform_gives_what_laying_out_gives(states):
    """Content, mode, mtime, targets and directories: no trace of the states in between is left."""
    with worlds() as world:
        kept = [world.keep(spec) for spec in states]
        checkout = layout.lay_out(world.store, kept[0].name, kept[0].manifest)
        check(world, checkout, kept[0], states[0])
        for state, spec in zip(kept[1:], states[1:], strict=True):
            checkout = layout.transform(world.store, checkout, state.name, state.manifest)
            check(world, checkout, state, spec)


@on_disk
@given(specs())
def test_an_edit_never_reaches_a_second_checkout_unseen(spec):
    """However a file of one checkout is written through, another one is laid out as it was recorded."""
    with worlds() as world:
        kept = world.keep(spec)
        first = layout.lay_out(world.store, kept.name, kept.manifest)
        for path, entry in kept.tree.items():
            if entry.has_object:
                edit_in_place(os.path.join(first.path, path))
        second = layout.lay_out(world.store, kept.name, kept.manifest)
        check(world, second, kept, spec)
        touched = audit.look(first.path, first.expected)[0]
        assert sorted(touched) == sorted(path for path, entry in kept.tree.items() if entry.has_object)


def test_files_are_links_and_nothing_is_copied(world):
    """A checkout is links to objects; only empty files and symlinks are its own."""
    kept = world.keep({b"a": File(), b"b": File(b""), b"l": Link()})
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    assert os.lstat(checkout.path + b"/a").st_ino == world.store.objects.inode(kept.tree[b"a"])
    assert os.lstat(checkout.path + b"/b").st_nlink == 1


def test_a_full_inode_is_copied_and_made_durable(world, monkeypatch):
    """Where an object has no room for one more link a copy is laid, and flushed before the tree is ready."""
    spec = {b"a": File(), b"b": File(b"other\n")}
    kept = world.keep(spec)

    def link(source, target):
        raise OSError(errno.EMLINK, "too many links")

    synced = []
    real = disk.barrier
    monkeypatch.setattr(disk, "link", link)
    monkeypatch.setattr(disk, "barrier", lambda root, files: synced.extend(files) or real(root, files))
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    assert fingerprint(checkout.path) == seen_as(spec)
    assert {os.path.basename(path) for path in synced} == {b"a", b"b"}


def test_a_checkout_with_copies_can_be_audited(world, monkeypatch):
    """The index of a checkout that got copies knows their inodes: it does not drift from itself."""
    kept = world.keep({b"a": File()})

    def link(source, target):
        raise OSError(errno.EMLINK, "too many links")

    monkeypatch.setattr(disk, "link", link)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    assert audit.look(checkout.path, checkout.expected)[0] == []


def test_damage_is_healed_on_the_way(world):
    """An edited, touched or missing object is rebuilt while a tree is laid out."""
    spec = {b"a": File(b"a\n"), b"b": File(b"b\n"), b"c": File(b"c\n")}
    kept = world.keep(spec)
    edit_in_place(world.store.objects.path(kept.tree[b"a"]))
    os.utime(world.store.objects.path(kept.tree[b"b"]), ns=(1, 1))
    os.unlink(world.store.objects.path(kept.tree[b"c"]))
    check(world, layout.lay_out(world.store, kept.name, kept.manifest), kept, spec)


def test_damaged_bytecode_is_left_out(world):
    """Python builds bytecode again, so no copy is kept; a damaged one is dropped, never laid out."""
    spec = {b"a.pyc": File(b"code"), b"b.pyc": File(b"more code")}
    kept = world.keep(spec, guarded=False)
    edit_in_place(world.store.objects.path(kept.tree[b"a.pyc"]))
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    assert fingerprint(checkout.path) == seen_as({b"b.pyc": spec[b"b.pyc"]})
    assert [path for path, _ in rows(checkout.expected.blocks.values())] == [b"b.pyc"]


def test_damage_that_cannot_be_healed_is_told(world):
    """A guarded file whose copy is gone too stops the layout with a sentence; no half tree is ready."""
    kept = world.keep({b"a": File()})
    shutil.rmtree(world.store.pristine.root)
    edit_in_place(world.store.objects.path(kept.tree[b"a"]))
    with pytest.raises(Damaged):
        layout.lay_out(world.store, kept.name, kept.manifest)
    assert trees.ready(world.store) == []


def test_a_transform_that_fails_leaves_no_ready_tree(world, monkeypatch):
    """A tree is ready only by its name: one that was being changed when the disk failed is not."""
    one, two = world.keep({b"a/b": File()}), world.keep({b"c": File(b"c\n")})
    checkout = layout.lay_out(world.store, one.name, one.manifest)

    def fail(path, *_, **__):
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(os, "rmdir", fail)
    with pytest.raises(OSError, match="bad disk"):
        layout.transform(world.store, checkout, two.name, two.manifest)
    monkeypatch.undo()
    assert trees.ready(world.store) == []


def test_a_directory_somebody_wrote_into_stays(world):
    """What does not belong to a state is not deleted with it."""
    one, two = world.keep({b"a/b": File(), b"x": Dir(0o700)}), world.keep({b"c": File(b"c\n")})
    checkout = layout.lay_out(world.store, one.name, one.manifest)
    for name in (b"/a/log", b"/x/log"):
        with open(checkout.path + name, "wb"):
            pass
    after = layout.transform(world.store, checkout, two.name, two.manifest)
    assert sorted(os.listdir(after.path)) == [b".sysvenv", b"a", b"c", b"x"]
    assert os.lstat(after.path + b"/x").st_mode & 0o777 == 0o755


def test_a_directory_that_is_gone_already_is_no_hindrance(world):
    """Somebody deleted in a spare what the transform was about to delete."""
    one, two = world.keep({b"a/b/c": File(), b"d": File(b"d\n")}), world.keep({b"d": File(b"d\n")})
    checkout = layout.lay_out(world.store, one.name, one.manifest)
    shutil.rmtree(checkout.path + b"/a")
    check(world, layout.transform(world.store, checkout, two.name, two.manifest), two, {b"d": File(b"d\n")})


# Plans


def big(number, *more):
    """A state of 40 files that all others of this kind share, and one of its own."""
    common = {b"%d/m.py" % each: File(b"%d\n" % each) for each in range(40)}
    return {**common, b"one": File(b"own %d\n" % number), **dict(more)}


def test_the_nearest_checkout_is_taken(world):
    """A ready checkout of the state is used; else the nearest is transformed, if cheap; else one is laid out."""
    first, near, far = world.keep(big(1)), world.keep({b"other": File(b"far\n")}), world.keep({b"x": File(b"x\n")})
    store = world.store
    assert layout.plan(store, first.name, first.manifest, 2) == Plan(first.name, None, None)
    made = layout.apply(store, layout.plan(store, first.name, first.manifest, 2), first.manifest)
    again = layout.plan(store, first.name, first.manifest, 2)
    assert again.start is not None and again.start.path == made.path
    assert layout.apply(store, again, first.manifest).path == made.path
    assert layout.plan(store, near.name, near.manifest, 2) == Plan(near.name, None, None)
    full = layout.plan(store, far.name, far.manifest, 1)
    assert full.start is None and full.give_up is not None and full.give_up.path == made.path
    laid = layout.apply(store, full, far.manifest)
    assert [each.name for each in trees.ready(store)] == [laid.name]
    assert trees.has_trash(store)


def test_a_cheap_difference_is_a_transform(world, monkeypatch):
    """Where most segments are shared, the checkout is changed rather than made; unless it is pinned."""
    one = world.keep({b"%d/m.py" % each: File(b"%d\n" % each) for each in range(60)})
    small = {part.segment: world.store.segments.read(part.segment) for part in one.manifest.parts}
    shortest = min(small.values(), key=len)
    other = world.keep_tree({path: entry for path, entry in one.tree.items() if path not in shortest})
    checkout = layout.lay_out(world.store, one.name, one.manifest)
    monkeypatch.setattr(layout, "WORTH_A_TRANSFORM", 1)
    plan = layout.plan(world.store, other.name, other.manifest, 2)
    assert plan.start is not None and (plan.start.path, plan.give_up) == (checkout.path, None)
    steps = Plan(other.name, checkout, None)
    assert layout.apply(world.store, steps, other.manifest).path == checkout.path
    pinned = layout.plan(world.store, other.name, other.manifest, 2, [checkout.name])
    assert pinned == Plan(other.name, None, None)
