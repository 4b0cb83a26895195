"""Damaged objects and copies: each is found and named, healed where a copy exists, and else fenced off."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from damaged import Broken, flip, silently
from fingerprint import environment

pytest_plugins = ["breakable"]


def test_an_object_edited_in_place(broken: Broken) -> None:
    """An edit that lstat shows is a warning; the original is rebuilt, the edit is an operation."""
    with open(broken.site / "demo/__init__.py", "a") as file:
        file.write("# mine\n")
    found = broken.found("object", "changed in place", "demo/__init__.py", "@2", "demo 2.0", code=0)
    assert not found["fences"]
    broken.healed(edited=True)


def test_an_object_flipped_behind_lstat(broken: Broken) -> None:
    """A change that kept size and mtime is damage, with the states and packages it is part of."""
    silently(broken.site / "demo/__init__.py", b"2", b"3")
    found = broken.found("error", "object", "demo/__init__.py", "demo 2.0", quick=False)
    assert found["states"] == ["the environment", "@2"] and found["remedy"] == "Run: sysvenv doctor --fix"
    broken.healed(edited=True)


def test_an_object_flipped_that_no_tree_holds(broken: Broken) -> None:
    """What only history needs is checked and healed as well."""
    silently(broken.object("demo/only_in_one.py", 1), b"1", b"9")
    assert broken.found("error", "demo/only_in_one.py", quick=False)["states"] == ["@1", "snapshot one"]
    broken.healed()


def test_an_object_truncated(broken: Broken) -> None:
    """Cut to nothing."""
    os.truncate(broken.object("demo/only_in_one.py", 1), 0)
    broken.found("changed in place", "demo/only_in_one.py", code=0)
    broken.healed()


@pytest.mark.parametrize("number", [1, 2])
def test_an_object_deleted(broken: Broken, number: int) -> None:
    """One that history needs comes from its copy; one that is live is a name of the live file again."""
    path = "demo/__init__.py"
    broken.object(path, number).unlink()
    broken.found("error", "missing", path)
    broken.healed()


def test_a_live_object_deleted_without_a_copy(broken: Broken) -> None:
    """The live file itself is the copy."""
    broken.object("demo/deep/new.py").unlink()
    shutil.rmtree(broken.root / "store/pristine")
    (broken.root / "store/pristine").mkdir(mode=0o700)
    assert broken.found("error", "missing", "demo/deep/new.py")["fences"]
    broken.healed()
    assert broken.object("demo/deep/new.py").exists()


def test_an_object_lost_for_good(broken: Broken) -> None:
    """Without any copy the states that need it are named and refused; all others go on working."""
    broken.object("demo/only_in_one.py", 1).unlink()
    archive(broken).unlink()
    broken.give_up_trees()
    found = broken.found("error", "missing", "demo/only_in_one.py")
    assert found["fences"] and found["states"] == ["@1", "snapshot one"] and found["distributions"] == ["demo 1.0"]
    answer = broken.fix(code=4)
    assert any("No intact copy" in each["message"] for each in answer.findings)
    assert broken.run("undo").code == 4
    broken.fenced(1, usable=(0, 2))


def name_of(segment: Path) -> str:
    return segment.parent.name + segment.name


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo"])
def test_an_object_replaced(broken: Broken, kind: str) -> None:
    """What is no file is kept aside, and never waited for."""
    place = broken.object("demo/only_in_one.py", 1)
    content = place.read_bytes()
    place.unlink()
    if kind == "directory":
        (place / "something").mkdir(parents=True)
    elif kind == "symlink":
        (broken.root / "outside").write_bytes(content)
        place.symlink_to(broken.root / "outside")
    else:
        os.mkfifo(place)
    broken.found("changed in place", "demo/only_in_one.py", code=0)
    broken.healed()
    assert any((broken.root / "store/rescued/objects").iterdir())


def test_an_object_with_another_mode(broken: Broken) -> None:
    """chmod reaches every link; the object's own content makes the new one."""
    os.chmod(broken.object("demo/only_in_one.py", 1), 0o755)
    broken.found("changed in place", "demo/only_in_one.py", code=0)
    broken.healed()


