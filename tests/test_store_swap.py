"""The swap: what goes live is exact, what was live is set aside whole, and nothing of the user's is lost."""

from __future__ import annotations

import contextlib
import errno
import os

import pytest
from fingerprint import fingerprint
from hypothesis import given
from specimens import Dir, File, Link, edit_in_place, mutate, on_disk, plain_sort, seen_as, specs, worlds, write

from store import audit, disk, layout, swap, trees
from store.index import Index, block, chosen
from store.row import rows
from store.scan import OURS as OURS_KIND
from store.scan import Drift, survey
from store.trees import Marker

OLD = {b"lib/pkg/m.py": File(b"old\n"), b"lib/pkg/same.py": File(), b"lib64": Link(b"lib"), b"old/o.py": File(b"o\n")}
NEW = {b"lib/pkg/m.py": File(b"new\n"), b"lib/pkg/same.py": File(), b"lib64": Link(b"lib"), b"new/n.py": File(b"n\n")}
OURS = {b"ours.py": b"ours\n"}


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def spare(world, spec, *, guarded=True):
    kept = world.keep(spec, guarded=guarded)
    return layout.lay_out(world.store, kept.name, kept.manifest)


def live(world, spec):
    """The live tree of a world, and its index."""
    checkout = spare(world, spec)
    os.rename(checkout.path, world.live)
    return checkout._replace(path=world.live)


def drift_of(checkout):
    return survey(checkout.path, checkout.expected, *audit.look(checkout.path, checkout.expected), plain_sort)


def mend(world, checkout, against=None, suspicious=()):
    """Mend a spare; without a live tree nothing of it is proven."""
    known = against.expected if against else Index("", {}, {}, {})
    expected = checkout.expected
    blocks = [*audit.unproven(expected, known), *chosen(expected.blocks.values(), suspicious)]
    return swap.mend(world.store, checkout, audit.look(checkout.path, expected, blocks), plain_sort)


def rescued_content(mended):
    return sorted(disk.read(path) for path in mended.rescued if not os.path.islink(path))


# Mending


@on_disk
@given(specs(), specs())
def test_a_tree_that_was_written_into_is_mended_and_nothing_is_lost(spec, other):
    """Whatever somebody did to a set-aside tree: it goes live as recorded, and what they wrote is rescued."""
    with worlds() as world:
        checkout = spare(world, spec)
        mutate(checkout.path, spec, other)
        mended = mend(world, checkout)
        assert fingerprint(checkout.path) == seen_as(spec)
        written = [n.content for p, n in other.items() if isinstance(n, File) and spec.get(p) != n]
        assert rescued_content(mended) == sorted(written)
        blocks = list(mended.checkout.expected.blocks.values())
        assert audit.look(checkout.path, checkout.expected, blocks)[0] == []
        assert not drift_of(mended.checkout)
        again = mend(world, mended.checkout)
        assert (again.healed, again.rescued) == ((), ())


@on_disk
@given(specs())
def test_an_untouched_tree_needs_no_mending(spec):
    """A spare that stands as it was laid goes live as it is."""
    with worlds() as world:
        checkout = spare(world, spec)
        mended = mend(world, checkout)
        assert (mended.healed, mended.rescued) == ((), ())


def test_an_edit_in_the_live_tree_is_healed_in_the_spare(world):
    """The edit reached the spare through the shared inode; the spare goes live without it, the edit is kept."""
    now, ready = live(world, OLD), spare(world, NEW)
    edit_in_place(world.live + b"/lib/pkg/same.py")
    drift = drift_of(now)
    mended = mend(world, ready, now, drift.changed)
    assert mended.healed == (b"lib/pkg/same.py",)
    assert mended.rescued == ()
    assert fingerprint(ready.path) == seen_as(NEW)
    assert disk.read(world.live + b"/lib/pkg/same.py").endswith(b"# edited\n")


