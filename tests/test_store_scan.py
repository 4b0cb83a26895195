"""Audit, survey and capture: whatever becomes of a checkout is seen, and becomes a state of its own."""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import NamedTuple

import pytest
from fingerprint import fingerprint
from hypothesis import example, given
from hypothesis import strategies as st
from specimens import (
    DAY,
    Dir,
    File,
    Link,
    edit_in_place,
    in_place,
    mutate,
    on_disk,
    plain_sort,
    seen_as,
    specs,
    worlds,
    write,
)

from store import audit, capture, intake, layout, objects, scan, tree
from store.errors import Changed
from store.index import ANY, RACY, Index, block
from store.row import rows
from store.scan import DATA, TRACKED, survey


@pytest.fixture
def world():
    with worlds() as made:
        yield made


SMALL = {
    b"bin/tool": File(b"#!/bin/sh\n", 0o755),
    b"lib/pkg/m.py": File(b"x = 1\n"),
    b"lib/pkg/n.py": File(b"y = 1\n"),
    b"lib/pkg/empty.py": File(b""),
    b"lib/pkg/deep/o.py": File(b"z = 1\n"),
    b"lib64": Link(b"lib"),
    b"share/private": Dir(0o700),
}


def look(world, checkout, sort=plain_sort):
    """How a checkout differs from its index."""
    return survey(checkout.path, checkout.expected, *audit.look(checkout.path, checkout.expected), sort)


class Captured(NamedTuple):
    """What capturing a drift gave."""

    before: dict
    kept: intake.Kept
    tree: dict
    index: Index
    """Of the new state, as if it were one segment."""
    young: set


def take(world, checkout, kept, drift):
    """Capture a drift, as one segment."""
    stated = {path: entry for path, entry in kept.tree.items() if entry.kind == tree.DIRECTORY}
    directories = capture.directories(drift, stated)
    before = {path: kept.tree[path] for path in (*drift.changed, *directories) if path in kept.tree}
    known = {path: entry for path, entry in kept.tree.items() if path not in before}
    known.update((path, entry) for path, entry in directories.items() if entry is not None)
    paths = [path for path, stat in drift.changed.items() if stat is not None and directories.get(path) is None]
    held = {entry.digest for entry in kept.tree.values()}
    portion = intake.Portion(known, paths, kept.manifest.parts[0].guarded if kept.manifest.parts else True)
    facts = intake.Facts(drift.changed, before, dict(rows(checkout.expected.blocks.values())), held)
    taken = intake.take_in(world.store, checkout.path, [portion], facts)
    capture.heal(world.store, before.values())
    (each,) = taken.kept
    after = world.store.segments.read(each.segment) if each.segment else {}
    index = Index("", taken.blocks, drift.directories, drift.data)
    return Captured(before, each, after, index, taken.young)


@on_disk
@given(specs(), specs(), st.booleans())
@example({b"a/a": File(b"")}, {b"a": Link(b"a")}, False)
@example({b"a/b/lib/a": File(b"")}, {b"a": Link(b"a")}, False)
def test_every_change_is_captured_and_the_old_state_stays(one, other, through):
    """Whatever a program does to a checkout, by replacing files or writing through them: the state it leaves can be
    laid out exactly, and so can the state before."""
    with worlds() as world:
        old = world.keep(one)
        checkout = layout.lay_out(world.store, old.name, old.manifest)
        (in_place if through else mutate)(checkout.path, one, other)
        drift = look(world, checkout)
        stated = {path: entry for path, entry in old.tree.items() if entry.kind == tree.DIRECTORY}
        observed = capture.observe(world.store, checkout.path, checkout.expected, drift, stated)
        assert set(observed.changes) == {*seen_changes(one, other)}
        new = world.keep_tree(take(world, checkout, old, drift).tree)
        again = layout.lay_out(world.store, new.name, new.manifest)
        assert fingerprint(again.path) == seen_as(other) == fingerprint(checkout.path)
        before = layout.lay_out(world.store, old.name, old.manifest)
        assert fingerprint(before.path) == seen_as(one)


def seen_changes(one, other):
    """The paths at which a scan must find something: entries that differ."""
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}


@on_disk
@given(specs())
def test_an_untouched_checkout_has_no_drift(spec):
    """What was laid out and left alone agrees with its index, file by file and directory by directory."""
    with worlds() as world:
        kept = world.keep(spec)
        checkout = layout.lay_out(world.store, kept.name, kept.manifest)
        assert audit.look(checkout.path, checkout.expected) == ([], [])
        assert not look(world, checkout)


