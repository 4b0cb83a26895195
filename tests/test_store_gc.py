"""Collecting garbage: what a kept state needs stays to the last byte, the rest goes, what names others first."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time

import pytest
from fingerprint import fingerprint
from hypothesis import given
from hypothesis import strategies as st
from specimens import File, edit_in_place, keep_pristine, on_disk, seen_as, specs, worlds

from store import census, disk, gc, layout, space, trees
from store.errors import Damaged
from store.gc import KEPT
from store.pristine import FRAME, Archive, Pristine
from store.verify import verify

ONE = {b"a/one.py": File(b"one\n" * 3000), b"a/same.py": File(b"same\n" * 3000), b"b/x": File(b"x\n")}
TWO = {b"a/two.py": File(b"two\n" * 3000), b"a/same.py": File(b"same\n" * 3000), b"b/x": File(b"x\n")}


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def mark(world, *kept, pinned=(), keep_trees=9):
    claims = {state.name: KEPT for state in kept}
    return gc.mark(world.store, claims, dict.fromkeys(pinned, KEPT), keep_trees)


def collect(world, *kept, **options):
    return gc.apply(world.store, mark(world, *kept, **options).plan())


def lay(world, state):
    return layout.lay_out(world.store, state.name, state.manifest)


def listed(world):
    """Every file of the store, trash aside."""
    found = set()
    for place, directories, names in os.walk(world.store.root):
        directories[:] = [each for each in directories if os.path.join(place, each) != world.store.trash]
        found.update(os.path.join(place, name) for name in names)
    return found


@on_disk
@given(st.lists(specs(), min_size=1, max_size=5), st.data())
def test_what_is_kept_lays_out_and_nothing_else_is_left(drawn, data):
    """Whichever states are kept: each lays out byte for byte, each of its files can be rebuilt, and whatever is left
    is needed by one of them."""
    with worlds() as world:
        states = [(world.keep(spec), spec) for spec in drawn]
        kept = data.draw(st.lists(st.sampled_from(states), max_size=3))
        collect(world, *(state for state, _ in kept))
        claims = {state.name: 1 for state, _ in kept}
        assert all(held.claim for held in census.take(world.store, claims, max).files)
        for state, spec in kept:
            assert fingerprint(lay(world, state).path) == seen_as(spec)
            copies = Pristine(world.store.pristine.root)
            assert all(copies.read(entry.digest) for entry in state.tree.values() if entry.has_object)
        assert verify(world.store, claims).faults == ()
        assert mark(world, *(state for state, _ in kept)).plan().files == ()


@on_disk
@given(st.lists(specs(), min_size=2, max_size=5), st.integers(0, 5))
def test_states_go_in_the_order_of_their_claims(drawn, least):
    """Of a store marked once, each plan leaves what its claims say, and a longer one never frees less."""
    with worlds() as world:
        states = [world.keep(spec) for spec in drawn]
        ranks = {}
        for rank, state in enumerate(states, 1):
            ranks[state.name] = max(ranks.get(state.name, 0), rank)
        marked = gc.mark(world.store, ranks, {}, 9)
        freed = [marked.plan(each).freed for each in range(len(states) + 2)]
        assert freed == sorted(freed)
        gc.apply(world.store, marked.plan(least))
        assert {world.store.manifests.path(name) for name, rank in ranks.items() if rank >= least} == {
            held.path for held in census.take(world.store, {}, max).files if held.kind == census.MANIFEST
        }
        assert verify(world.store, []).faults == ()


def test_what_is_swept_lies_in_the_trash(world):
    """Nothing is unlinked while somebody waits; the trash can be emptied then, or later."""
    one, two = world.keep(ONE), world.keep(TWO)
    before = len(listed(world))
    swept = collect(world, two)
    assert (swept.manifests, swept.objects, swept.trees) == (1, 1, 0)
    assert one.manifest.segments and swept.segments == len(set(one.manifest.segments) - set(two.manifest.segments))
    assert before - len(listed(world)) == swept.manifests + swept.segments + swept.objects + swept.copies
    assert trees.has_trash(world.store)
    trees.empty_trash(world.store)
    assert not trees.has_trash(world.store)
    assert fingerprint(lay(world, two).path) == seen_as(TWO)


def test_freed_is_what_has_no_other_name(world):
    """Files that stay elsewhere free nothing; those only a given up tree has as well do. Statvfs could not tell."""
    one = world.keep(ONE)
    (object_of_one,) = [world.store.objects.path(entry) for path, entry in one.tree.items() if path == b"a/one.py"]
    alone = mark(world).plan().freed
    lay(world, one)
    with_tree = mark(world).plan()
    own = sum(weight for _, weight in with_tree.trees)
    assert own >= 0 and with_tree.freed == alone + own
    os.link(object_of_one, world.root + b"/elsewhere")
    assert mark(world).plan().freed == with_tree.freed - os.lstat(object_of_one).st_blocks * 512


def test_which_trees_stay(world):
    """One whose state goes is given up, and the ones unused for longest of too many; never one that is pinned."""
    one, two = world.keep(ONE), world.keep(TWO)
    gone, pinned, old, new = lay(world, one), lay(world, one), lay(world, two), lay(world, two)
    for number, tree in enumerate((gone, pinned, old, new)):
        os.utime(trees.index_path(world.store, tree.name), ns=(number, number))
    assert {tree.name for tree, _ in mark(world, one, two, pinned=[pinned.name]).plan().trees} == set()
    plan = mark(world, two, pinned=[pinned.name], keep_trees=1).plan()
    assert {tree.name for tree, _ in plan.trees} == {gone.name, old.name}
    gc.apply(world.store, plan)
    assert {tree.name for tree in trees.standing(world.store)} == {pinned.name, new.name}
    assert world.store.manifests.read(one.name)  # the pinned tree is of it
    assert verify(world.store, [one.name, two.name]).faults == ()


@pytest.mark.parametrize("what", ["manifest", "segment"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_state_that_cannot_be_read_stops_everything(world, what, how):
    """Who cannot say what is needed deletes nothing."""
    one, two = world.keep(ONE), world.keep(TWO)
    path = world.store.manifests.path(one.name)
    if what == "segment":
        path = world.store.segments.path(one.manifest.segments[0])
    if how == "missing":
        os.unlink(path)
    else:
        edit_in_place(path)
    before = listed(world)
    with pytest.raises(Damaged):
        collect(world, one)
    assert listed(world) == before
    collect(world, two)  # nothing needs it then
    assert verify(world.store, [two.name]).faults == ()


def test_an_archive_stays_for_what_it_holds(world):
    """While one of its contents is needed; how much of it is not, is told. One that cannot be read stays too."""
    one, two = world.keep(ONE), world.keep(TWO)
    plan = mark(world, two).plan()
    assert plan.idle > 0
    archives = [held for held in census.take(world.store, {}, max).files if held.kind == census.COPY]
    edit_in_place(archives[0].path)
    gc.apply(world.store, mark(world).plan())
    assert os.path.exists(archives[0].path)
    assert not any(os.path.exists(held.path) for held in archives[1:])
    assert one and not os.listdir(world.store.manifests.root)


def incompressible(count: int) -> bytes:
    return random.Random(count).randbytes(count)


BIG = {
    b"a/gone.bin": File(incompressible(200_000)),
    b"a/here.py": File(b"here\n" * 3000),
    b"a/large.bin": File(incompressible(FRAME + 1)),
    b"a/too.bin": File(incompressible(2 * FRAME)),
}
LEFT = {path: BIG[path] for path in (b"a/here.py", b"a/large.bin")}


def test_an_archive_most_of_which_nobody_needs_is_packed_anew(world):
    """Frames that are wanted whole, parts of others; what nobody needs is not in it any more, and is given back."""
    one = world.keep(BIG)
    left = world.keep_tree({path: one.tree[path] for path in LEFT})
    (archive,) = {world.store.pristine.archive_path(name) for name in one.manifest.segments}
    for each in set(world.store.pristine.archives()) - {archive}:
        os.unlink(each)  # as a capture, which writes only what no archive has yet
    plan = mark(world, left).plan()
    assert [each.path for each in plan.archives] == [archive]
    before = os.lstat(archive).st_blocks * 512
    swept = gc.apply(world.store, plan)
    given_back = before - os.lstat(archive).st_blocks * 512
    assert swept.repacked == 1 and given_back > 2 * FRAME and swept.freed > given_back
    assert set(world.store.pristine.members(archive)) == {entry.digest for entry in left.tree.values()}
    assert verify(world.store, [left.name]).faults == ()
    edit_in_place(world.store.objects.path(left.tree[b"a/here.py"]))
    assert fingerprint(lay(world, left).path) == seen_as(LEFT)
    assert mark(world, left).plan().archives == ()


@pytest.mark.parametrize("trouble", ["damaged", "full disk", "no time"])
def test_an_archive_that_cannot_be_packed_anew_stays(world, trouble, monkeypatch):
    """Whatever it still holds may be the last copy; and space is wanted where there is none."""
    one = world.keep(BIG)
    left = world.keep_tree({path: one.tree[path] for path in LEFT})
    (archive,) = {world.store.pristine.archive_path(name) for name in one.manifest.segments}
    plan = mark(world, left).plan()
    if trouble == "damaged":
        member = world.store.pristine.members(archive)[left.tree[b"a/here.py"].digest]
        with open(archive, "r+b") as file:
            file.seek(member.frame_offset)
            file.write(b"\0" * member.frame_length)
    if trouble == "full disk":
        monkeypatch.setattr(Archive, "_write_frame", fail(errno.ENOSPC))
    before = disk.read(archive)
    swept = gc.apply(world.store, plan, time.monotonic() - 1 if trouble == "no time" else float("inf"))
    assert swept.repacked == 0
    assert disk.read(archive) == before
    assert not [path for path in listed(world) if path.endswith(b".tmp")]


def fail(number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    return refuse


def test_shared_copies_go_one_by_one(world):
    """Where blocks can be shared there is a copy a content: those of needed contents stay."""
    state = world.keep(ONE, guarded=False)
    world.store.guard_text_only = False
    guarded = world.keep(TWO)
    for entry in state.tree.values():
        place = world.store.pristine.copy_path(entry.digest)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(world.store.objects.content(entry))
    collect(world, state, guarded)
    left = {
        entry.digest for entry in state.tree.values() if os.path.exists(world.store.pristine.copy_path(entry.digest))
    }
    assert left == {entry.digest for entry in guarded.tree.values()} & {entry.digest for entry in state.tree.values()}


def test_leftovers_of_killed_work_go(world):
    """Temporary files, and what was being healed."""
    one = world.keep(ONE)
    entry = one.tree[b"a/one.py"]
    places = [
        world.store.objects.path(entry) + b".healing",
        world.store.pristine.root + b"/123.tmp",
        world.store.segments.path(one.manifest.segments[0]) + b".123.tmp",
        world.store.manifests.path(one.name) + b".123.tmp",
    ]
    for place in places:
        with open(place, "wb") as file:
            file.write(b"half")
    collect(world, one)
    assert not any(map(os.path.exists, places))
    assert verify(world.store, [one.name]).faults == ()


@pytest.mark.parametrize("call", ["mkdir", "rename"])
def test_a_disk_that_takes_no_name_more(world, monkeypatch, call):
    """The trash needs a directory, and room in it; without, files are deleted at once. Another error is told."""
    world.keep(ONE)
    two = world.keep(TWO)
    monkeypatch.setattr(os, call, fail(errno.EIO))
    with pytest.raises(OSError):
        collect(world, two)
    monkeypatch.setattr(os, call, fail(errno.ENOSPC))
    swept = collect(world, two)
    assert swept.objects == 1
    monkeypatch.undo()
    assert mark(world, two).plan().files == ()
    assert verify(world.store, [two.name]).faults == ()


def test_what_is_deleted_meanwhile(world, monkeypatch):
    """By somebody who does not ask for locks: it is not counted, and gc and du go on. The trash is made if need be."""
    one, two = world.keep(ONE), world.keep(TWO)
    lay(world, one)
    real = census.take

    def take(store, *rest):
        found = real(store, *rest)
        os.unlink(store.objects.path(one.tree[b"a/one.py"]))
        shutil.rmtree(found.trees[0].tree.path)
        shutil.rmtree(store.trash)
        return found

    size = os.lstat(world.store.objects.path(one.tree[b"a/one.py"])).st_blocks * 512
    before = mark(world, two).plan()
    with monkeypatch.context() as patch:
        patch.setattr(census, "take", take)
        plan = mark(world, two).plan()
        assert plan.freed == before.freed - size - sum(own for _, own in before.trees)
    gc.apply(world.store, plan._replace(trees=()))
    assert verify(world.store, [two.name]).faults == ()
    lay(world, one := world.keep({b"a/one.py": File(b"anew\n")}))
    os.mkdir(world.live)
    os.makedirs(world.store.trash, exist_ok=True)
    monkeypatch.setattr(census, "take", take)
    found = space.measure(world.store, world.live, {two.name: 1}, {})
    assert (found.trash, found.trees, found.live_files) == (0, 0, 0)


def test_time_is_up(world):
    """Sweeping stops at any file; what is left is taken by the next one."""
    world.keep(ONE)
    two = world.keep(TWO)
    swept = gc.apply(world.store, mark(world, two).plan(), until=time.monotonic() - 1)
    assert (swept.manifests, swept.objects) == (0, 0)
    assert collect(world, two).objects == 1


def test_a_segment_that_comes_back_is_guarded_again(world):
    """An archive is named by its segment and may lack what another one held at the time: then a second is written."""
    kept = world.keep(ONE)
    (segment,) = [name for name in kept.manifest.segments if b"a/one.py" in world.store.segments.read(name)]
    files = [(e, world.store.objects.path(e)) for e in world.store.segments.read(segment).values()]
    first, second = (world.store.pristine.archive_path(segment, number) for number in range(2))
    os.unlink(first)
    assert keep_pristine(world.store, segment, files[:1]) == [first]
    assert keep_pristine(world.store, segment, files[:1]) == []
    assert keep_pristine(world.store, segment, files) == [second]
    assert keep_pristine(world.store, segment, files) == []
    edit_in_place(second)
    assert keep_pristine(world.store, segment, files) == [second]  # nobody could have had anything back from it
    assert all(Pristine(world.store.pristine.root).read(entry.digest) for entry, _ in files)
    collect(world, kept)
    assert all(Pristine(world.store.pristine.root).read(entry.digest) for entry, _ in files)
