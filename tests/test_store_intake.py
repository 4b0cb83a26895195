"""Intake: what is taken in by two processes is what one would have taken in."""

from __future__ import annotations

import os
import time

import pytest
from specimens import DAY, File, Link, plain_sort, plant, worlds

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