def test_a_setuid_file_rebuilt(broken: Broken) -> None:
    """It comes back without that bit, and agrees with its name from then on: nothing is told of it any more."""
    tool = broken.site / "demo/tool.py"
    tool.write_text("x = 1\n")
    os.chmod(tool, 0o4755)
    assert broken.run("snapshot", "with-tool").code == 0
    tool.write_text("edited in place\n")
    assert broken.run("undo").code == 0
    assert tool.read_text() == "x = 1\n" and tool.stat().st_mode & 0o7777 == 0o755
    for _ in range(2):
        assert broken.run("verify", "--json").findings == []
        assert "demo" not in broken.run("status", "--check").out.partition("nrecorded")[2]
        assert broken.run("restore", "one").code == 0
        assert broken.run("restore", "with-tool").code == 0
        assert tool.read_text() == "x = 1\n"


def test_bytecode_flipped(broken: Broken) -> None:
    """Bytecode has no copy and needs none: it is dropped, and Python builds it anew."""
    cache = broken.site / "demo/__pycache__/__init__.cpython-311.pyc"
    silently(cache, b"two", b"owt")
    broken.found("warning", "bytecode", "__init__.cpython-311.pyc", code=0, quick=False)
    assert "They were dropped." in broken.fix().out
    assert not cache.exists()
    verified = broken.run("verify")
    assert verified.code == 0 and "doctor" not in verified.out
    broken.comes_back(0, 1, 2)


def archive(broken: Broken, number: int = 1) -> Path:
    return Path(os.fsdecode(broken.store.pristine.archive_path(name_of(broken.segment(number)))))


def test_an_archive_flipped(broken: Broken) -> None:
    """A frame that cannot be unpacked: the objects are whole, so it is written anew."""
    flip(archive(broken), 40)
    broken.found("error", "pristine", "demo 1.0", quick=False)
    broken.healed()


def test_an_archive_truncated(broken: Broken) -> None:
    """Half an archive has no table."""
    place = archive(broken)
    os.truncate(place, place.stat().st_size // 2)
    broken.found("error", "pristine", "damaged")
    broken.healed()


def test_an_archive_missing(broken: Broken) -> None:
    """Its contents are without a second copy until doctor --fix writes it."""
    place = archive(broken)
    place.unlink()
    broken.found("warning", "without a second copy", "demo 1.0", code=0)
    broken.healed()
    assert place.exists()


def test_the_table_of_an_archive_damaged(broken: Broken) -> None:
    """The table is what tells where contents lie."""
    place = archive(broken)
    flip(place, place.stat().st_size - 30)
    broken.found("error", "pristine", "table")
    broken.healed()


def test_an_archive_that_is_a_directory(broken: Broken) -> None:
    """What is no archive is buried."""
    place = archive(broken)
    place.unlink()
    place.mkdir()
    broken.found("pristine")
    broken.healed()


def test_an_object_and_its_archive_flipped(broken: Broken) -> None:
    """Both copies gone: told together, fenced, the rest usable."""
    silently(broken.object("demo/only_in_one.py", 1), b"1", b"9")
    archive(broken).unlink()
    broken.give_up_trees()
    assert broken.found("error", "object", "demo/only_in_one.py", quick=False)["fences"]
    broken.fix(code=4)
    before = environment(broken.root / "venv")
    assert broken.run("verify").code == 4
    assert environment(broken.root / "venv") == before
    broken.comes_back(0, 2)


def test_an_object_that_another_user_owns(broken: Broken) -> None:
    """Who owns an object can change it."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(broken.object("demo/only_in_one.py", 1), 1234, 1234)
    broken.found("warning", "permissions", "another user", "demo/only_in_one.py", code=0)
