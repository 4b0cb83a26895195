"""A damaged store around the objects: segments, manifests, indexes, trees, version, directories, locks, settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from damaged import Broken, flip, silently
from fingerprint import environment
from tiny import SITE

from store import digest, segments, trees
from store.manifests import Manifest, Part
from store.tree import FILE, Entry
from sysvenv import history

pytest_plugins = ["breakable"]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"segment 1", b"segment 2", 1))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS = [flip, cut, empty, newer, directory, Path.unlink]


@pytest.mark.parametrize("harm", HARMS)
def test_a_segment_of_the_present_state(broken: Broken, harm: Callable[[Path], None]) -> None:
    """It is told anew from the live tree, to the byte."""
    place = broken.segment(2)
    harm(place)
    found = broken.found("error", "segment")
    assert found["fences"] and found["states"] == ["the environment", "@2"] and found["distributions"] == ["demo 2.0"]
    broken.healed()


@pytest.mark.parametrize("harm", HARMS)
def test_a_segment_of_a_tree_that_stands_ready(broken: Broken, harm: Callable[[Path], None]) -> None:
    """It is told anew from there."""
    assert broken.run("restore", "@1").code == 0
    assert broken.run("restore", "@2").code == 0  # now @1 stands ready
    harm(broken.segment(1))
    broken.found("error", "segment", "@1", "snapshot one", "demo 1.0")
    broken.healed()


def test_a_segment_that_no_tree_has(broken: Broken) -> None:
    """What needs it is refused, before anything is touched; the rest goes on."""
    flip(broken.segment(1))
    broken.give_up_trees()
    assert broken.found("error", "segment", "@1")["fences"]
    broken.fix(code=4)
    broken.fenced(1, usable=(0, 2))


@pytest.mark.parametrize("harm", [flip, cut, empty, directory, Path.unlink])
def test_the_manifest_of_the_present_state(broken: Broken, harm: Callable[[Path], None]) -> None:
    """It is told anew from the live tree, to the byte."""
    harm(broken.root / f"store/manifests/{broken.manifest(2)}.json")
    found = broken.found("error", "manifest")
    assert found["fences"] and "the environment" in found["states"]
    broken.healed()


def test_the_manifest_of_the_present_state_while_a_file_is_edited(broken: Broken) -> None:
    """Then it cannot be told exactly: what is there becomes the state, and undo works from it."""
    (broken.site / "demo/__init__.py").unlink()
    (broken.site / "demo/__init__.py").write_text("version = 'mine'\n")
    (broken.root / f"store/manifests/{broken.manifest(2)}.json").unlink()
    broken.found("error", "manifest", "missing")
    broken.fix(code=4)
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[1]
    broken.fenced(2, usable=(0, 1))


@pytest.mark.parametrize("harm", [flip, Path.unlink])
def test_a_manifest_of_the_past(broken: Broken, harm: Callable[[Path], None]) -> None:
    """The states are named and refused, the others come back; undo says why it cannot."""
    harm(broken.root / f"store/manifests/{broken.manifest(1)}.json")
    broken.give_up_trees()
    assert broken.found("error", "manifest", "@1", "snapshot one")["fences"]
    broken.fix(code=4)
    broken.fenced(1, usable=(0, 2))


def crafted(broken: Broken, content: bytes) -> None:
    """A manifest with the right name for its content, which snapshot ``one`` names from now on."""
    name = digest.of_bytes(content)
    (broken.root / f"store/manifests/{name}.json").write_bytes(content)
    label = broken.root / "snapshots/one.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "manifest": name}))


@pytest.mark.parametrize(
    "content",
    [
        b"no json", b"[]", b'{"version": 1}', b'{"version": 1, "parts": 5, "about": {}}',
        b'{"version": 1, "parts": [{"owner": 1, "kind": 2, "segment": 3, "guarded": 4}], "about": {}}',
        b'{"version": 1, "parts": [{"owner": "x", "kind": "files", "segment": "../x", "guarded": true}], "about": {}}',
        b'{"version": 1, "parts": [], "about": 7}', b'{"version": 2, "parts": [], "about": {}}',
    ],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense(broken: Broken, content: bytes) -> None:
    """Even under its right name."""
    crafted(broken, content)
    broken.found("error", "manifest", "snapshot one")
    assert broken.run("restore", "one").code in (1, 4)
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize(
    "about",
    [
        {"distributions": [5]}, {"distributions": 5}, {"interpreter": {"version": 1}}, {"interpreter": "x"},
        {"interpreter": {"abi": "", "base": "/usr/bin/python3", "implementation": "", "platform": "",
                         "site": "../../..", "version": "3.11"}},
    ],
)  # fmt: skip
def test_a_manifest_about_nonsense(broken: Broken, about: dict[str, object]) -> None:
    """What it says of packages and Python is checked before it is used."""
    name, _ = broken.store.manifests.write(Manifest((), about))
    label = broken.root / "snapshots/one.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "manifest": name}))
    broken.survives()
    assert broken.run("restore", "one").code == 4
    broken.comes_back(0, 1, 2)


def test_a_manifest_that_names_a_missing_segment(broken: Broken) -> None:
    """The segment is named, with what needs it."""
    name, _ = broken.store.manifests.write(Manifest((Part("demo", "files", "0" * 32, guarded=True),), {}))
    label = broken.root / "snapshots/one.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "manifest": name}))
    assert broken.found("error", "segment", "missing")["states"] == ["snapshot one"]
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize("path", [b"../../escaped", b"/tmp/escaped", b"a//b", b"a/./b", b""])
def test_a_path_that_leads_out_of_the_tree(broken: Broken, path: bytes) -> None:
    """A segment that names one cannot be read, whatever its digest says."""
    content = segments.encode({path: Entry(FILE, 0o644, 1, 0, "0" * 32)})
    name = digest.of_bytes(content)
    place = Path(os.fsdecode(broken.store.segments.path(name)))
    place.parent.mkdir(mode=0o700, exist_ok=True)
    place.write_bytes(content)
    manifest, _ = broken.store.manifests.write(Manifest((Part("demo", "files", name, guarded=True),), {}))
    label = broken.root / "snapshots/one.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "manifest": manifest}))
    broken.found("error", "segment", "snapshot one")
    assert broken.run("restore", "one").code == 4
    assert not any("escaped" in names for _, _, names in os.walk(broken.root.parent)) and not os.path.exists(
        "/tmp/escaped"
    )
    broken.comes_back(0, 1, 2)


def live_index(broken: Broken) -> Path:
    marker = trees.read_marker(os.fsencode(broken.root / "venv"))
    assert marker is not None
    return broken.root / "store/index" / marker.checkout


@pytest.mark.parametrize("harm", [flip, cut, empty, directory, Path.unlink])
def test_the_index_of_the_live_tree(broken: Broken, harm: Callable[[Path], None]) -> None:
    """It is derived: nobody misses it."""
    harm(live_index(broken))
    broken.survives()
    broken.comes_back(0, 1, 2)
    assert broken.run("verify").code == 0


def test_an_index_that_is_stale(broken: Broken) -> None:
    """The index of an earlier state of the same tree."""
    old = live_index(broken).read_bytes()
    with open(broken.site / "demo/__init__.py", "a") as file:
        file.write("# edited\n")
    assert broken.run("snapshot", "edited").code == 0
    live_index(broken).write_bytes(old)
    broken.survives()
    assert broken.run("verify").code == 0
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[2]


@pytest.mark.parametrize("name", ["trees", "index", "trash", "rescued"])
def test_a_derived_directory_emptied(broken: Broken, name: str) -> None:
    """Whatever is in there is made anew."""
    shutil.rmtree(broken.root / "store" / name)
    (broken.root / "store" / name).mkdir(mode=0o700)
    broken.survives()
    broken.comes_back(0, 1, 2)
    assert broken.run("verify").code == 0


@pytest.mark.parametrize("name", ["trees", "index", "trash", "rescued", "pristine"])
@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_directory_of_the_store_lost(broken: Broken, name: str, instead: str) -> None:
    """doctor --fix makes it anew, and what was in it; what stood there is kept."""
    place = broken.root / "store" / name
    shutil.rmtree(place)
    if instead == "a file":
        place.write_text("a file")
    broken.survives()
    broken.fix()
    assert broken.run("verify").code == 0
    broken.comes_back(0, 1, 2)


def test_usage_garbled(broken: Broken) -> None:
    """It is told anew."""
    broken.run("status")
    for content in (b"", b"[1]", b"{}", b'{"made_of": 1, "beyond": "x", "within": 2}'):
        (broken.root / "store/usage.json").write_bytes(content)
        assert broken.run("status").code == 0
    (broken.root / "store/usage.json").unlink()
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"sysvenv store x\n"])
def test_the_version_lost(broken: Broken, content: bytes | None) -> None:
    """It is written anew for a store whose manifests are of that version."""
    place = broken.root / "store/VERSION"
    if content is None:
        place.unlink()
    else:
        place.write_bytes(content)
    broken.found("VERSION")
    broken.healed()


def test_the_version_newer(broken: Broken) -> None:
    """It is refused, with the likely cause, and nothing is touched."""
    (broken.root / "store/VERSION").write_text("sysvenv store 2\n")
    broken.found("sysvenv store 2", code=1)
    broken.fix(code=4)
    assert (broken.root / "store/VERSION").read_text() == "sysvenv store 2\n"
    (broken.root / "store/VERSION").write_text("sysvenv store 1\n")
    broken.comes_back(0, 1, 2)


def test_no_store(broken: Broken) -> None:
    """Without any store, history is still told, pip still works, and what to type is said."""
    shutil.rmtree(broken.root / "store")
    broken.survives()
    assert "demo" in broken.run("history").out
    assert "init" in broken.run("undo").err


@pytest.mark.parametrize("content", ["[[[", "\xff", "[store]\nkeep_trees = 'many'\n", "[ui]\ncolour = 1\n"])
def test_the_settings_garbled(broken: Broken, content: str) -> None:
    """undo does not depend on them: the defaults hold, and that is said."""
    (broken.root / "config.toml").write_text(content, encoding="latin-1")
    if "colour" not in content:
        broken.found("config", code=0)
    broken.survives()
    answer = broken.run("undo")
    assert answer.code == 0 and "config.toml" in answer.err
    assert environment(broken.root / "venv") == broken.states[1]
    assert (broken.root / "config.toml").read_text(encoding="latin-1") == content


@pytest.mark.parametrize("name", ["lock", "store/lock"])
@pytest.mark.parametrize("kind", ["directory", "symlink"])
def test_a_lock_replaced(broken: Broken, name: str, kind: str) -> None:
    """A lock that cannot be taken is said, and set aside by doctor --fix."""
    place = broken.root / name
    place.unlink(missing_ok=True)
    if kind == "directory":
        place.mkdir()
    else:
        place.symlink_to(broken.root / "elsewhere")
    broken.survives()
    assert "doctor --fix" in broken.run("undo").err
    assert any(each["subject"] == "lock" for each in broken.run("doctor", "--json").findings)
    broken.healed()


def test_the_live_tree_deleted(broken: Broken) -> None:
    """undo brings it back; of the user's own files in there nothing was kept."""
    shutil.rmtree(broken.root / "venv")
    broken.found("warning", "environment", "removed", code=0)
    assert broken.run("undo").code == 0
    broken.without(b"notes.txt")
    assert environment(broken.root / "venv") == broken.states[2]
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize("kind", ["file", "symlink", "dangling symlink", "symlink to the moved tree"])
def test_the_live_tree_replaced(broken: Broken, kind: str) -> None:
    """Nothing is swapped behind a link; doctor --fix sets it aside, undo brings the environment back."""
    live = broken.root / "venv"
    (live / "notes.txt").unlink()
    live.rename(broken.root / "moved")
    if kind == "file":
        live.write_text("not an environment")
    else:
        other = broken.root / "other"
        if kind == "symlink":
            other.mkdir()
            (other / "precious").write_text("mine")
        live.symlink_to("moved" if "moved" in kind else "other")
    broken.found("error", "environment")
    assert "doctor --fix" in broken.run("undo").err
    broken.fix(code=4)
    assert broken.run("undo").code == 0
    broken.without(b"notes.txt")
    assert environment(live) == broken.states[2] and not live.is_symlink()
    broken.comes_back(0, 1, 2)
    assert environment(broken.root / "moved") == broken.states[2]


