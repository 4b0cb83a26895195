"""History, worked through: each sequence of the store's FORMAT.md with real pip, judged by fingerprints of the tree."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from fingerprint import Fingerprint, environment, fingerprint
from recorded import Environment

from store import objects
from sysvenv import history
from sysvenv.errors import NotFound
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import keep, label, record, recover, rewind, verify
from sysvenv.operations.record import Command, Outcome
from sysvenv.operations.results import FileCounts

pytest_plugins = ["homes"]


def at(env: Environment) -> tuple[int, list[int]]:
    """Where history stands, and what redo would bring."""
    head = read_head(env.home)
    return head.operation, [undone.operation for undone in head.undone]


def seen(env: Environment) -> Fingerprint:
    return fingerprint(env.venv)


def edit(env: Environment, name: str = "demo/__init__.py", more: bytes = b"# edited\n") -> None:
    """`echo >> file`: through the inode that snapshots share."""
    with open(env.site / name, "ab") as file:
        file.write(more)


def forget_trees(env: Environment) -> None:
    """What stands ready may go at any time (FORMAT.md)."""
    for tree in os.listdir(os.path.join(env.home.store, "trees")):
        shutil.rmtree(os.path.join(env.home.store, "trees", tree))


def numbers(env: Environment) -> list[int]:
    return History(env.home).numbers()


def test_the_worked_sequences(upgraded: Environment) -> None:
    """The table of FORMAT.md, line by line: where each step leads, and what redo would bring."""
    env = upgraded
    c = seen(env)
    assert at(env) == (2, [])
    rewind.undo(env.context)
    b = seen(env)
    assert at(env) == (1, [2])
    rewind.undo(env.context)
    a = seen(env)
    assert at(env) == (0, [1, 2])
    assert len({str(sorted(each.items())) for each in (a, b, c)}) == 3
    rewind.redo(env.context, 2)
    assert (at(env), seen(env)) == ((2, []), c)
    with pytest.raises(NotFound, match="Only 2 operations can be undone, not 3"):
        rewind.undo(env.context, 3)
    assert (at(env), seen(env)) == ((2, []), c)
    edit(env)
    edited = seen(env)
    rewind.undo(env.context)
    assert (at(env), seen(env)) == ((2, [3]), c)
    rewind.redo(env.context)
    assert (at(env), seen(env)) == ((3, []), edited)
    rewind.undo(env.context)
    edit(env, more=b"# edited again\n")
    with pytest.raises(NotFound, match="nothing to redo"):
        rewind.redo(env.context)
    rewind.undo(env.context)
    assert (at(env), seen(env)) == ((2, [4]), c)
    rewind.undo(env.context, to=1)
    assert (at(env)[0], seen(env)) == (1, b)
    assert at(env)[1][0] == 2
    env.pip("install", "other")
    bz = seen(env)
    assert at(env) == (5, [])
    rewind.restore(env.context, "@2")
    assert (at(env), seen(env)) == ((6, []), c)
    rewind.undo(env.context)
    assert (at(env), seen(env)) == ((5, [6]), bz)
    rewind.clean(env.context)
    assert at(env) == (7, [])
    assert not (env.site / "other.py").exists()
    rewind.undo(env.context, 2)
    assert (at(env), seen(env)) == ((1, [5, 7]), b)
    shutil.rmtree(env.venv)
    rewind.undo(env.context)
    assert (at(env), seen(env)) == ((1, [8]), b)
    assert numbers(env) == list(range(9))
    parents = [History(env.home).read(number).parent for number in numbers(env)]
    assert parents == [-1, 0, 1, 2, 2, 1, 5, 5, 1]


def test_undo_and_redo_are_exact(upgraded: Environment) -> None:
    """Back and forth any number of times: bytes, modes, times, links and bytecode, both ways."""
    states = [seen(upgraded)]
    for _ in range(2):
        rewind.undo(upgraded.context)
        states.append(seen(upgraded))
    for _ in range(3):
        for step in (1, 0):
            rewind.redo(upgraded.context)
            assert seen(upgraded) == states[step]
        for step in (1, 2):
            rewind.undo(upgraded.context)
            assert seen(upgraded) == states[step]
    rewind.redo(upgraded.context, 2)
    assert seen(upgraded) == states[0]
    rewind.undo(upgraded.context, 2)
    assert seen(upgraded) == states[2]


def test_an_edit_after_undo_bars_redo_but_not_restore(upgraded: Environment) -> None:
    """Redo never tramples on what was done since; the operation can still be had by its number."""
    top = seen(upgraded)
    rewind.undo(upgraded.context)
    edit(upgraded)
    edited = seen(upgraded)
    with pytest.raises(NotFound, match="nothing to redo") as caught:
        rewind.redo(upgraded.context)
    assert "restore @N" in caught.value.hint
    assert seen(upgraded) == edited
    rewind.restore(upgraded.context, "@2")
    assert seen(upgraded) == top
    rewind.undo(upgraded.context)
    assert seen(upgraded) == edited
    assert numbers(upgraded) == [0, 1, 2, 3, 4]


def test_an_edit_in_place_reaches_no_snapshot(upgraded: Environment) -> None:
    """The flaw of hardlinks: the edit is undone, comes back by redo, and a snapshot taken before never has it."""
    label.snapshot(upgraded.context, "before")
    clean = seen(upgraded)
    edit(upgraded)
    edit(upgraded, "demo/blob.bin", b"\0")
    edited = seen(upgraded)
    label.snapshot(upgraded.context, "after")
    rewind.undo(upgraded.context)
    assert seen(upgraded) == clean
    rewind.redo(upgraded.context)
    assert seen(upgraded) == edited
    rewind.restore(upgraded.context, "before")
    assert seen(upgraded) == clean
    edit(upgraded, more=b"# a second edit\n")
    rewind.restore(upgraded.context, "after")
    assert seen(upgraded) == edited
    rewind.undo(upgraded.context, 2)
    assert seen(upgraded) == clean


def test_an_edit_in_place_is_undone_where_no_tree_stands_ready(upgraded: Environment) -> None:
    """Then a tree is laid out, and the object that was written through is not what is linked into it."""
    clean = seen(upgraded)
    edit(upgraded)
    edited = seen(upgraded)
    for step, expected in ((rewind.undo, clean), (rewind.redo, edited), (rewind.undo, clean)):
        forget_trees(upgraded)
        step(upgraded.context)
        assert seen(upgraded) == expected


def test_a_restore_tells_how_many_files_differ(upgraded: Environment) -> None:
    """Counted from the indexes, where a tree stands ready and where not, as from the two states."""
    for target in ("baseline", "@2", "baseline", "@1"):
        if target == "@2":
            forget_trees(upgraded)
        rewound = rewind.restore(upgraded.context, target)
        assert rewound.recorded is not None
        operation = History(upgraded.home).read(rewound.recorded)
        with recover.enter(upgraded.context, "test") as session:
            counted = keep.difference(session, operation.manifest_before, operation.manifest)
        assert rewound.files == counted == FileCounts(*operation.files)
        assert any(counted)


@pytest.mark.parametrize("change", ["chmod", "touch", "rename", "retarget", "empty", "loop"])
def test_whatever_changes_is_undone(upgraded: Environment, change: str) -> None:
    """chmod -R, touch, mv, a new link target, a file made empty, a link to itself in place of a package: one operation
    each, undone exactly and redone."""
    before = seen(upgraded)
    file = upgraded.site / "demo" / "__init__.py"
    if change == "chmod":
        for root, _, names in os.walk(upgraded.venv):
            for path in [root, *(os.path.join(root, name) for name in names)]:
                if not os.path.islink(path):
                    os.chmod(path, os.stat(path).st_mode | 0o070)
    elif change == "touch":
        os.utime(file, ns=(5, 5))
    elif change == "rename":
        os.rename(upgraded.site / "demo", upgraded.site / "renamed")
    elif change == "retarget":
        os.unlink(upgraded.venv / "bin/python3")
        os.symlink("nowhere", upgraded.venv / "bin/python3")
    elif change == "loop":
        shutil.rmtree(upgraded.site / "demo")
        os.symlink("demo", upgraded.site / "demo")
    else:
        file.write_bytes(b"")
    after = seen(upgraded)
    assert after != before
    rewind.undo(upgraded.context)
    assert seen(upgraded) == before
    rewind.redo(upgraded.context)
    assert seen(upgraded) == after
    assert at(upgraded) == (3, [])


def test_a_venv_that_is_gone_comes_back(upgraded: Environment) -> None:
    """rm -rf venv is an operation like another; redo would even bring the loss back."""
    before = seen(upgraded)
    shutil.rmtree(upgraded.venv)
    rewind.undo(upgraded.context)
    assert (at(upgraded), seen(upgraded)) == ((2, [3]), before)
    rewind.undo(upgraded.context)
    rewind.redo(upgraded.context)
    assert seen(upgraded) == before


def test_what_another_installer_did_is_taken_back_first(upgraded: Environment) -> None:
    """Files copied in without pip, as uv does, are an operation of their own: a bare undo takes just them back."""
    before = seen(upgraded)
    info = upgraded.site / "linked-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: linked\nVersion: 1.0\n")
    (info / "INSTALLER").write_text("uv")
    (info / "RECORD").write_text("linked.py,,\nlinked/data.json,,\nlinked-1.0.dist-info/RECORD,,\n")
    (upgraded.site / "linked").mkdir()
    (upgraded.site / "linked" / "data.json").write_text("{}")
    (upgraded.site / "linked.py").write_text("x = 1\n")
    (upgraded.site / "demo" / "__init__.py").unlink()
    after = seen(upgraded)
    result = rewind.undo(upgraded.context)
    assert [step.kind for step in result.steps] == [history.EXTERNAL]
    assert seen(upgraded) == before
    rewind.redo(upgraded.context)
    assert seen(upgraded) == after
    operation = History(upgraded.home).read(3)
    assert (operation.kind, [change.name for change in operation.packages]) == (history.EXTERNAL, ["linked"])
    assert operation.files == (5, 0, 0) or operation.files == (5, 1, 0)


def test_bytecode_alone_is_no_operation(upgraded: Environment) -> None:
    """Importing a package changes nothing anybody wants to undo; the next undo takes pip's operation back."""
    rewind.undo(upgraded.context)
    before = environment(upgraded.venv)
    rewind.redo(upgraded.context)
    cache = upgraded.site / "demo" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "__init__.cpython-311.pyc").write_bytes(b"bytecode")
    (cache / "new.cpython-311.opt-1.pyc").write_bytes(b"bytecode too")
    warm = seen(upgraded)
    assert rewind.undo(upgraded.context).steps[0].number == 2
    assert environment(upgraded.venv) == before
    assert numbers(upgraded) == [0, 1, 2]
    rewind.redo(upgraded.context)
    assert seen(upgraded) == warm
    assert label.snapshot(upgraded.context, "warm").operation == 2


