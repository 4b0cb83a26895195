"""The trees beside the live one: which are ready, which are rubbish, and how rubbish goes."""

from __future__ import annotations

import os

import pytest
from specimens import File, worlds

from store import disk, layout, trees
from store.trees import Marker


@pytest.fixture
def world():
    with worlds() as made:
        made.kept = made.keep({b"a/b": File()})
        yield made


def lay(world):
    return layout.lay_out(world.store, world.kept.name, world.kept.manifest)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": 2, "checkout": "0123456789abcdef", "position": {}}',
        b'{"version": 1, "checkout": "../../../../etc/x", "position": {}}',
        b'{"version": 1, "checkout": "0123456789abcdef", "position": []}',
        b'{"version": 1, "checkout": 5, "position": {}}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_marker_makes_a_tree_no_checkout(world, content):
    """A marker is believed or not there; a tree without one is swept away, never used."""
    checkout = lay(world)
    with open(checkout.path + b"/.sysvenv", "wb") as file:
        file.write(content)
    assert trees.read_marker(checkout.path) is None
    assert trees.ready(world.store) == []
    trees.sweep(world.store, world.live)
    assert os.listdir(world.store.trees) == []
    assert os.listdir(world.store.indexes) == []


def test_no_marker_at_all(tmp_path):
    """A directory, a file, a directory in the marker's place: no marker."""
    assert trees.read_marker(os.fsencode(tmp_path)) is None
    (tmp_path / ".sysvenv").mkdir()
    assert trees.read_marker(os.fsencode(tmp_path)) is None
    (tmp_path / "file").touch()
    assert trees.read_marker(os.fsencode(tmp_path / "file")) is None


def test_a_marker_says_what_was_written(world):
    """Checkout and position come back as they were."""
    marker = Marker(trees.new_name(), {"sequence": 3})
    os.mkdir(world.live)
    trees.write_marker(world.store, world.live, marker)
    assert trees.read_marker(world.live) == marker


