"""Bundles: what is put in comes out, equal states give equal bytes, and writing one stops at what is not intact."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from fingerprint import fingerprint
from forged import bundle, file, link
from hypothesis import given
from specimens import DAY, NAMES, File, Spec, World, edit_in_place, on_disk, seen_as, specs, worlds

from store import bundling, frames
from store.bundle import Bundle
from store.bundling import Share
from store.errors import Changed, Damaged, Refused
from store.tree import FILE, Entry
from store.untrusted import check, stays_inside

TREE = {b"a/one": file(b"one", mode=0o755), b"a/two": file(b"two" * 1000), b"b": link(b"a/one"), b"c": file(b"")}
CONTENTS = (b"one", b"two" * 1000)


def written(world: World, tree: dict[bytes, Entry], about: dict[str, object] | None = None) -> bytes:
    """The bundle of a tree whose objects are in the store."""
    stream = io.BytesIO()
    shares = [Share("x", "files", {p: e._replace(twin=0) for p, e in tree.items()})]
    originals = {entry.digest: entry for entry in tree.values() if entry.kind == FILE}
    bundling.write(stream, about or {}, shares, lambda e: bundling.content(world.store, originals[e.digest]))
    return stream.getvalue()


def acceptable(spec: Spec) -> bool:
    """Whether a stranger's tree might look like that."""
    with worlds() as world:
        try:
            check({path: entry._replace(twin=0) for path, entry in world.keep(spec).tree.items()})
        except ValueError:
            return False
    return True


@on_disk
@given(specs())
def test_what_is_put_in_comes_out(spec: Spec) -> None:
    """Laid out again, a tree has every content, mode, mtime and target; what cannot travel is refused on both sides."""
    if not acceptable(spec):
        return
    with worlds() as world:
        place = world.root + b"/it.sysvenv"
        with open(place, "wb") as stream:
            stream.write(written(world, world.keep(spec).tree, {"some": "thing"}))
        with Bundle(place) as opened:
            opened.verify()
            assert opened.manifest.about == {"some": "thing"}
            opened.lay_out(world.root + b"/again")
        assert fingerprint(world.root + b"/again") == seen_as(spec)


@on_disk
@given(specs())
def test_equal_states_give_equal_bytes(spec: Spec) -> None:
    """Whatever else the stores hold, in whatever order it came."""
    with worlds() as one, worlds() as other:
        other.keep({b"earlier": File(b"x = 1\n"), **dict(reversed(spec.items()))})
        assert written(one, one.keep(spec).tree) == written(other, other.keep(spec).tree)


def test_contents_of_all_sizes(tmp_path: Path) -> None:
    """Many small ones share frames, a large one has its own, and progress ends at the total."""
    contents = [b"%d" % number * 1000 for number in range(1, 2000)] + [os.urandom(3 << 20), bytes(5 << 20)]
    tree = {b"d/%d" % number: file(content) for number, content in enumerate(contents)}
    tree[b"d/same"] = tree[b"d/7"]._replace(mode=0o600)
    place = tmp_path / "it.sysvenv"
    place.write_bytes(bundle({}, tree, contents))
    steps: list[tuple[int, int]] = []
    with Bundle(os.fsencode(place)) as opened:
        opened.verify(lambda done, total: steps.append((done, total)))
        assert steps == sorted(steps) and steps[-1] == (opened.size, opened.size)
        assert opened.laid_out_size == opened.size + len(contents[7])
        opened.lay_out(os.fsencode(tmp_path / "out"))
    for number, content in enumerate(contents):
        assert (tmp_path / f"out/d/{number}").read_bytes() == content
    same, seventh = tmp_path / "out/d/same", tmp_path / "out/d/7"
    assert same.read_bytes() == seventh.read_bytes()
    assert (same.stat().st_mode & 0o777, same.stat().st_nlink) == (0o600, 1)


def test_an_edited_object_is_read_from_its_copy() -> None:
    """A bundle holds what the state says, not what somebody made of the file since; without a copy it is refused."""
    with worlds() as world:
        kept = world.keep({b"x.py": File(b"version = 1\n")})
        before = written(world, kept.tree)
        edit_in_place(world.store.objects.path(kept.tree[b"x.py"]))
        assert written(world, kept.tree) == before
        bare = world.keep({b"y.py": File(b"version = 2\n", mtime=DAY + 5)}, guarded=False)
        os.unlink(world.store.objects.path(bare.tree[b"y.py"]))
        with pytest.raises(Damaged, match="No intact copy"):
            written(world, bare.tree)


def test_a_content_that_changes_while_it_is_written() -> None:
    """What was written is compared with its name."""
    with pytest.raises(Changed):
        bundling.write(io.BytesIO(), {}, [Share("x", "files", {b"a": file(b"one")})], lambda entry: [b"two"])


def test_laying_out_writes_through_nothing(tmp_path: Path) -> None:
    """A tree is laid into a directory of its own, never into one that is there."""
    place = tmp_path / "it.sysvenv"
    place.write_bytes(bundle({}, TREE, CONTENTS))
    (tmp_path / "there").mkdir()
    with Bundle(os.fsencode(place)) as opened, pytest.raises(FileExistsError):
        opened.lay_out(os.fsencode(tmp_path / "there"))
    assert list((tmp_path / "there").iterdir()) == []


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    """One sentence: which file, why, and that nothing came of it."""
    (tmp_path / "odd.sysvenv").write_bytes(b"odd")
    with pytest.raises(Refused) as caught:
        Bundle(os.fsencode(tmp_path / "odd.sysvenv"))
    assert caught.value.message == (
        f"{tmp_path}/odd.sysvenv is refused: it is no bundle of sysvenv. Nothing of it was used."
    )


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        (b"lib64", b"lib", True),
        (b"bin/python3", b"python", True),
        (b"bin/python3", b"./python", True),
        (b"a/b/c", b"../../d", True),
        (b"a/b/c", b"../..", True),
        (b"a/b/c", b"../../../d", False),
        (b"a", b"..", False),
        (b"a", b"b/..", False),
        (b"a", b"/", False),
        (b"a", b"", False),
        (b"a", b"b\0c", False),
    ],
)
def test_where_a_link_leads(path: bytes, target: bytes, inside: bool) -> None:
    """Into its tree, or not: told from the names alone."""
    assert stays_inside(path, target) is inside


@given(NAMES)
def test_frames_of_strangers(content: bytes) -> None:
    """A frame is unpacked if it holds exactly what it should, in one piece and with nothing behind it."""
    packed = frames.compress(content)
    pieces = [packed[n : n + 1] for n in range(len(packed))]
    assert b"".join(frames.unpacked(pieces, len(content))) == content
    for wrong in (len(content) + 1, max(len(content) - 1, 0)):
        with pytest.raises(ValueError, match="frame"):
            list(frames.unpacked([packed], wrong))
    for odd in ([packed, b"x"], [packed + b"x"], [packed[:-1]], []):
        with pytest.raises(ValueError, match="frame"):
            list(frames.unpacked(odd, len(content)))
    with pytest.raises(ValueError, match=r"\w"):
        list(frames.unpacked([b"not zstd at all"], 5))
