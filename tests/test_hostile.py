"""Input from disk: whatever manifests, segments, history, labels and markers say, nothing outside is touched."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from fingerprint import fingerprint
from specimens import worlds
from tiny import Tiny, begun

from store import digest, layout, manifests, segments, trees
from store.errors import Damaged, StoreError
from store.manifests import Manifest, Part
from store.tree import DIRECTORY, LINK, Entry, Tree
from sysvenv import hook, manifest, pip_gate, snapshots
from sysvenv.environ import tool_python
from sysvenv.errors import DamageFound, NotFound, SysvenvError, UsageError
from sysvenv.head import read_head
from sysvenv.operations import recover, rewind

OUTSIDE = ["/etc/passwd", "../outside", "a/../../outside", "..", ".", "", "a//b", "a/./b", "/", "a/.."]


@pytest.fixture
def home(tmp_path: Path) -> Tiny:
    """A home at @2, beside it a directory that is none of ours."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/passwd").write_text("root's")
    return begun(tmp_path / "here", 2)


@pytest.fixture
def outside(tmp_path: Path, home: Tiny) -> object:
    """What must stay as it is."""
    return fingerprint(tmp_path / "outside")


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_out_makes_a_segment_unreadable(path: str) -> None:
    """Absolute, empty, or with a part that is empty, `.` or `..`."""
    for record in (f"d 0755 0 {path}", f"l 5 1 x{path}", f"f {'a' * 32}.0644.5 3 {path}"):
        with pytest.raises(ValueError, match="unsafe path"):
            segments.decode(segments.MAGIC + record.encode() + b"\0")


@pytest.mark.parametrize("record", ["f ../../../../../etc/passwd.0644.5 3 a", "f %s.0644.5 3 a" % ("/" * 32),
                                    "f %s.0644.5 3 a" % ("." * 32), "f %s.77777.5 3 a" % ("a" * 32), "d 20755 0 a",
                                    "d -1 0 a", "f %s.0644.5.x 3 a" % ("a" * 32)])  # fmt: skip
def test_an_object_name_that_is_none(record: str) -> None:
    """Names of objects become paths: they are 32 hexadecimal digits, a mode, a time and a number."""
    with pytest.raises(ValueError):
        segments.decode(segments.MAGIC + record.encode() + b"\0")


def state(world: object, *trees_of: Tree) -> Manifest:
    """A state made of these segments."""
    store = world.store  # type: ignore[attr-defined]
    parts = [Part(str(number), "files", store.segments.write(tree)[0], False) for number, tree in enumerate(trees_of)]
    return Manifest(tuple(parts), {})


@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("below", [b"a/passwd", b"a/b/passwd", b"a"])
def test_a_link_among_the_parents_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forked: bool, order: int, below: bytes
) -> None:
    """A state with a link `a` and something below `a`, in one segment or two: damaged, and laid nowhere."""
    monkeypatch.setattr(layout, "WORTH_A_FORK", 0 if forked else 1 << 40)
    outside = tmp_path / "outside"
    outside.mkdir()
    link = {b"a": Entry(LINK, mtime=5, target=os.fsencode(outside))}
    files: Tree = (
        {below: Entry("f", 0o644, 5, 0, digest.of_bytes(b""))} if below != b"a" else {b"a": Entry(DIRECTORY, 0o700)}
    )
    with worlds() as world:
        hostile = [state(world, *[link, files][::order])]
        if below != b"a":
            hostile.append(state(world, {**link, **files}))
        for each in hostile:
            with pytest.raises(Damaged, match="two things at one place"):
                layout.lay_out(world.store, "0" * 32, each)
            assert list(outside.iterdir()) == []
            trees.sweep(world.store, world.live)