def test_data_is_never_rolled_back(upgraded: Environment) -> None:
    """A downloaded model and a notebook stay the same inodes, with what was written last, through every swap."""
    model, notebook = upgraded.site / "demo" / "model.bin", upgraded.venv / "work" / "notes.ipynb"
    notebook.parent.mkdir()
    model.write_bytes(b"weights" * 1000)
    notebook.write_text("{}")
    inodes = [path.stat().st_ino for path in (model, notebook)]

    def check(text: str) -> None:
        assert [path.stat().st_ino for path in (model, notebook)] == inodes
        assert [path.stat().st_nlink for path in (model, notebook)] == [1, 1]
        assert notebook.read_text() == text
        with open(notebook, "a") as file:
            file.write("+")

    text = "{}"
    for step in (
        lambda: rewind.undo(upgraded.context),
        lambda: rewind.redo(upgraded.context),
        lambda: rewind.restore(upgraded.context, "@0"),
        lambda: rewind.undo(upgraded.context),
        lambda: upgraded.pip("install", "demo==1.0"),
        lambda: rewind.undo(upgraded.context, 3),
    ):
        step()
        check(text)
        text += "+"
    assert {operation.kind for operation in History(upgraded.home).all()[0]} == {"init", "pip", "restore"}


def test_an_interrupted_pip_is_taken_back_exactly(upgraded: Environment) -> None:
    """pip and its recorder killed with half the files written: the next undo says so and restores every byte."""
    before = seen(upgraded)
    recording = record.begin(upgraded.context, None, Command(["python", "-m", "pip", "install", "big"], "/", 1), {})
    recording.session.leave()  # as when both are killed: a first record, no second
    package = upgraded.site / "big"
    package.mkdir()
    (package / "__init__.py").write_text("half a fi")
    (package / "table.dat").write_bytes(b"half")
    (upgraded.site / "~emo").mkdir()
    os.rename(upgraded.site / "demo" / "__init__.py", upgraded.site / "~emo" / "__init__.py")
    result = rewind.undo(upgraded.context)
    assert [(step.number, step.kind) for step in result.steps] == [(3, history.PIP)]
    assert seen(upgraded) == before
    operation = History(upgraded.home).read(3)
    assert (operation.status, operation.command) == (history.INTERRUPTED, ("pip", "install", "big"))
    rewind.redo(upgraded.context)
    assert (package / "__init__.py").read_text() == "half a fi"
    assert (package / "table.dat").read_bytes() == b"half"


