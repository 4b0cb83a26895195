"""Damaged history: records, HEAD, the live tree's marker, labels. Each is found, named, and mended where it can be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from damaged import Broken
from fingerprint import environment

from store import trees

pytest_plugins = ["breakable"]


def rewrite(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"version": 1}', b"[" * 100_000])
def test_the_end_of_an_operation_garbled(broken: Broken, content: bytes) -> None:
    """What an operation led to is told from what came after; the damaged file is kept as evidence."""
    broken.record(1, "after").write_bytes(content)
    broken.found("error", "history", "001_after.json" if content[:8] != b'{"versio' else "@1", brief=True)
    broken.healed()
    assert broken.record(1, "after").with_name("001_after.json.damaged").read_bytes() == content


def test_the_end_of_an_operation_missing(broken: Broken) -> None:
    """A beginning without an end, in the middle of history."""
    broken.record(1, "after").unlink()
    broken.found("error", "@1", "ended")
    broken.healed()


def test_the_end_of_the_present_operation_missing(broken: Broken) -> None:
    """HEAD knows what it led to: the next command writes it again."""
    for half in ("before", "after"):
        broken.record(3, half).unlink()
    broken.record(2, "after").unlink()
    broken.survives()
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[1]
    assert broken.record(2, "after").exists()
    broken.comes_back(0, 2)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_the_beginning_of_an_operation_lost(broken: Broken, content: bytes | None) -> None:
    """Nothing tells what it was done to: undo stops there, restore does not."""
    place = broken.record(1, "before")
    if content is None:
        place.unlink()
    else:
        place.write_bytes(content)
    found = broken.found("error", "history", "1")
    assert "restore" in found["remedy"]
    broken.fix(code=4)
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[1]
    assert broken.run("undo").code == 4
    broken.comes_back(0, 2)


@pytest.mark.parametrize(
    "values",
    [
        {"parent": 7}, {"parent": 1}, {"parent": "x"}, {"parent": -5}, {"number": 9}, {"kind": "magic"},
        {"command": 5}, {"started": "soon"}, {"started": 1e30}, {"pid": None}, {"version": "1"}, {"manifest": None},
    ],
)  # fmt: skip
def test_a_beginning_with_wrong_values(broken: Broken, values: dict[str, Any]) -> None:
    """Wrong types, a parent in the future, a cycle: no command follows them."""
    rewrite(broken.record(1, "before"), **values)
    broken.found("error", "history", "1", brief=True)
    broken.fix(code=4)
    broken.comes_back(0, 2)


@pytest.mark.parametrize(
    "values",
    [
        {"files": 3}, {"files": [1, 2]}, {"packages": 7}, {"packages": [["demo", 1, 2]]}, {"origins": {"demo": 5}},
        {"status": "odd"}, {"exit_code": "x"}, {"sources": 4}, {"places": {"demo": 1}},
        {"notices": {"orphans": 1}}, {"finished": -1}, {"packages": [["demo"]]},
    ],
)  # fmt: skip
def test_an_end_with_wrong_values(broken: Broken, values: dict[str, Any]) -> None:
    """Wrong types in the record of an end: it is told anew."""
    rewrite(broken.record(1, "after"), **values)
    broken.found("error", "history", "@1", brief=True)
    broken.healed()


def test_a_record_of_a_newer_version(broken: Broken) -> None:
    """It is refused with the likely cause, and not set aside."""
    rewrite(broken.record(1, "after"), version=2)
    broken.found("error", "history", "version 2")
    broken.fix(code=4)
    assert json.loads(broken.record(1, "after").read_text())["version"] == 2
    broken.comes_back(0, 2)


def test_a_record_that_is_a_directory(broken: Broken) -> None:
    """No command ends in a traceback."""
    broken.record(1, "after").unlink()
    broken.record(1, "after").mkdir()
    broken.found("error", "history", "001_after.json")
    broken.comes_back(0, 2)


def test_a_gap_in_the_numbers(broken: Broken) -> None:
    """Records of an operation gone: those that follow it are told."""
    for half in ("before", "after"):
        broken.record(1, half).unlink()
    broken.found("error", "@2 follows @1")
    broken.fix(code=4)
    assert broken.run("undo").code == 0
    assert environment(broken.root / "venv") == broken.states[1]
    broken.comes_back(0, 2)


@pytest.mark.parametrize("content", [None, b"", b"{", b"{}", b'{"version": 1}', b"\0" * 200, b"[" * 100_000])
def test_head_lost(broken: Broken, content: bytes | None) -> None:
    """HEAD is told from the records and the live tree's marker, by doctor or by whoever comes next."""
    head = Path(broken.tiny.home.head)
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    broken.found("error", "history", "HEAD")
    broken.healed()