def ready(broken: Broken) -> Path:
    """The tree that stands ready, after @1 was made to: of the state one back."""
    assert broken.run("restore", "@1").code == 0
    assert broken.run("restore", "@2").code == 0
    (tree,) = [each for each in trees.standing(broken.store) if each.manifest == broken.manifest(1)]
    return Path(os.fsdecode(tree.path))


def append(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"# edited\n")


def swap_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/somewhere/else")


@pytest.mark.parametrize(
    ("path", "harm"),
    [
        (f"{SITE}/demo/only_in_one.py", append),
        (f"{SITE}/demo/only_in_one.py", Path.unlink),
        (f"{SITE}/demo/only_in_one.py", lambda path: os.chmod(path, 0o600)),
        (f"{SITE}/demo/only_in_one.py", directory),
        (f"{SITE}/demo/only_in_one.py", swap_link),
        (f"{SITE}/demo/empty.py", append),
        (f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc", append),
        ("bin/python3", swap_link),
        ("bin/python3", Path.unlink),
        (f"{SITE}/demo", lambda path: os.chmod(path, 0o700)),
        (f"{SITE}/demo", shutil.rmtree),
        (f"{SITE}/demo", lambda path: (path.rename(path.with_name("away")), path.symlink_to("away"))),
        ("pyvenv.cfg", append),
        (".sysvenv", append),
        (".sysvenv", Path.unlink),
        (f"{SITE}/_sysvenv.pth", Path.unlink),
    ],
)
def test_a_tree_that_stands_ready(broken: Broken, path: str, harm: Callable[[Path], object]) -> None:
    """Whatever happens to one is put right, or made anew, before it goes live."""
    harm(ready(broken) / path)
    broken.survives()
    assert broken.run("verify").code == 0
    broken.comes_back(1, 0, 2)


def test_a_stranger_in_the_store(broken: Broken) -> None:
    """What sysvenv did not put there is named and left alone."""
    for name in ("store/notes.txt", "store/objects/zz", "store/manifests/x.json.bak", "store/segments/aa/short"):
        (broken.root / name).parent.mkdir(exist_ok=True, mode=0o700)
        (broken.root / name).write_text("mine")
    broken.found("warning", "store", "notes.txt", "objects/zz", code=0)
    broken.fix()
    assert (broken.root / "store/objects/zz").read_text() == "mine"
    broken.comes_back(0, 1, 2)


def test_directories_that_others_may_enter(broken: Broken) -> None:
    """The store is its owner's alone."""
    os.chmod(broken.root / "store/manifests", 0o755)
    os.chmod(broken.segment(1).parent, 0o777)
    broken.found("warning", "permissions", "manifests, segments", code=0)
    broken.healed()
    assert (broken.root / "store/manifests").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter everywhere")
@pytest.mark.parametrize("name", ["store", "store/objects", "store/segments", "store/manifests", "history"])
def test_a_directory_without_permission(broken: Broken, name: str) -> None:
    """A sentence that names it; with the permission back, all is there."""
    os.chmod(broken.root / name, 0)
    try:
        for arguments in (["status"], ["verify"], ["undo"], ["doctor"], ["history"]):
            broken.run(*arguments)
        assert broken.run("undo").code != 0
    finally:
        os.chmod(broken.root / name, 0o700)
    broken.comes_back(0, 1, 2)


def test_trash_that_cannot_be_deleted(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays; nobody is held up by it."""
    buried = broken.root / "store/trash/stubborn"
    (buried / "deep").mkdir(parents=True)
    (buried / "deep/file").write_text("x")
    os.chmod(buried / "deep", 0)
    os.chmod(buried, 0)
    try:
        broken.survives()
        broken.comes_back(0, 1, 2)
        assert broken.run("verify").code == 0
    finally:
        if buried.exists():
            os.chmod(buried, 0o700)


def test_a_pending_record_whose_process_is_gone(broken: Broken) -> None:
    """An operation that began and never ended is recorded as interrupted by whoever comes next."""
    begun = json.loads(broken.record(2, "before").read_text())
    begun |= {"number": 4, "parent": 2, "manifest": broken.manifest(2), "command": ["pip", "install", "x"]}
    broken.record(4, "before").write_text(json.dumps(begun))
    (broken.site / "x.py").write_text("x")
    broken.survives()
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[2]
    assert history.History(broken.tiny.home).read(4).status == history.INTERRUPTED
    broken.comes_back(0, 1, 2)


def test_two_damages_at_once(broken: Broken) -> None:
    """An object flipped, an archive cut, HEAD garbled and a label lost: all told, all mended in one go."""
    silently(broken.object("demo/only_in_one.py", 1), b"1", b"9")
    cut(Path(os.fsdecode(broken.store.pristine.archive_path(broken.segment(2).parent.name + broken.segment(2).name))))
    Path(broken.tiny.home.head).write_bytes(b"{")
    broken.record(1, "after").write_bytes(b"")
    findings = broken.run("verify", "--json").findings
    assert {"object", "pristine", "history"} <= {each["subject"] for each in findings}
    broken.healed()
