"""diff: packages and files between any two states, read from the store, the copies, or the live tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from recorded import Environment

from store.errors import Damaged
from sysvenv.errors import NotFound, UsageError
from sysvenv.operations import label, rewind
from sysvenv.operations.compare import compare
from sysvenv.operations.findings import Comparison
from sysvenv.operations.results import FileCounts

pytest_plugins = ["homes"]


def listed(comparison: Comparison) -> dict[str, str]:
    """Name of each file (its last part) -> change."""
    return {change.path.rpartition("/")[2]: change.change for change in comparison.files}


def patch_of(comparison: Comparison, name: str) -> str:
    (found,) = [change.patch for change in comparison.files if change.path.endswith(name)]
    return found


def test_without_arguments_the_operation_we_stand_at(upgraded: Environment) -> None:
    """`diff` tells what the last operation did, and after an undo the one that led to where we are."""
    last = compare(upgraded.context, None, None, False, False)
    assert last.operation is not None and last.operation.number == 2
    assert [tuple(change) for change in last.packages] == [("demo", "1.0", "2.0")]
    assert last.files == () and all(last.counts)
    rewind.undo(upgraded.context)
    again = compare(upgraded.context, None, None, False, False)
    assert again.operation is not None and again.operation.number == 1


@pytest.mark.parametrize("name", ["2", "@2"])
def test_files_of_an_operation(upgraded: Environment, name: str) -> None:
    """--files lists what an operation added, removed and modified; bytecode is left out; counts agree."""
    found = compare(upgraded.context, name, None, True, False)
    files = listed(found)
    assert files["new.py"] == "added" and files["gone.py"] == "removed" and files["__init__.py"] == "modified"
    assert not [path for path in files if path.endswith(".pyc")]
    assert all(not change.patch for change in found.files)
    assert found.counts == compare(upgraded.context, name, None, False, False).counts
    assert sum(found.counts) == len(found.files)


def test_patch_of_an_operation(upgraded: Environment) -> None:
    """--patch is a unified diff patch(1) would take, and says so where files are binary."""
    found = compare(upgraded.context, "2", None, False, True)
    text = patch_of(found, "demo/__init__.py")
    assert text.startswith("--- a/lib/") and "\n-two = 2\n+two = 22\n" in text
    assert patch_of(found, "demo/blob.bin") == "Binary files differ\n"
    added = patch_of(found, "demo/new.py")
    assert added.startswith("--- /dev/null\n+++ b/lib/") and added.endswith("+y\n\\ No newline at end of file\n")
    assert patch_of(found, "demo/gone.py").endswith("-x\n")


def test_a_patch_shows_the_recorded_bytes_of_an_edited_object(upgraded: Environment) -> None:
    """An edit in place reaches the object; the diff of an old operation comes from the copy."""
    with open(upgraded.site / "demo/__init__.py", "a") as file:
        file.write("edited\n")
    assert "edited" not in patch_of(compare(upgraded.context, "2", None, False, True), "demo/__init__.py")
    live = compare(upgraded.context, "@2", "live", True, True)
    assert listed(live) == {"__init__.py": "modified"}
    assert "+edited\n" in patch_of(live, "__init__.py")


def test_between_any_two_states(upgraded: Environment) -> None:
    """Operations, snapshots and live can stand on either side; equal states differ in nothing."""
    label.snapshot(upgraded.context, "now")
    forth, back = (compare(upgraded.context, *pair, True, False) for pair in (("@1", "now"), ("now", "@1")))
    assert forth.counts == FileCounts(back.counts.removed, back.counts.added, back.counts.modified)
    assert [(c.before, c.after) for c in back.packages] == [("2.0", "1.0")]
    same = compare(upgraded.context, "now", "live", True, True)
    assert (same.packages, same.files, same.counts) == ((), (), FileCounts())
    baseline = compare(upgraded.context, "baseline", None, True, False)
    assert (baseline.old, baseline.new) == ("baseline", "live")
    assert [(c.name, c.before, c.after) for c in baseline.packages] == [("demo", None, "2.0")]


def test_live_sees_what_nobody_recorded(upgraded: Environment) -> None:
    """live is the recorded state and the drift: packages that came without pip, files that went."""
    assert upgraded.bare_pip("install", "other") == 0
    os.unlink(upgraded.site / "demo/new.py")
    os.chmod(upgraded.site / "demo/blob.bin", 0o600)
    heads = Path(upgraded.home.head).read_bytes()
    found = compare(upgraded.context, "live", None, True, True)
    assert [(c.name, c.after) for c in found.packages] == [("other", "1.0")]
    assert listed(found) | {"new.py": "removed", "other.py": "added", "blob.bin": "modified"} == listed(found)
    assert patch_of(found, "other.py").endswith("+import demo\n")
    assert patch_of(found, "blob.bin") == "old mode 0644\nnew mode 0600\n"
    shared = compare(upgraded.context, "live", "@1", True, True)  # the overlay lies on shared segments too
    assert listed(shared)["other.py"] == "removed" and listed(shared)["blob.bin"] == "modified"
    assert patch_of(shared, "blob.bin") == "Binary files differ\n"
    assert Path(upgraded.home.head).read_bytes() == heads


def test_the_environment_is_gone(upgraded: Environment) -> None:
    """A diff with live where the venv was removed lists everything as removed."""
    upgraded.venv.rename(upgraded.venv.with_name("elsewhere"))
    found = compare(upgraded.context, "live", None, True, False)
    assert found.counts.removed > 100 and not found.counts.added
    assert ("demo", "2.0", None) in [tuple(change) for change in found.packages]


def test_links_and_times(upgraded: Environment) -> None:
    """A link tells its target; a touched file that only its time differs."""
    os.symlink("__init__.py", upgraded.site / "demo/link.py")
    os.utime(upgraded.site / "demo/new.py", ns=(1, 10**18))
    found = compare(upgraded.context, "live", None, True, True)
    assert patch_of(found, "link.py") == "nothing -> link to __init__.py\n"
    assert patch_of(found, "new.py") == "Only the time of modification differs.\n"


def test_an_operation_without_an_end(env: Environment) -> None:
    """What a running or interrupted pip did so far is the difference to the live tree."""
    from sysvenv.operations.record import Command, begin

    recording = begin(env.context, None, Command(["python", "-m", "pip", "install", "demo"], "/", 1), {})
    env.bare_pip("install", "demo")
    recording.session.leave()
    found = compare(env.context, "1", None, True, False)
    assert [(c.name, c.after) for c in found.packages] == [("demo", "2.0")]
    assert found.operation is not None and found.operation.is_pending


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("@9", None, NotFound),
        ("9", None, NotFound),
        ("nosuch", None, NotFound),
        ("@0", "nosuch", NotFound),
        ("../x", "live", UsageError),
        ("@-1", None, UsageError),
    ],
)
def test_names_that_mean_nothing(env: Environment, old: str, new: str | None, error: type[Exception]) -> None:
    """An unknown state is a NotFound, an impossible name a UsageError; nothing else is shown."""
    with pytest.raises(error):
        compare(env.context, old, new, False, False)


def test_a_damaged_store_says_so(upgraded: Environment) -> None:
    """A diff that needs a missing manifest raises Damaged; the record of an operation tells packages without it."""
    for manifest in Path(upgraded.home.store, "manifests").iterdir():
        manifest.unlink()
    assert compare(upgraded.context, "2", None, False, False).packages
    with pytest.raises(Damaged):
        compare(upgraded.context, "2", None, True, False)