def test_chmod_of_everything_is_mended_bytecode_too(world):
    """`chmod -R g+w venv` touches every inode both trees share, also bytecode, of which no copy is kept."""
    spec = {b"m.pyc": File(b"code"), b"n.py": File()}
    ready = spare(world, spec, guarded=False)
    for path in spec:
        os.chmod(os.path.join(ready.path, path), 0o664)
    mended = mend(world, ready)
    assert set(mended.healed) == set(spec)
    assert fingerprint(ready.path) == seen_as(spec)


def test_edited_bytecode_is_dropped(world):
    """Bytecode somebody wrote into cannot be healed and need not be: Python builds it again."""
    spec = {b"m.pyc": File(b"code"), b"n.py": File()}
    ready = spare(world, spec, guarded=False)
    edit_in_place(ready.path + b"/m.pyc")
    mended = mend(world, ready)
    assert fingerprint(ready.path) == seen_as({b"n.py": spec[b"n.py"]})
    assert [path for path, _ in rows(mended.checkout.expected.blocks.values())] == [b"n.py"]
    assert audit.look(ready.path, mended.checkout.expected)[0] == []


def test_directories_get_their_modes_back(world):
    """A directory that was closed, opened or deleted in a set-aside tree is as it was."""
    spec = {b"a/b": File(), b"private": Dir(0o700), b"gone/c": File(b"c\n")}
    ready = spare(world, spec)
    os.chmod(ready.path + b"/a", 0o700)
    os.rmdir(ready.path + b"/private")
    os.unlink(ready.path + b"/gone/c")
    os.rmdir(ready.path + b"/gone")
    os.makedirs(ready.path + b"/new/empty")
    os.makedirs(ready.path + b"/mine")
    write(ready.path + b"/mine/late.data", File(b"late"))
    mended = mend(world, ready)
    assert fingerprint(ready.path) == seen_as(spec)
    assert rescued_content(mended) == [b"late"]


def test_a_row_too_young_to_believe_is_no_edit(world):
    """What git calls racily clean needs no mending, and is not told as healed."""
    ready = spare(world, OLD)
    racy = {path: row for path, row in rows(ready.expected.blocks.values()) if row.ino}
    blocks = {
        name: block(name, world.store.segments.read(name), {p: r.ino for p, r in racy.items()}, frozenset(racy))
        for name in ready.expected.blocks
    }
    ready = ready._replace(expected=ready.expected.replace(blocks=blocks))
    mended = mend(world, ready)
    assert (mended.healed, mended.rescued) == ((), ())
    assert fingerprint(ready.path) == seen_as(OLD)


def test_an_empty_file_too_young_to_believe_stays(world):
    """No object holds an empty file, yet one that is as it should be is nobody's late writing: truncated a moment
    before it was recorded, it was moved away from the tree that redo brings back."""
    ready = spare(world, {**OLD, b"lib/empty.py": File(b"")})
    expected = ready.expected
    blocks = {}
    for name, each in expected.blocks.items():
        inodes = {path: row.ino for path, row in rows([each])}
        blocks[name] = block(name, world.store.segments.read(name), inodes, frozenset({b"lib/empty.py"}))
    ready = ready._replace(expected=expected.replace(blocks=blocks))
    mended = mend(world, ready)
    assert (mended.healed, mended.rescued) == ((), ())
    assert swap.clear(world.store, ready, plain_sort) == []
    assert disk.read(ready.path + b"/lib/empty.py") == b""


def test_mending_on_full_inodes_writes_durable_copies(world, monkeypatch):
    """Where no more links can be made, what is mended is copied, and flushed before the tree goes live."""
    ready = spare(world, OLD)
    os.unlink(ready.path + b"/old/o.py")
    synced = []

    def full(source, target):
        raise OSError(errno.EMLINK, "too many links")

    monkeypatch.setattr(disk, "link", full)
    monkeypatch.setattr(disk, "barrier", lambda root, files: synced.extend(files))
    mended = mend(world, ready)
    assert synced == [ready.path + b"/old/o.py"]
    assert audit.look(ready.path, mended.checkout.expected)[0] == []