def test_a_lost_index_is_made_anew(world):
    """The index a perfect checkout would have finds every difference; directories are looked at once more."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    rebuilt = layout.expected(world.store, kept.name, kept.manifest)
    assert dict(rows(rebuilt.blocks.values())) == dict(rows(checkout.expected.blocks.values()))
    assert {p: mode for p, (mode, _) in rebuilt.directories.items()} == {
        p: mode for p, (mode, _) in checkout.expected.directories.items()
    }
    checkout = checkout._replace(expected=rebuilt)
    assert not look(world, checkout)
    write(checkout.path + b"/lib/pkg/m.py", File(b"other\n"))
    os.unlink(world.store.objects.path(kept.tree[b"lib/pkg/n.py"]))
    gone = layout.expected(world.store, kept.name, kept.manifest)
    assert set(look(world, checkout._replace(expected=gone)).changed) == {b"lib/pkg/m.py", b"lib/pkg/n.py"}


def test_each_kind_of_change_is_seen(world):
    """Added, removed, modified, chmod, touch, retargeted links, kinds that change, directories that come and go."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    root = checkout.path
    write(root + b"/lib/pkg/new.py", File(b"new\n"))
    os.unlink(root + b"/lib/pkg/n.py")
    edit_in_place(root + b"/lib/pkg/m.py")
    os.chmod(root + b"/bin/tool", 0o700)
    os.utime(root + b"/lib/pkg/empty.py", ns=(5, 5))
    os.unlink(root + b"/lib64")
    os.mkdir(root + b"/lib64")
    shutil.rmtree(root + b"/lib/pkg/deep")
    os.chmod(root + b"/share/private", 0o755)
    os.chmod(root + b"/lib", 0o750)
    drift = look(world, checkout)
    assert {path: found is not None for path, found in drift.changed.items()} == {
        b"lib/pkg/new.py": True,
        b"lib/pkg/n.py": False,
        b"lib/pkg/m.py": True,
        b"bin/tool": True,
        b"lib/pkg/empty.py": True,
        b"lib64": False,
        b"lib/pkg/deep/o.py": False,
    }
    stated = {path: mode for path, mode in drift.stated.items() if mode is not None}
    assert stated == {b"lib": 0o750, b"lib64": 0o755, b"share/private": 0o755}
    assert b"lib/pkg/deep" not in drift.directories
    assert drift.directories[b"lib/pkg"] == (0o755, ANY)
    taken = take(world, checkout, kept, drift)
    assert taken.young == {b"lib/pkg/m.py"}
    assert set(taken.before) >= {b"bin/tool", b"share/private"}
    assert (taken.kept.added, taken.kept.modified) == (1, 3)


def test_a_directory_replaced_by_a_link_is_gone_with_all_it_held(world, tmp_path):
    """`rm -r pkg; ln -s ~/src/pkg pkg`: what the link leads to is not the environment's, however alike it looks."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    shutil.copytree(checkout.path + b"/lib/pkg", os.fsencode(tmp_path / "src"))
    shutil.rmtree(checkout.path + b"/lib/pkg")
    os.symlink(tmp_path / "src", checkout.path + b"/lib/pkg")
    os.utime(checkout.path + b"/lib/pkg", ns=(DAY, DAY), follow_symlinks=False)
    (tmp_path / "src" / "mine.data").touch()
    drift = look(world, checkout)
    below = {path: found for path, found in drift.changed.items() if path.startswith(b"lib/pkg/")}
    assert below == dict.fromkeys(path for path in SMALL if path.startswith(b"lib/pkg/"))
    assert drift.data == {}
    assert not any(path.startswith(b"lib/pkg") for path in drift.directories)
    after = take(world, checkout, kept, drift).tree
    new = world.keep_tree(after)
    again = layout.lay_out(world.store, new.name, new.manifest)
    assert fingerprint(again.path) == fingerprint(checkout.path)
    assert (tmp_path / "src" / "m.py").exists()


def test_a_change_the_directory_does_not_show(world):
    """A file deleted, or replaced by a directory, where the directory's time was put back: each row is looked at."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    place = checkout.path + b"/lib/pkg"
    before = os.lstat(place).st_mtime_ns
    os.unlink(place + b"/m.py")
    os.unlink(place + b"/n.py")
    os.mkdir(place + b"/n.py")
    edit_in_place(place + b"/deep/o.py")
    os.utime(place, ns=(before, before))
    assert look(world, checkout).changed.keys() == {b"lib/pkg/m.py", b"lib/pkg/n.py", b"lib/pkg/deep/o.py"}
    assert look(world, checkout).changed[b"lib/pkg/n.py"] is None