def test_an_interrupted_pip_is_recorded_by_whatever_comes_next(upgraded: Environment) -> None:
    """Not only undo: the next pip finds the operation without an end and gives it one before its own."""
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "half"], "/", 1), {})
    recording.session.leave()
    (upgraded.site / "half.py").write_text("half")
    upgraded.pip("install", "other")
    statuses = [History(upgraded.home).read(number).status for number in (3, 4)]
    assert statuses == [history.INTERRUPTED, history.DONE]
    rewind.undo(upgraded.context)
    assert (upgraded.site / "half.py").exists()
    rewind.undo(upgraded.context)
    assert not (upgraded.site / "half.py").exists()


def test_a_pip_that_changed_nothing_leaves_no_trace(upgraded: Environment) -> None:
    """Already satisfied: no number is used, no record stays; a pip that was killed before it wrote neither."""
    assert upgraded.pip("install", "demo").operation is None
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "demo"], "/", os.getpid()), {})
    assert recording.finish(Outcome(0, signal.SIGKILL), None).operation is None
    assert numbers(upgraded) == [0, 1, 2]
    assert rewind.undo(upgraded.context).steps[0].number == 2


def test_a_failed_pip_is_recorded_with_what_it_did(upgraded: Environment) -> None:
    """The exit code and the change are kept, and undone like any other."""
    before = seen(upgraded)
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "bad"], "/", os.getpid()), {})
    (upgraded.site / "bad.py").write_text("half")
    operation = recording.finish(Outcome(1), None).operation
    assert (operation.status, operation.exit_code, operation.files) == (history.FAILED, 1, (1, 0, 0))
    rewind.undo(upgraded.context)
    assert seen(upgraded) == before


