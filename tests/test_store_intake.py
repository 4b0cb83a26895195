"""Intake: what is taken in by two processes is what one would have taken in."""

from __future__ import annotations

import os
import time

import pytest
from specimens import DAY, File, Link, edit_in_place, plain_sort, plant, worlds, write

from store import digest, fork, intake, objects
from store.errors import Changed
from store.index import Index
from store.row import rows
from store.scan import survey

FILES = {b"pkg%d/m%d.py" % (n % 7, n): File(b"%d\n" % n * (n % 50), mtime=DAY + n) for n in range(60)}


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def portions_of(root, spec, held=frozenset()):
    """A tree of the specimen, each of its packages as a portion, and the facts."""
    plant(root, spec)
    found = survey(root, Index("", {}, {b"": (0, 0)}, {}), [], [b""], plain_sort).changed
    packages = sorted({path.split(b"/")[0] for path in spec})
    portions = [
        intake.Portion({}, [path for path in found if path.split(b"/")[0] == each], guarded=each != b"pkg3")
        for each in packages
    ]
    return portions, intake.Facts(found, {}, {}, held)


def always_share(monkeypatch):
    """Use two processes however few the files and the cores."""
    monkeypatch.setattr(intake, "WORTH_A_FORK", 0)
    monkeypatch.setattr(fork, "worth_it", lambda: True)


def test_two_processes_take_in_what_one_does(world, monkeypatch):
    """The same segments in the same order, blocks, counts, objects and archives; only the work is shared."""
    asked = portions_of(world.root + b"/one", {**FILES, b"pkg0/link": Link()})
    alone = intake.take_in(world.store, world.root + b"/one", *asked)
    always_share(monkeypatch)
    with worlds() as other:
        both = intake.take_in(other.store, world.root + b"/one", *asked)
        assert both.kept == alone.kept
        assert {n: dict(rows([b])) for n, b in both.blocks.items()} == {
            n: dict(rows([b])) for n, b in alone.blocks.items()
        }
        assert both.young == alone.young
        assert len(both.new) == len(set(both.new)) == len(alone.new)
        for made in (other, world):
            entries = [e for n in both.blocks for e in made.store.segments.read(n).values() if e.has_object]
            assert all(made.store.objects.intact(entry) for entry in entries)
            kept = {made.store.pristine.read(entry.digest) is not None for n in both.blocks for entry in entries}
            assert kept == {True, False}  # one package is not guarded


def test_an_error_in_either_half_ends_both(world, monkeypatch):
    """A file that is being written is told as such, whichever process came upon it."""
    always_share(monkeypatch)
    asked = portions_of(world.root + b"/one", FILES)
    parent = os.getpid()
    real = objects.read
    for here in (True, False):

        def read(path, here=here):
            time.sleep(0.01)  # so that both get a turn
            if (os.getpid() == parent) == here:
                raise Changed("It is being written.")
            return real(path)

        with monkeypatch.context() as patch:
            patch.setattr(objects, "read", read)
            with pytest.raises(Changed):
                intake.take_in(world.store, world.root + b"/one", *asked)


def test_a_portion_weighs_what_it_takes_to_read_and_to_pack(world):
    """The heaviest is begun first, so that no process is left with it in the end."""
    spec = {b"pkg3/m.pyc": File(b"x" * 900_000), b"large/m.py": File(b"x" * 900_000), b"small/m.py": File()}
    portions, facts = portions_of(world.root + b"/one", spec)
    large, unguarded, small = (facts.weight(portion) for portion in portions)
    assert large > 5 * unguarded > 5 * small


def test_what_has_a_copy_already_is_not_archived_again(world):
    """A file that was only touched gives a new object and segment, but no second archive."""
    root = world.root + b"/one"
    asked = portions_of(root, {b"pkg/m.py": File(b"x\n")}, {digest.of_bytes(b"x\n")})
    taken = intake.take_in(world.store, root, *asked)
    assert [kept.added for kept in taken.kept] == [1]
    assert list(world.store.pristine.archives()) == []
    assert not any(name.endswith(b".zst") for name in taken.new)


@pytest.mark.parametrize(("least", "more"), [(1, 0), (10**6, 1)])
def test_what_another_archive_holds_is_looked_for_where_there_is_much(world, monkeypatch, least, more):
    """The same content in another tree, with another time: no second archive, unless asking would not pay."""
    if world.store.pristine.shares_blocks():
        pytest.skip("copies take no space here")
    monkeypatch.setattr(intake, "WORTH_A_LOOK", least)
    for tree, mtime in ((b"/one", DAY), (b"/two", DAY + 1)):
        root = world.root + tree
        intake.take_in(world.store, root, *portions_of(root, {b"pkg/m.py": File(b"x\n", mtime=mtime)}))
    assert len(list(world.store.pristine.archives())) == 1 + more
    assert world.store.pristine.read(digest.of_bytes(b"x\n")) == b"x\n"