def test_data_is_told_from_the_environment(world):
    """The user's files are known by inode and never part of the state; what becomes data leaves the state."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    root = checkout.path
    os.mkdir(root + b"/mine")
    for name in (b"/mine/a.data", b"/lib/pkg/b.data", b"/c.data"):
        write(root + name, File(b"data"))
    os.unlink(root + b"/lib/pkg/n.py")
    os.mkfifo(root + b"/lib/pkg/n.py")
    drift = look(world, checkout)
    assert drift.data == {
        name: os.lstat(root + b"/" + name).st_ino
        for name in (b"mine/a.data", b"lib/pkg/b.data", b"c.data", b"lib/pkg/n.py")
    }
    assert drift.changed == {b"lib/pkg/n.py": None}
    assert drift.stated[b"mine"] is None
    known = checkout._replace(expected=checkout.expected.replace(data=drift.data, directories=drift.directories))
    shutil.rmtree(root + b"/mine")
    os.unlink(root + b"/c.data")
    assert set(look(world, known).data) == {b"lib/pkg/b.data", b"lib/pkg/n.py"}


def test_data_that_an_installer_claims_becomes_the_environment(world):
    """A file that was the user's and is tracked now is captured, and carried along no more."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    write(checkout.path + b"/lib/pkg/b.data", File(b"data"))
    drift = look(world, checkout)
    known = checkout._replace(expected=checkout.expected.replace(data=drift.data, directories=drift.directories))
    drift = look(world, known, lambda path, mode: TRACKED)
    assert set(drift.changed) == {b"lib/pkg/b.data"}
    assert drift.data == {}


def test_an_empty_directory_of_the_users_is_no_entry(world):
    """Whether an empty directory is stated is the caller's word; one with data in it is the user's."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    os.mkdir(checkout.path + b"/empty")
    assert look(world, checkout).stated[b"empty"] == stat.S_IMODE(os.lstat(checkout.path + b"/empty").st_mode)
    assert look(world, checkout, lambda path, mode: DATA).stated[b"empty"] is None


def test_a_row_too_young_to_believe_is_looked_at_again(world):
    """git's racy rule: what was written while we looked is read once more, and then found unchanged and believed."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    inodes = {path: row.ino for path, row in rows(checkout.expected.blocks.values())}
    racy = {
        part.segment: block(part.segment, world.store.segments.read(part.segment), inodes, frozenset({b"lib/pkg/m.py"}))
        for part in kept.manifest.parts
    }
    doubtful = checkout._replace(expected=checkout.expected.replace(blocks=racy))
    drift = look(world, doubtful)
    assert set(drift.changed) == {b"lib/pkg/m.py"}
    taken = take(world, doubtful, kept, drift)
    assert taken.tree == kept.tree
    assert (taken.kept.added, taken.kept.modified, taken.young) == (0, 0, set())
    assert not look(world, checkout._replace(expected=taken.index))


def just_written(world):
    """A checkout with a file captured in the very moment it was written, and what it was captured as."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    write(checkout.path + b"/lib/pkg/new.py", File(b"first\n", mtime=time.time_ns()))
    taken = take(world, checkout, kept, look(world, checkout))
    assert taken.young == {b"lib/pkg/new.py"}
    assert taken.index.directories[b"lib/pkg"][1] == ANY
    return checkout, taken


def of_age():
    """Wait until what was written just now can be believed."""
    time.sleep(2 * RACY / 1e9)


def test_what_was_too_young_settles_when_it_has_come_of_age(world):
    """A second look at the end of a capture believes the youngest files and their directories, so that no later audit
    has to read them again; before they are of age it believes nothing."""
    checkout, taken = just_written(world)
    early = capture.settle(world.store, checkout.path, taken.index, taken.young, plain_sort)
    assert dict(rows(early.blocks.values()))[b"lib/pkg/new.py"].size == ANY
    of_age()
    settled = capture.settle(world.store, checkout.path, taken.index, taken.young, plain_sort)
    assert dict(rows(settled.blocks.values()))[b"lib/pkg/new.py"].size == len(b"first\n")
    assert ANY not in [mtime for _, mtime in settled.directories.values()]
    assert not look(world, checkout._replace(expected=settled))
    assert capture.settle(world.store, checkout.path, settled, set(), plain_sort) is settled


def test_a_write_within_the_same_tick_of_the_clock_is_never_missed(world):
    """A second write that lstat cannot tell from the first (same size, same mtime): its row is not believed, however
    late anybody looks, and the next capture has it."""
    checkout, taken = just_written(world)
    place = checkout.path + b"/lib/pkg/new.py"
    when = os.lstat(place).st_mtime_ns
    with open(place, "r+b") as file:
        file.write(b"again\n")
    os.utime(place, ns=(when, when))
    of_age()
    settled = capture.settle(world.store, checkout.path, taken.index, taken.young, plain_sort)
    assert dict(rows(settled.blocks.values()))[b"lib/pkg/new.py"].size == ANY
    drift = look(world, checkout._replace(expected=settled))
    assert set(drift.changed) == {b"lib/pkg/new.py"}
    observed = capture.observe(world.store, checkout.path, settled, drift, {})
    assert observed.changes[b"lib/pkg/new.py"].digest != taken.tree[b"lib/pkg/new.py"].digest


@pytest.mark.parametrize("name", [b"/lib/pkg/late.py", b"/lib/pkg/late.data"])
def test_a_directory_that_got_a_name_within_the_same_tick_stays_doubted(world, name):
    """A name that came after the scan, in a directory whose mtime does not tell: every audit looks there again."""
    checkout, taken = just_written(world)
    when = os.lstat(checkout.path + b"/lib/pkg").st_mtime_ns
    write(checkout.path + name, File(b"late\n"))
    os.utime(checkout.path + b"/lib/pkg", ns=(when, when))
    of_age()
    settled = capture.settle(world.store, checkout.path, taken.index, taken.young, plain_sort)
    assert settled.directories[b"lib/pkg"][1] == ANY
    found = look(world, checkout._replace(expected=settled))
    assert checkout.path + name in [checkout.path + b"/" + path for path in (*found.changed, *found.data)]


def test_a_replaced_file_that_looks_alike_is_linked_anew(world):
    """`cp -p` over a file: the state is the same to a user, the inode is another; nothing is lost track of."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    write(checkout.path + b"/lib/pkg/m.py", File(b"x = 1\n"))
    taken = take(world, checkout, kept, look(world, checkout))
    assert (taken.kept.added, taken.kept.modified) == (0, 0)
    assert taken.tree[b"lib/pkg/m.py"] == kept.tree[b"lib/pkg/m.py"]._replace(twin=1)