def test_what_was_captured_ahead_of_pips_end_is_what_is_recorded(upgraded: Environment) -> None:
    """Captured while pip's interpreter was still there, recorded when it had ended well; undone as ever."""
    before = seen(upgraded)
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "other"], "/", os.getpid()), {})
    assert upgraded.bare_pip("install", "other") == 0
    recording.look_ahead()
    after = seen(upgraded)
    (upgraded.site / "late.py").write_text("written by whoever, after pip had said that it is done")
    operation = recording.finish(Outcome(0), None).operation
    assert (operation.status, [change.name for change in operation.packages]) == (history.DONE, ["other"])
    (found,) = rewind.undo(upgraded.context).steps
    assert (found.kind, seen(upgraded)) == (history.EXTERNAL, after)
    rewind.undo(upgraded.context)
    assert seen(upgraded) == before


def test_what_was_captured_ahead_of_a_failed_end_is_looked_at_again(upgraded: Environment) -> None:
    """Files that no RECORD names yet belong to what a failed pip brought: its exit code comes after the capture."""
    before = seen(upgraded)
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "half"], "/", os.getpid()), {})
    (upgraded.site / "half").mkdir()
    (upgraded.site / "half/__init__.py").write_text("half")
    recording.look_ahead()
    (upgraded.site / "half/more.py").write_text("more")
    operation = recording.finish(Outcome(1), None).operation
    assert (operation.status, operation.files) == (history.FAILED, (2, 0, 0))
    rewind.undo(upgraded.context)
    assert seen(upgraded) == before


