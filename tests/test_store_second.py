"""The audit, and the second process that shares it: whatever becomes of that one, every file is looked at."""

from __future__ import annotations

import os
import signal
import time

import pytest
from specimens import File, worlds

from store import audit, index, layout, second, trees
from store.audit import PORTIONS, Audit
from store.row import rows
from store.second import Second

NUMBER = 4000


@pytest.fixture(scope="module")
def pair():
    """Two checkouts of nearly the same state with thousands of files, and where their indexes lie."""
    with worlds() as world:
        spec = {b"%d/%d.py" % (each % 7, each): File(b"%d\n" % each) for each in range(NUMBER)}
        made = []
        for more in ({}, {b"7/more.py": File(b"more\n"), b"7/empty.py": File(b"")}):
            kept = world.keep({**spec, **more}, guarded=False)
            checkout = layout.lay_out(world.store, kept.name, kept.manifest)
            path = trees.index_path(world.store, checkout.name)
            known = index.load(path)
            assert known is not None
            made.append((checkout.path, known, path))
        yield made


@pytest.fixture
def damage(pair):
    """Three files and a directory of the first checkout that disagree, from all over its index; mended afterwards."""
    root, known, _ = pair[0]
    paths = sorted(path for path, _ in rows(known.blocks.values()))
    places = [os.path.join(root, each) for each in (paths[0], paths[NUMBER // 2], paths[-1], b"3")]
    before = [os.lstat(place).st_mtime_ns for place in places]
    for place in places:
        os.utime(place, ns=(5, 5))
    yield [paths[0], paths[NUMBER // 2], paths[-1]], [b"3"]
    for place, mtime in zip(places, before, strict=True):
        os.utime(place, ns=(mtime, mtime))


@pytest.fixture
def world():
    with worlds() as made:
        yield made


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def begun(pair, closing=()):
    """A second process that knows the index of the live tree."""
    (_, known, path), _ = pair
    return Second(path, known, closing)


def shared(pair, helper):
    """Both rounds, shared: what disagrees in the live tree, and in the one that is to replace it."""
    (root, known, path), (other, target, its_path) = pair
    helper.begin(root, path)
    time.sleep(0.01)  # it begins; or dies, in some tests
    helper.begin(other, its_path)
    return helper.finish([Audit(root, known), Audit(other, target, audit.unproven(target, known))])


def test_portions_add_up(pair, damage):
    """Each row and directory is in exactly one portion."""
    root, known, _ = pair[0]
    whole = audit.look(root, known)
    looked = [Audit(root, known).look([portion]) for portion in range(PORTIONS)]
    assert sorted(path for touched, _ in looked for path in touched) == sorted(whole[0]) == sorted(damage[0])
    assert [path for _, moved in looked for path in moved] == whole[1] == damage[1]


def test_two_processes_find_what_one_finds(pair, damage):
    """Shared or alone, the same disagrees; nothing is left open and no process behind."""
    opened = descriptors()
    helper = begun(pair)
    live, target = shared(pair, helper)
    assert (sorted(live[0]), live[1]) == (sorted(damage[0]), damage[1])
    assert target == ([], [])
    helper.close()
    assert descriptors() == opened


def test_the_second_alone_does_all_of_it(pair, damage):
    """What it looked at before anybody else came counts."""
    root, known, path = pair[0]
    helper = begun(pair)
    helper.begin(root, path)
    live = Audit(root, known)
    live.look = lambda portions=(): pytest.fail("looked at again")  # type: ignore[method-assign]
    for _ in range(500):
        time.sleep(0.01)
        if not waiting(helper):
            break
    assert [sorted(found) for found in helper.finish([live])[0]] == [sorted(damage[0]), damage[1]]
    helper.close()


def waiting(helper):
    """How many portions nobody has taken yet."""
    import array
    import fcntl
    import termios

    size = array.array("i", [0])
    fcntl.ioctl(helper._pipes["portions"], termios.FIONREAD, size)
    return size[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_one_that_is_killed_is_not_missed(pair, damage, number, capfd):
    """Its portions are looked at once more; it says nothing, whatever ends it."""
    helper = begun(pair)
    os.kill(helper.pid, number)
    live, target = shared(pair, helper)
    assert (sorted(live[0]), live[1]) == (sorted(damage[0]), damage[1])
    assert target == ([], [])
    helper.close()
    assert capfd.readouterr() == ("", "")


def test_another_index_is_not_believed(pair, damage, tmp_path):
    """It went by a file that is not the index in use: all is looked at here."""
    root, known, _ = pair[0]
    other = os.fsencode(tmp_path / "index")
    for content in (index.encode(known.replace(data={b"x": 1})), b"torn"):
        with open(other, "wb") as stream:
            stream.write(content)
        helper = begun(pair)
        helper.begin(root, other)
        live = helper.finish([Audit(root, known)])[0]
        assert (sorted(live[0]), live[1]) == (sorted(damage[0]), damage[1])
        helper.close()


def test_one_that_is_not_needed_goes(pair):
    """Dismissed, it ends by itself, in the middle of its work too."""
    opened = descriptors()
    helper = begun(pair)
    helper.begin(pair[0][0], pair[0][2])
    helper.close()
    helper.close()
    assert descriptors() == opened
    with pytest.raises(ProcessLookupError):
        os.kill(helper.pid, 0)


def test_it_lets_go_of_locks(pair, tmp_path):
    """Who is killed holds no lock, whatever the second process is still doing."""
    reader, writer = os.pipe()
    helper = begun(pair, [writer])
    os.close(writer)
    try:
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
        helper.close()


def test_it_starts_only_where_it_pays(pair, monkeypatch, tmp_path):
    """Small trees, one processor, no index, no process to be had: then there is none, and nothing stays open."""
    path = pair[0][2]
    opened = descriptors()
    monkeypatch.setattr(second, "WORTH_IT", os.path.getsize(path))
    monkeypatch.setattr(second, "processors", lambda: 1)
    assert second.start(path) is None
    monkeypatch.setattr(second, "processors", lambda: 2)
    (tmp_path / "small").write_bytes(b"x")
    assert second.start(os.fsencode(tmp_path / "small")) is None
    assert second.start(os.fsencode(tmp_path / "none")) is None
    for first, others in ((path, []), (os.fsencode(tmp_path / "small"), [path])):
        helper = second.start(first, others=others)
        assert helper is not None
        assert (helper.index is not None) == (first == path)  # what is no index is None
        helper.close()

    def fork():
        raise BlockingIOError(11, "no more processes")

    monkeypatch.setattr(os, "fork", fork)
    assert second.start(path) is None
    assert descriptors() == opened


def test_processors_are_those_this_process_may_use(monkeypatch):
    """Pinned to one, or on a system without affinity."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert second.processors() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert second.processors() == 6


def test_what_one_audit_proved_is_not_looked_at_again(world):
    """Rows that share a proven inode are skipped; what a checkout has of its own is not."""
    spec = {
        b"bin/tool": File(b"#!/bin/sh\n", 0o755),
        b"lib/pkg/m.py": File(b"x = 1\n"),
        b"lib/pkg/empty.py": File(b""),
    }
    kept = world.keep(spec)
    live = layout.lay_out(world.store, kept.name, kept.manifest).expected
    spare = layout.lay_out(world.store, kept.name, kept.manifest).expected
    private = {path for path, row in rows(live.blocks.values()) if not row.ino}
    assert private == {b"lib/pkg/empty.py"}
    assert unproven(spare, live) == private
    assert [block.paths for block in index.chosen(spare.blocks.values(), [b"bin/tool", b"none"])] == [[b"bin/tool"]]
    other = world.keep({**spec, b"lib/pkg/m.py": File(b"other\n")})
    changed = layout.lay_out(world.store, other.name, other.manifest).expected
    assert unproven(changed, live) >= private | {b"lib/pkg/m.py"}
    assert b"bin/tool" not in unproven(changed, live)
    os.unlink(world.store.objects.path(kept.tree[b"bin/tool"]))
    world.store.heal(kept.tree[b"bin/tool"])
    healed = layout.lay_out(world.store, kept.name, kept.manifest).expected
    assert unproven(healed, live) == private | {b"bin/tool"}
    name, block = next((n, b) for n, b in live.blocks.items() if b.shared)
    fewer = {**live.blocks, name: block.only(range(block.count))}
    assert unproven(spare, live.replace(blocks=fewer)) == private | set(block.paths)


def unproven(mine, live):
    """The paths still to be looked at."""
    return {path for block in audit.unproven(mine, live) for path in block.paths}