@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_head_lost_and_no_doctor(broken: Broken, content: bytes | None) -> None:
    """undo does not need one: what it finds out becomes HEAD, and it says so."""
    head = Path(broken.tiny.home.head)
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    answer = broken.run("undo")
    assert answer.code == 0 and "written anew" in answer.out + answer.err
    assert environment(broken.root / "venv") == broken.states[1]
    assert broken.run("redo").code == 0
    assert environment(broken.root / "venv") == broken.states[2]


def test_head_names_an_unknown_operation(broken: Broken) -> None:
    """Where it leads nowhere, the records tell."""
    rewrite(Path(broken.tiny.home.head), operation=99, sequence=1000)
    broken.found("error", "@99")
    broken.healed()


def test_head_of_a_newer_version(broken: Broken) -> None:
    """It is not touched."""
    rewrite(Path(broken.tiny.home.head), version=2)
    broken.found("version 2", code=1)
    broken.fix(code=4)
    assert json.loads(Path(broken.tiny.home.head).read_text())["version"] == 2


def test_head_names_lost_operations_to_redo(broken: Broken) -> None:
    """What redo would bring back has no record."""
    for half in ("before", "after"):
        broken.record(3, half).unlink()
    broken.found("error", "redo", "@3")
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1, "checkout": 5, "position": {}}', b"[" * 100_000])
def test_the_marker_garbled(broken: Broken, content: bytes) -> None:
    """The live tree gets a new name; where it stands HEAD tells."""
    (broken.root / "venv/.sysvenv").write_bytes(content)
    broken.found("warning", "marker", code=0)
    broken.healed()


def test_the_marker_deleted(broken: Broken) -> None:
    """It is derived from HEAD: nobody misses it."""
    (broken.root / "venv/.sysvenv").unlink()
    broken.survives()
    broken.comes_back(0, 1, 2)
    assert broken.run("verify").code == 0


def test_the_marker_of_another_tree(broken: Broken) -> None:
    """A marker copied from a tree that stands ready would give both one index."""
    ready, *_ = trees.standing(broken.store)
    (broken.root / "venv/.sysvenv").write_bytes(Path(os.fsdecode(ready.path), ".sysvenv").read_bytes())
    broken.found("warning", "marker", "another tree", code=0)
    broken.healed()


def test_the_marker_is_a_directory(broken: Broken) -> None:
    """Something else stands there."""
    (broken.root / "venv/.sysvenv").unlink()
    (broken.root / "venv/.sysvenv").mkdir()
    broken.found("warning", "marker", code=0)
    broken.fix()
    broken.comes_back(0, 1, 2)


@pytest.mark.parametrize("content", [b"", b"7", b"{}", b'{"version": 1, "created": 1e40}', b"[" * 100_000])
def test_a_label_garbled(broken: Broken, content: bytes) -> None:
    """It is named; the others are listed; it can be deleted, and the state be had by its number."""
    label = Path(broken.tiny.home.snapshots, "one.json")
    label.write_bytes(content)
    broken.found("error", "snapshot", "one.json")
    assert "baseline" in broken.run("list-snapshots").out
    assert broken.run("snapshot", "--delete", "one").code == 0
    assert broken.run("verify").code == 0
    broken.comes_back(0, 1, 2)


def test_a_label_that_names_a_path(broken: Broken) -> None:
    """A manifest's name never becomes a path."""
    rewrite(Path(broken.tiny.home.snapshots, "one.json"), manifest="../../../../etc/passwd")
    broken.found("error", "manifest", "snapshot one")
    assert broken.run("restore", "one").code == 4
    broken.comes_back(0, 1, 2)


def test_a_label_that_names_a_missing_manifest(broken: Broken) -> None:
    """The label is named as what cannot be restored."""
    rewrite(Path(broken.tiny.home.snapshots, "one.json"), manifest="0" * 32)
    assert broken.found("error", "manifest", "missing")["states"] == ["snapshot one"]
    assert broken.run("restore", "one").code == 4
    broken.comes_back(0, 1, 2)


def test_a_stranger_among_the_labels(broken: Broken) -> None:
    """A name that would lead elsewhere is no snapshot, and is told."""
    Path(broken.tiny.home.snapshots, "..json").write_text("{}")
    Path(broken.tiny.home.snapshots, "-rf .json").write_text("{}")
    broken.found("warning", "snapshot", "-rf .json", code=0)
    broken.comes_back(0, 1, 2)