def test_a_portion_that_is_empty_in_the_end_has_no_segment(world):
    """The last file of a distribution vanished while it was looked at."""
    root = world.root + b"/one"
    asked = portions_of(root, {b"pkg/m.py": File(b"x\n")})
    os.unlink(root + b"/pkg/m.py")
    taken = intake.take_in(world.store, root, *asked)
    assert taken.kept == [intake.Kept("", 0, 0, (b"pkg/m.py",))]
    assert taken.blocks == {}


def same_result(world, one, other):
    """Two takes of the same files: kept, rows, objects, copies."""
    assert one.kept == other.kept
    assert {n: dict(rows([b])) for n, b in one.blocks.items()} == {n: dict(rows([b])) for n, b in other.blocks.items()}
    for name in one.blocks:
        entries = [entry for entry in world.store.segments.read(name).values() if entry.has_object]
        assert all(world.store.objects.intact(entry) for entry in entries)


def test_what_was_taken_in_beforehand_is_not_read_again(world, monkeypatch):
    """The result is that of one take; and all new files are named, to be made durable before anything names them."""
    root = world.root + b"/one"
    portions, facts = portions_of(root, FILES)
    with worlds() as other:
        alone = intake.take_in(other.store, root, portions, facts)
    early = intake.Beforehand()
    for portion in portions[::2]:
        early.take(world.store, root, portion, facts.found)
    read = []
    real = objects.read
    monkeypatch.setattr(objects, "read", lambda path: read.append(path) or real(path))
    taken = intake.take_in(world.store, root, portions, facts, early)
    same_result(world, taken, alone)
    assert sorted(read) == sorted(root + b"/" + path for portion in portions[1::2] for path in portion.paths)
    assert len(taken.new) == len(set(taken.new)) == len(alone.new)


CHANGES = {
    "content": lambda place: write(place, File(b"other\n")),
    "mode": lambda place: os.chmod(place, 0o600),
    "inode": lambda place: write(place, File(b"a\n")),
    "in place": edit_in_place,
    "another file": lambda place: write(place + b"i", File(b"stub\n")),
    "one fewer": os.unlink,
    "nothing": lambda place: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_other_than_beforehand_is_read_again(world, change):
    """A distribution that came in pieces, or was written over by a later one: what stands in the end is kept."""
    root = world.root + b"/one"
    (portion,), facts = portions_of(root, {b"pkg/a.py": File(b"a\n"), b"pkg/b.py": File(b"b\n")})
    early = intake.Beforehand()
    early.take(world.store, root, portion, facts.found)
    CHANGES[change](root + b"/pkg/a.py")
    found = survey(root, Index("", {}, {b"": (0, 0)}, {}), [], [b""], plain_sort).changed
    (now,), facts = [intake.Portion({}, list(found), guarded=True)], intake.Facts(found, {}, {}, ())
    assert (early.of(world.store, now, facts) is None) == (change != "nothing")
    assert early.of(world.store, now._replace(guarded=False), facts) is None
    taken = intake.take_in(world.store, root, [now], facts, early)
    kept = world.store.segments.read(taken.kept[0].segment)
    assert kept.keys() == found.keys()
    assert all(entry.same(objects.observe(root + b"/" + path)) for path, entry in kept.items())


def test_what_was_taken_in_beforehand_is_compared_with_what_was_there(world):
    """An upgrade: of its files some are new, some other, some as they were, however early they were read."""
    root = world.root + b"/one"
    spec = {b"pkg/same.py": File(b"same\n"), b"pkg/new.py": File(b"new\n"), b"pkg/other.py": File(b"other\n")}
    portions, facts = portions_of(root, spec)
    same = objects.observe(root + b"/pkg/same.py")
    facts = facts._replace(before={b"pkg/same.py": same, b"pkg/other.py": same})
    early = intake.Beforehand()
    early.take(world.store, root, portions[0], facts.found)
    (kept,) = intake.take_in(world.store, root, portions, facts, early).kept
    assert (kept.added, kept.modified) == (1, 1)
    assert early.of(world.store, portions[0]._replace(known={b"pkg/known.py": same}), facts) is None


def test_what_was_too_young_beforehand_is_read_again(world):
    """Within a tick of the clock a file may change and look as before."""
    root = world.root + b"/one"
    portions, facts = portions_of(root, {b"pkg/m.py": File(b"x\n", mtime=time.time_ns() + 10**10)})
    early = intake.Beforehand()
    early.take(world.store, root, portions[0], facts.found)
    assert early.of(world.store, portions[0], facts) is None