def test_a_file_that_vanishes_while_it_is_looked_at(world):
    """What is gone by the time it is read is removed, or was never there."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    edit_in_place(checkout.path + b"/lib/pkg/m.py")
    write(checkout.path + b"/lib/pkg/new.py", File())
    drift = look(world, checkout)
    for name in (b"/lib/pkg/m.py", b"/lib/pkg/new.py"):
        os.unlink(checkout.path + name)
    taken = take(world, checkout, kept, drift)
    assert taken.kept.gone == (b"lib/pkg/m.py", b"lib/pkg/new.py")
    assert not {b"lib/pkg/m.py", b"lib/pkg/new.py"} & taken.tree.keys()


def test_edited_bytecode_costs_no_more_than_itself(world):
    """What is not guarded and was edited cannot be healed; capturing the edit works all the same."""
    kept = world.keep({b"m.pyc": File(b"code")}, guarded=False)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    edit_in_place(checkout.path + b"/m.pyc")
    after = take(world, checkout, kept, look(world, checkout)).tree
    assert after[b"m.pyc"].size == len(b"code# edited\n")
    assert not world.store.objects.intact(kept.tree[b"m.pyc"])


def test_a_file_that_grows_while_it_is_captured(world, monkeypatch):
    """A state is never a mixture: whoever writes right now is told to be waited for."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    edit_in_place(checkout.path + b"/lib/pkg/m.py")
    real = objects.read

    def read(path):
        found = real(path)
        edit_in_place(path)
        return found

    monkeypatch.setattr(objects, "read", read)
    with pytest.raises(Changed):
        take(world, checkout, kept, look(world, checkout))


def test_a_missing_root_is_gone_entirely(world):
    """rm -rf: every file and directory is told to be gone."""
    kept = world.keep(SMALL)
    checkout = layout.lay_out(world.store, kept.name, kept.manifest)
    shutil.rmtree(checkout.path)
    drift = look(world, checkout)
    assert drift.changed == dict.fromkeys(path for path, node in SMALL.items() if not isinstance(node, Dir))
    assert drift.directories == {}


@on_disk
@given(specs(), st.sets(st.sampled_from([b"", b"a", b"a/b", b"a.b", b"a-", b"lib", b"lib/a"])))
def test_the_rows_of_a_directory_are_found_either_way(spec, directories):
    """Searched for or looked at one by one: the same rows, those directly in one of the directories."""
    with worlds() as world:
        kept = world.keep(spec)
        checkout = layout.lay_out(world.store, kept.name, kept.manifest)
        directories |= {path.rpartition(b"/")[0] for path in spec}
        for each in checkout.expected.blocks.values():
            found = sorted(each.paths[number] for number in scan._rows_in(each, directories))
            assert found == sorted(path for path in each.paths if path.rpartition(b"/")[0] in directories)
            for directory in directories:
                few = [each.paths[number] for number in scan._rows_in(each, {directory})]
                assert sorted(few) == sorted(path for path in each.paths if path.rpartition(b"/")[0] == directory)