def test_a_directory_of_ours_that_came_later_stays(world):
    """A directory that holds what is neither tracked nor the user's cannot go, and does no harm."""
    ready = spare(world, OLD)
    os.mkdir(ready.path + b"/later")
    write(ready.path + b"/later/x.data", File())
    looked = audit.look(ready.path, ready.expected)
    mended = swap.mend(world.store, ready, looked, lambda path, mode: OURS_KIND)
    assert mended.rescued == ()
    assert os.path.exists(ready.path + b"/later/x.data")


def test_a_missing_object_does_not_hide_a_late_write(world):
    """A file whose object is gone is rescued and the object rebuilt."""
    ready = spare(world, {b"a": File(), b"e": File(b"")})
    edit_in_place(ready.path + b"/a")
    edit_in_place(ready.path + b"/e")
    (entry,) = [e for e in world.store.segments.read(next(iter(ready.expected.blocks))).values() if e.has_object]
    os.unlink(world.store.objects.path(entry))
    mended = mend(world, ready)
    assert rescued_content(mended) == [b"# edited\n", File().content + b"# edited\n"]
    assert fingerprint(ready.path) == seen_as({b"a": File(), b"e": File(b"")})


# Going live


def go(world, now, ready, **more):
    """Swap with the drift the live tree has."""
    return swap.go_live(world.store, world.live, drift_of(now), ready, OURS, {"sequence": 7}, **more)


def test_the_trees_change_places(world):
    """The target is live with its position, the replaced tree stands whole in the target's slot, ours are laid."""
    now, ready = live(world, OLD), spare(world, NEW)
    swapped = go(world, now, ready)
    assert swapped == []
    assert fingerprint(world.live) == {**seen_as(NEW), b"ours.py": fingerprint(world.live)[b"ours.py"]}
    assert disk.read(world.live + b"/ours.py") == b"ours\n"
    assert fingerprint(ready.path) == seen_as(OLD)
    assert trees.read_marker(world.live) == Marker(ready.name, {"sequence": 7})
    known = trees.load_index(world.store, ready.name)
    assert audit.moved(world.live, known) == []
    assert audit.look(world.live, known)[0] == []


def test_data_is_carried_as_the_same_inode(world):
    """The user's files come along, their directories too; the replaced tree keeps no second name of them."""
    now, ready = live(world, OLD), spare(world, NEW)
    os.makedirs(world.live + b"/mine/deep", mode=0o700)
    os.chmod(world.live + b"/mine", 0o750)
    inodes = {}
    for path in (b"mine/deep/a.data", b"old/b.data", b"lib/pkg/c.data"):
        write(os.path.join(world.live, path), File(path))
        inodes[path] = os.lstat(os.path.join(world.live, path)).st_ino
    assert go(world, now, ready) == []
    assert {path: os.lstat(os.path.join(world.live, path)).st_ino for path in inodes} == inodes
    assert all(os.lstat(os.path.join(world.live, path)).st_nlink == 1 for path in inodes)
    assert os.lstat(world.live + b"/mine").st_mode & 0o777 == 0o750
    known = trees.load_index(world.store, ready.name)
    assert known.data == inodes


def test_data_whose_place_is_needed_stays_set_aside(world):
    """A file, or a directory, of the target where the user's file is: theirs is kept and named, nothing is lost."""
    target = {**NEW, b"a.data": File(b"tracked"), b"mine": File(b"a file"), b"away": Link(b"lib")}
    now = live(world, OLD)
    for directory in (b"/mine/deep", b"/away"):
        os.makedirs(world.live + directory)
    theirs = [b"a.data", b"mine/deep/b.data", b"away/c.data"]
    for path in theirs:
        write(os.path.join(world.live, path), File(b"theirs"))
    ready = spare(world, target)
    assert sorted(go(world, now, ready)) == sorted(theirs)
    assert disk.read(world.live + b"/a.data") == b"tracked"
    assert all(disk.read(os.path.join(ready.path, path)) == b"theirs" for path in theirs)
    assert not os.path.lexists(world.live + b"/lib/c.data")