def test_a_link_that_stands_already_is_not_followed(tmp_path: Path) -> None:
    """A transform keeps the link of a segment both states have; what the other one puts below it has no place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = {b"a": Entry(LINK, mtime=5, target=os.fsencode(outside))}
    with worlds() as world:
        first = state(world, link)
        name, _ = world.store.manifests.write(first)
        checkout = layout.lay_out(world.store, name, first)
        for path, kind in (
            (b"a/passwd", Entry("f", 0o644, 5, 0, digest.of_bytes(b""))),
            (b"a", Entry(DIRECTORY, 0o700)),
        ):
            hostile = state(world, link, {path: kind})
            with pytest.raises((Damaged, FileExistsError)):
                layout.transform(world.store, checkout, "1" * 32, hostile)
            os.rename(checkout.path + trees.BUILDING, checkout.path)
            assert list(outside.iterdir()) == []
            assert outside.stat().st_mode & 0o777 == 0o755


def forged(home: Tiny, change: str, value: object) -> None:
    """Let the state of @1 be another one, correctly named: whoever can write to a store can do that."""
    store = home.root / "store"
    record = home.root / "history/001_after.json"
    written = json.loads(record.read_text())
    state = json.loads((store / f"manifests/{written['manifest']}.json").read_text())
    if change == "site":
        state["about"]["interpreter"]["site"] = value
    else:
        state["parts"][0]["segment"] = value
    content = json.dumps(state, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    written["manifest"] = digest.of_bytes(content)
    (store / f"manifests/{written['manifest']}.json").write_bytes(content)
    record.write_text(json.dumps(written))


@pytest.mark.parametrize("site", ["../outside", "/etc", "lib/../../../outside", ""])
def test_a_state_whose_site_packages_lie_elsewhere(home: Tiny, outside: object, site: str) -> None:
    """Files of ours are laid into site-packages: a state does not say where that is outside its tree."""
    forged(home, "site", site)
    before = fingerprint(home.venv)
    with pytest.raises(DamageFound, match="site-packages"):
        rewind.restore(home.context, "@1")
    assert fingerprint(home.venv) == before
    assert fingerprint(home.root.parent / "outside") == outside
    assert not (home.root.parent / "outside/_sysvenv.pth").exists()


@pytest.mark.parametrize("segment", ["../../../../etc/passwd", "/etc/passwd", "..", "", "A" * 32, "٣" * 32, "a" * 31])
def test_a_state_whose_segments_lie_elsewhere(home: Tiny, segment: str) -> None:
    """Names of segments become paths too."""
    forged(home, "segment", segment)
    before = fingerprint(home.venv)
    with pytest.raises((Damaged, DamageFound), match="not the name of a segment"):
        rewind.restore(home.context, "@1")
    assert fingerprint(home.venv) == before
    rewind.undo(home.context)  # what undo needs is untouched


def test_a_linked_site_packages_gets_no_hook(home: Tiny, outside: object) -> None:
    """Through a symlink the hook would be laid into somebody else's directory."""
    with pytest.raises(StoreError, match="is a symlink"), worlds() as world:
        os.makedirs(world.live)
        os.symlink(home.root.parent / "outside", world.live + b"/lib")
        trees.lay_ours(world.store.root, world.live, {b"lib/site/_sysvenv.pth": b"import os"})
    assert fingerprint(home.root.parent / "outside") == outside