def test_a_marker_that_was_being_written_leaves_nothing_in_the_tree(world, monkeypatch):
    """A power cut may leave the temporary file, on btrfs without a new mtime of its directory: it lies in the store,
    and the next sweep takes it away."""
    os.mkdir(world.live)

    def cut(*arguments):
        raise KeyboardInterrupt  # whatever ends it: nothing more is done

    monkeypatch.setattr(os, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        trees.write_marker(world.store, world.live, Marker(trees.new_name(), {}))
    monkeypatch.undo()
    assert os.listdir(world.live) == []
    assert [name for name in os.listdir(world.store.root) if name.endswith(b".tmp")]
    trees.sweep(world.store, world.live)
    assert not [name for name in os.listdir(world.store.root) if name.endswith(b".tmp")]


def test_sweeping_keeps_what_is_ready_and_what_is_live(world):
    """Half-built trees and stray indexes go; ready trees, the live one and its index stay."""
    ready, live, lost = lay(world), lay(world), lay(world)
    os.rename(live.path, world.live)
    os.unlink(trees.index_path(world.store, lost.name))
    os.mkdir(world.store.trees + b"/9.building")
    with open(world.store.trees + b"/stray", "wb"):
        pass
    with open(world.store.indexes + b"/0000000000000000", "wb"):
        pass
    trees.sweep(world.store, world.live)
    assert os.listdir(world.store.trees) == [os.path.basename(ready.path)]
    assert sorted(os.listdir(world.store.indexes)) == sorted([ready.name.encode(), live.name.encode()])
    assert len(os.listdir(world.store.trash)) == 3
    assert trees.load_index(world.store, live.name) is not None


def test_the_one_unused_for_longest_is_first(world):
    """Which checkout is given up is told by the age of its index."""
    one, two = lay(world), lay(world)
    os.utime(trees.index_path(world.store, two.name), ns=(5, 5))
    assert [each.name for each in trees.ready(world.store)] == [two.name, one.name]


def test_a_tree_with_a_damaged_index_is_not_taken(world):
    """An index that cannot be believed is dropped, and its tree swept away next time."""
    checkout = lay(world)
    path = trees.index_path(world.store, checkout.name)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    (standing,) = trees.standing(world.store)
    assert standing.manifest == world.kept.name
    assert trees.take(world.store, standing) is None
    trees.sweep(world.store, world.live)
    assert os.listdir(world.store.trees) == []


def test_what_was_live_last_is_used_last(world):
    """Touching an index says that its tree was live until now."""
    one, two = lay(world), lay(world)
    for name in (one.name, two.name):
        os.utime(trees.index_path(world.store, name), ns=(5, 5))
    trees.touch(world.store, one.name)
    assert [tree.name for tree in trees.standing(world.store)] == [two.name, one.name]


def test_a_slot_is_never_taken_twice(world):
    """A tree under construction holds its slot."""
    first = trees.free_slot(world.store)
    os.mkdir(first + trees.BUILDING)
    second = trees.free_slot(world.store)
    os.mkdir(second)
    assert len({first, second, trees.free_slot(world.store)}) == 3


def test_trash_goes_whatever_it_is(world):
    """Directories, closed ones too, files, and links, which are not followed; deleting twice does no harm."""
    checkout = lay(world)
    trees.bury_checkout(world.store, checkout)
    assert not os.path.exists(trees.index_path(world.store, checkout.name))
    (name,) = os.listdir(world.store.trash)
    os.chmod(world.store.trash + b"/" + name + b"/a", 0o500)
    os.symlink(world.root, world.store.trash + b"/link")
    with open(world.store.trash + b"/file", "wb"):
        pass
    assert trees.has_trash(world.store)
    trees.empty_trash(world.store)
    trees.empty_trash(world.store)
    assert not trees.has_trash(world.store)
    assert os.path.isdir(world.root)
    assert world.store.objects.intact(world.kept.tree[b"a/b"])


def test_closed_directories_are_opened_to_be_deleted(world, monkeypatch):
    """As root nothing is closed, so the refusal is played: it is opened, and tried once more; else it stays."""
    checkout = lay(world)
    trees.bury_checkout(world.store, checkout)
    refused = []
    real = os.rmdir

    def rmdir(path, *, dir_fd=None):
        if not refused and os.fsencode(path).endswith(b"a"):
            refused.append(path)
            raise PermissionError(13, "closed", path)
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir)
    trees.empty_trash(world.store)
    assert refused and not trees.has_trash(world.store)

    def never(path, *, dir_fd=None):
        raise PermissionError(13, "closed", path)

    os.mkdir(world.store.trash + b"/x")
    monkeypatch.setattr(os, "rmdir", never)
    trees.empty_trash(world.store)
    monkeypatch.undo()
    assert trees.has_trash(world.store)


def test_what_goes_while_it_is_deleted(world, monkeypatch):
    """Another process deletes the same: what it was quicker with is gone, and the rest goes."""
    checkout = lay(world)
    trees.bury_checkout(world.store, checkout)
    real, gone = os.open, []

    def opened(path, flags, mode=0o777, *, dir_fd=None):
        if not gone and os.fsencode(path).endswith(b"a"):
            gone.append(path)
            raise FileNotFoundError(2, "gone", path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", opened)
    trees.empty_trash(world.store)
    assert gone and not trees.has_trash(world.store)


def test_rescued_files_never_meet(world):
    """What is rescued under a name that is taken gets another one; nothing is overwritten."""
    saved = []
    for content in (b"one", b"two"):
        os.makedirs(world.root + b"/tree/d", exist_ok=True)
        with open(world.root + b"/tree/d/log", "wb") as file:
            file.write(content)
        saved += trees.rescue(world.store, world.root + b"/tree", [b"d/log"], "label")
    assert len(set(saved)) == 2
    assert [disk.read(path) for path in saved] == [b"one", b"two"]