def test_what_arrives_while_pip_runs_is_taken_in_at_once(
    upgraded: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pip has finished is read while it installs others, and is not read again; what it writes over is."""
    before = seen(upgraded)
    upgraded.wheel("early", "1.0", {"early/__init__.py": "early", "early/data.txt": "data", "early/empty.txt": ""})
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "early"], "/", os.getpid()), {})
    recording.take_in_arrivals()
    assert upgraded.bare_pip("install", "early") == 0
    time.sleep(0.05)
    recording.take_in_arrivals()
    assert upgraded.bare_pip("install", "other") == 0
    read: list[bytes] = []
    real = objects.read
    monkeypatch.setattr(objects, "read", lambda path: read.append(path) or real(path))
    (upgraded.site / "early/data.txt").write_text("written over by another")
    after = seen(upgraded)
    operation = recording.finish(Outcome(0), None).operation
    assert {change.name for change in operation.packages} == {"early", "other"}
    again = {os.path.relpath(os.fsdecode(path), upgraded.site) for path in read}
    assert "early/data.txt" in again and "other.py" in again
    findings = verify.verify(upgraded.context).findings
    assert [finding for finding in findings if finding.severity == "error"] == []
    rewind.undo(upgraded.context)
    assert seen(upgraded) == before
    rewind.redo(upgraded.context)
    assert seen(upgraded) == after


def test_an_arrival_that_stays_is_not_read_again(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of its files; and a RECORD that came a moment ago is left for the next look."""
    upgraded.wheel("early", "1.0", {"early/__init__.py": "early", "early/data.txt": "data"})
    recording = record.begin(upgraded.context, None, Command(["pip", "install", "early"], "/", os.getpid()), {})
    recording.take_in_arrivals()
    assert upgraded.bare_pip("install", "early") == 0
    os.utime(upgraded.site / "early-1.0.dist-info/RECORD")
    read: list[bytes] = []
    real = objects.read
    monkeypatch.setattr(objects, "read", lambda path: read.append(path) or real(path))
    recording.take_in_arrivals()
    assert read == []
    time.sleep(0.05)
    recording.take_in_arrivals()
    assert len(read) >= 4  # with METADATA and RECORD
    read.clear()
    recording.finish(Outcome(0), None)
    assert [path for path in read if b"early" in path] == []


def test_numbers_are_never_used_again(upgraded: Environment) -> None:
    """A new operation after an undo gets a number above all that ever were; the undone one can still be restored."""
    top = seen(upgraded)
    rewind.undo(upgraded.context)
    upgraded.pip("install", "other")
    assert at(upgraded) == (3, [])
    assert History(upgraded.home).read(3).parent == 1
    rewind.undo(upgraded.context, 2)
    upgraded.pip("install", "other")
    assert at(upgraded) == (4, [])
    rewind.restore(upgraded.context, "@2")
    assert seen(upgraded) == top


def test_one_damaged_record_hides_no_other(upgraded: Environment) -> None:
    """A record that cannot be read is named; the rest of history is listed, and undo works where it is not needed."""
    upgraded.pip("install", "other")
    path = os.path.join(upgraded.home.history, "001_after.json")
    with open(path, "w") as file:
        file.write('{"version": 1, "number":')
    operations, broken = History(upgraded.home).all()
    assert [operation.number for operation in operations] == [0, 2, 3]
    assert len(broken) == 1 and path in broken[0]
    rewind.undo(upgraded.context)
    assert not (upgraded.site / "other.py").exists()


def test_dry_runs_change_nothing(upgraded: Environment) -> None:
    """The plan of each switch can be had without anything happening."""
    before = seen(upgraded)
    assert rewind.undo(upgraded.context, dry_run=True).dry_run
    assert rewind.restore(upgraded.context, "@0", dry_run=True).files.removed
    assert rewind.clean(upgraded.context, keep_baseline=True, dry_run=True).dry_run
    assert (at(upgraded), seen(upgraded), numbers(upgraded)) == ((2, []), before, [0, 1, 2])


def test_restoring_where_one_stands_is_no_operation(upgraded: Environment) -> None:
    """Nothing to do is said, and uses no number."""
    assert rewind.restore(upgraded.context, "@2").unchanged
    assert numbers(upgraded) == [0, 1, 2]


def test_what_is_written_into_a_replaced_tree_is_saved(upgraded: Environment) -> None:
    """A shell or program that still stands in the old tree loses nothing, however that tree is used again."""
    env = upgraded
    rewind.undo(env.context)
    (slot,) = (path for path in os.scandir(env.home.store + "/trees"))
    late = os.path.join(slot.path, os.path.relpath(env.site, env.venv), "demo", "late.txt")
    with open(late, "w") as file:
        file.write("written after the undo")
    outcome = rewind.undo(env.context)
    again = rewind.redo(env.context, 2)
    saved = [path for path in (*outcome.rescued, *again.rescued) if path.endswith("demo/late.txt")]
    assert len(saved) == 1
    with open(saved[0]) as file:
        assert file.read() == "written after the undo"


def test_a_failed_pip_is_rolled_back_if_the_configuration_says_so(upgraded: Environment) -> None:
    """[history] on_failure = "rollback": what a failing pip left is gone at once, and redo has it."""
    env = upgraded
    before = seen(env)
    settings = env.context.config._replace(history=env.context.config.history._replace(on_failure="rollback"))
    context = env.context._replace(config=settings)
    recording = record.begin(context, None, Command(["python", "-m", "pip", "install", "x"], "/", os.getpid()), {})
    edit(env)
    recorded = recording.finish(Outcome(1), None)
    assert recorded.rolled_back
    assert recorded.operation is not None
    assert recorded.operation.status == history.FAILED
    assert seen(env) == before
    assert at(env)[1] == [recorded.operation.number]