BAD_NAMES = ["../outside", "/etc/passwd", "a/b", "..", ".", "", "-x", "a\n", "a" * 65, "ä", "a\0", "~"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_of_snapshots_go_in_and_out_checked(home: Tiny, name: str) -> None:
    """No name of a snapshot leads anywhere, whether it is typed or found on disk."""
    with pytest.raises((UsageError, NotFound)):
        rewind.restore(home.context, name)
    with pytest.raises(UsageError):
        snapshots.delete(home.home, name)
    assert all(snapshots.NAME.fullmatch(found) for found in snapshots.names(home.home))


def test_labels_found_on_disk_are_names_too(home: Tiny) -> None:
    """A file whose name is none is no label; one that names no state is damaged."""
    label = json.loads((home.root / "snapshots/baseline.json").read_text())
    (home.root / "snapshots/-rf.json").write_text(json.dumps(label))
    (home.root / "snapshots/a b.json").write_text(json.dumps(label))
    assert snapshots.names(home.home) == ["baseline"]
    for value in ("../../../outside/passwd", "", 5, None, "x" * 32):
        (home.root / "snapshots/odd.json").write_text(json.dumps({**label, "manifest": value}))
        with pytest.raises((Damaged, SysvenvError)):
            rewind.restore(home.context, "odd")


@pytest.mark.parametrize("checkout", ["../../../outside", "/etc", "..", "x"])
def test_a_head_whose_trees_lie_elsewhere(home: Tiny, outside: object, checkout: str) -> None:
    """The trees HEAD speaks of are looked for among those there are."""
    path = home.root / "history/HEAD"
    head = json.loads(path.read_text())
    head["sequence"] += 10
    head["undone"] = [{"operation": 1, "manifest": "", "checkout": checkout}]
    path.write_text(json.dumps(head))
    recover.enter(home.context, "check").leave()
    with pytest.raises(SysvenvError):
        rewind.redo(home.context)
    assert fingerprint(home.root.parent / "outside") == outside
    assert read_head(home.home) is not None
    rewind.undo(home.context)


@pytest.mark.parametrize("name", ["../outside/0000", "/etc/passwd12345", "0000000000000/00", "٣" * 16, ""])
def test_a_marker_whose_index_lies_elsewhere(home: Tiny, name: str) -> None:
    """A marker's name becomes the path of an index; one that is none makes the tree nobody's."""
    path = home.root / "venv/.sysvenv"
    marker = json.loads(path.read_text())
    path.write_text(json.dumps({**marker, "checkout": name}))
    found = trees.read_marker(os.fsencode(home.venv))
    assert found is None
    rewind.undo(home.context)
    assert not list(home.root.parent.glob("outside/0*"))


def test_a_record_of_paths_outside(home: Tiny, outside: object, tmp_path: Path) -> None:
    """RECORD is the packages' own word: what it claims outside the tree is nobody's to roll back."""
    record = home.site / "demo-2.0.dist-info/RECORD"
    with open(record, "a") as file:
        file.write(f"../../../../../outside/passwd,,\n{tmp_path}/outside/passwd,,\n../../../../../../etc/passwd,,\n")
    rewind.undo(home.context)
    rewind.redo(home.context)
    rewind.restore(home.context, "@0")
    assert fingerprint(tmp_path / "outside") == outside


def test_the_hook_runs_our_interpreter_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By absolute path and isolated: neither PATH nor the working directory nor PYTHONPATH has a say."""
    assert os.path.isabs(tool_python())
    gate = hook.files(tool_python(), b"lib/site")[b"lib/site/_sysvenv_gate.py"].decode()
    assert f"TOOL_PYTHON = {tool_python()!r}" in gate
    started = re.findall(r"os\.exec\w+\(.*|words = \[.*", gate)
    assert started == [
        'words = [TOOL_PYTHON, "-I", "-m", "sysvenv.supervise", PROTOCOL, *map(str, inherited)]',
        "os.execv(TOOL_PYTHON, words + rest)",
    ]
    for relative in ("python3", "./python3", ""):
        monkeypatch.setattr(pip_gate, "TOOL_PYTHON", relative)
        monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was started"))
        pip_gate.surround("/nowhere", ["pip"], "", {})
        assert "this pip is not recorded" in capfd.readouterr().err


def test_a_manifest_is_only_believed_under_its_own_name(home: Tiny) -> None:
    """And only under a name that is one: it becomes a path."""
    with worlds() as world:
        for name in ("../../../../etc/passwd", "/etc/passwd", "", "a" * 33, "..", "x/" * 16):
            with pytest.raises(Damaged, match="not the name of a manifest"):
                world.store.manifests.read(name)
        assert manifests.decode(manifests.encode(Manifest((), {}))) == Manifest((), {})
        assert manifest.interpreter(Manifest((), {})) is None