def test_data_that_was_carried_before_is_not_taken(world):
    """A swap cut off after its files were carried can be run again."""
    now, ready = live(world, OLD), spare(world, NEW)
    write(world.live + b"/a.data", File(b"theirs"))
    drift = drift_of(now)
    for _ in range(2):
        assert swap.carry(world.live, [*drift.data, b"gone.data"], ready) == (drift.data, [])
    ready = ready._replace(expected=ready.expected.replace(data=drift.data))
    write(world.live + b"/a.data", File(b"saved anew"))
    new = {b"a.data": os.lstat(world.live + b"/a.data").st_ino}
    assert swap.carry(world.live, new, ready) == (new, [])
    assert disk.read(ready.path + b"/a.data") == b"saved anew"


def test_data_saved_anew_during_the_swap_is_not_lost(world, monkeypatch):
    """An editor that saves by rename between the carrying and the exchange: the new file is live, not the old one."""
    now, ready = live(world, OLD), spare(world, NEW)
    write(world.live + b"/a.data", File(b"first"))
    real = disk.exchange

    def exchange(one, other):
        write(world.live + b"/a.data", File(b"second"))
        return real(one, other)

    monkeypatch.setattr(disk, "exchange", exchange)
    go(world, now, ready)
    assert disk.read(world.live + b"/a.data") == b"second"
    assert not os.path.exists(ready.path + b"/a.data")


def test_data_deleted_or_saved_after_the_swap_is_left_alone(world, monkeypatch):
    """What happens to the user's files in the live tree right after the exchange is their doing, and stays."""
    now, ready = live(world, OLD), spare(world, NEW)
    for name in (b"/a.data", b"/b.data", b"/c.data", b"/d.data"):
        write(world.live + name, File(b"first"))
    real = disk.exchange

    def exchange(one, other):
        done = real(one, other)
        os.unlink(world.live + b"/a.data")
        write(world.live + b"/b.data", File(b"second"))
        os.unlink(ready.path + b"/c.data")
        write(world.live + b"/d.data", File(b"third"))
        write(ready.path + b"/d.data", File(b"fourth"))
        return done

    monkeypatch.setattr(disk, "exchange", exchange)
    with open(world.live + b"/d.data", "rb"):  # its inode number is not given out again meanwhile
        go(world, now, ready)
    assert [os.path.exists(world.live + name) for name in (b"/a.data", b"/b.data", b"/c.data")] == [False, True, True]
    assert disk.read(world.live + b"/b.data") == b"second"
    assert disk.read(world.live + b"/d.data") == b"third"
    assert [name for name in os.listdir(ready.path) if name.endswith(b".data")] == [b"d.data"]


def test_a_lock_stays_one_inode(world):
    """Locks are taken on inodes: uv's lock file is the same one in every tree."""
    now, ready = live(world, OLD), spare(world, NEW)
    write(world.live + b"/.lock", File(b""))
    inode = os.lstat(world.live + b"/.lock").st_ino
    write(ready.path + b"/.lock", File(b"another"))
    go(world, now, ready, one_inode=[b".lock", b"none"])
    assert os.lstat(world.live + b"/.lock").st_ino == inode
    swap.keep_inode(world.live, ready.path, b".lock")
    assert os.lstat(ready.path + b"/.lock").st_ino == inode


def test_ours_are_laid_only_where_they_differ(world):
    """A spare can be fitted out ahead; then nothing is left to write when it goes live."""
    ready = spare(world, NEW)
    fitted = swap.outfit(world.store, ready, {b"ours.py": b"1", b"deep/er/ours.py": b"2"})
    assert swap.outfit(world.store, fitted, {b"ours.py": b"1", b"deep/er/ours.py": b"2"}) is fitted
    assert audit.moved(ready.path, fitted.expected) == []
    write(ready.path + b"/ours.py", File(b"old"))
    assert trees.lay_ours(world.store.root, ready.path, {b"ours.py": b"1", b"lib/ours.py": b"3"}) == [
        b"ours.py",
        b"lib/ours.py",
    ]
    assert disk.read(ready.path + b"/ours.py") == b"1"


def test_a_live_tree_that_is_gone_is_brought_back(world):
    """rm -rf of everything is undone like anything else."""
    ready = spare(world, NEW)
    swap.go_live(world.store, world.live, Drift({}, {}, Index("", {}, {}, {})), ready, {}, {})
    assert fingerprint(world.live) == seen_as(NEW)
    assert fingerprint(ready.path) == {}


# Without an atomic exchange


class Cut(BaseException):
    """The process ends here."""


STEPS = ["journal", "live aside", "target live", "aside to its slot", "journal dropped"]


@pytest.mark.parametrize("step", range(len(STEPS) + 1), ids=[*(f"before {step}" for step in STEPS), "uncut"])
def test_two_renames_are_finished_whenever_they_are_cut(world, monkeypatch, step):
    """Without an exchange there is an instant with no live tree; whoever comes next sees the old or the new one."""
    live(world, OLD)
    ready = spare(world, NEW)
    done = []

    def counted(function, counts=lambda *arguments: True):
        def call(*arguments, **options):
            if counts(*arguments):
                done.append(arguments)
            if len(done) > step:
                raise Cut
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(disk, "exchange", lambda one, other: False)
    monkeypatch.setattr(disk, "write_durably", counted(disk.write_durably))
    monkeypatch.setattr(disk, "discard", counted(disk.discard))
    monkeypatch.setattr(os, "rename", counted(os.rename, lambda source, target: not source.endswith(b".tmp")))
    with pytest.raises(Cut) if step < len(STEPS) else contextlib.nullcontext():
        swap.exchange(world.store, world.live, ready.path)
    monkeypatch.undo()
    assert len(done) == min(step + 1, len(STEPS))
    interrupted = os.path.exists(world.store.root + b"/" + swap.JOURNAL)
    assert interrupted == (0 < step < len(STEPS))
    assert swap.recover_exchange(world.store, world.live) == interrupted
    assert not swap.recover_exchange(world.store, world.live)
    trees.sweep(world.store, world.live)
    (slot,) = os.listdir(world.store.trees)
    new, old = (world.live, ready.path) if step >= 2 else (ready.path, world.live)
    assert slot == os.path.basename(ready.path)
    assert fingerprint(new) == seen_as(NEW)
    assert fingerprint(old) == seen_as(OLD)


def test_a_rename_that_fails_is_taken_back(world, monkeypatch):
    """If the target cannot be moved in, the old tree is live again and the error is told."""
    live(world, OLD)
    ready = spare(world, NEW)
    real, done = os.rename, []

    def rename(source, target, **more):
        if target == world.live and not done:
            done.append(source)
            raise OSError(errno.EIO, "bad disk")
        real(source, target, **more)

    monkeypatch.setattr(disk, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="bad disk"):
        swap.exchange(world.store, world.live, ready.path)
    assert fingerprint(world.live) == seen_as(OLD)
    assert fingerprint(ready.path) == seen_as(NEW)
    assert not swap.recover_exchange(world.store, world.live)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'{"target": "/etc"}', b'{"target": 5}'])
def test_a_damaged_journal_moves_nothing(world, content):
    """Only a tree of this store is ever moved in, whatever the journal says."""
    live(world, OLD)
    with open(world.store.root + b"/" + swap.JOURNAL, "wb") as file:
        file.write(content)
    assert swap.recover_exchange(world.store, world.live)
    assert fingerprint(world.live) == seen_as(OLD)
    assert not swap.recover_exchange(world.store, world.live)
