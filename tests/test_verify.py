"""verify: damage is found wherever it is, named, and never touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from recorded import Environment

from store import verify as kept
from store.store import Store
from sysvenv.home import Home
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.verify import verify

pytest_plugins = ["homes"]


def open_ones(checkup: Checkup) -> list[Finding]:
    return [finding for finding in checkup.findings if finding.severity != "ok"]


def only(environment: Environment) -> Finding:
    """The only finding that is not "ok"; whatever verify does, it writes nothing."""
    before = {path: path.lstat() for path in Path(environment.home.root).rglob("*")}
    (found,) = open_ones(verify(environment.context, None))
    after = {path: path.lstat() for path in Path(environment.home.root).rglob("*")}
    assert {p: (s.st_mtime_ns, s.st_ino) for p, s in before.items()} == {
        p: (s.st_mtime_ns, s.st_ino) for p, s in after.items()
    }
    return found


def silently(path: Path, content: bytes) -> None:
    """Overwrite a file in place so that lstat does not tell."""
    stat = path.stat()
    assert len(content) == stat.st_size
    with open(path, "r+b") as file:
        file.write(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def below(environment: Environment, *parts: str) -> list[Path]:
    return sorted(path for path in Path(environment.home.store, *parts).rglob("*") if path.is_file())


def test_a_healthy_home(upgraded: Environment) -> None:
    """All is well, and every part is told; progress ends at its total."""
    steps: list[tuple[int, int]] = []
    found = verify(upgraded.context, lambda done, total: steps.append((done, total)))
    assert open_ones(found) == [] and not found.damaged
    subjects = [finding.subject for finding in found.findings]
    assert subjects == ["history", "history", "manifest", "segment", "object", "pristine", "environment"]
    assert found.checked_objects > 300 and found.checked_files > 300 and found.seconds > 0
    assert steps[-1][0] == steps[-1][1] and steps == sorted(steps)


def test_an_edit_in_place(upgraded: Environment) -> None:
    """An edited object whose copy is kept is no damage; the live tree's difference is told too."""
    with open(upgraded.site / "demo/__init__.py", "a") as file:
        file.write("#")
    edited, live = open_ones(verify(upgraded.context, None))
    assert (edited.severity, edited.subject) == ("warning", "object") and "demo/__init__.py" in edited.message
    assert (live.severity, live.subject) == ("warning", "environment") and "1 modified" in live.message


def test_chmod_of_a_file_without_a_copy(upgraded: Environment) -> None:
    """A file whose mode alone changed is its own copy."""
    shutil.rmtree(Path(upgraded.home.store, "pristine"))
    os.chmod(upgraded.site / "demo/new.py", 0o755)
    findings = open_ones(verify(upgraded.context, None))
    assert {finding.severity for finding in findings} == {"warning"}
    assert any("changed in place; a copy is kept" in finding.message for finding in findings)


def test_bytes_that_change_behind_lstat(upgraded: Environment) -> None:
    """Content that differs under an unchanged mtime is damage, with the path it belongs to."""
    silently(upgraded.site / "demo/__init__.py", b"One = 1\ntwo = 22\n")
    found = only(upgraded)
    assert (found.severity, found.subject, found.remedy) == ("error", "object", "Run: sysvenv doctor --fix")
    assert "demo/__init__.py" in found.message and "a copy is kept" in found.message


def old_objects(environment: Environment) -> list[Path]:
    """Objects no tree links to; bytecode (its magic number ends in CR LF), whose loss is no damage, left out."""
    found = [path for path in below(environment, "objects") if path.stat().st_nlink == 1]
    return [path for path in found if path.read_bytes()[2:4] != b"\r\n"]


def test_a_missing_object(upgraded: Environment) -> None:
    """An old version's object that is gone is damage even though the live tree does not need it."""
    old_objects(upgraded)[0].unlink()
    found = only(upgraded)
    assert found.severity == "error" and "1 object is missing" in found.message


def test_a_damaged_archive(upgraded: Environment) -> None:
    """Damage in the table, in a frame, or by truncation is found; the objects it copied are unguarded then."""
    archive = max(below(upgraded, "pristine"), key=lambda path: path.stat().st_size)
    whole = archive.read_bytes()
    for broken in (whole[: len(whole) // 2], b"x" + whole[1:], whole[:100] + b"XXXX" + whole[104:], b""):
        archive.write_bytes(broken)
        findings = open_ones(verify(upgraded.context, None))
        assert [(finding.severity, finding.subject) for finding in findings] == [
            ("warning", "object"),
            ("error", "pristine"),
        ]
        assert "without a second copy" in findings[0].message and "and" in findings[0].message


def test_a_reflinked_copy(upgraded: Environment) -> None:
    """Where the filesystem can reflink there are plain copies; they are read too, unfinished ones are not."""
    place = Path(upgraded.home.store, "pristine/ab")
    place.mkdir(exist_ok=True, mode=0o700)
    (place / ("c" * 30)).write_bytes(b"not that")
    (place / ("c" * 30 + ".1.2.tmp")).write_bytes(b"torn")
    found = only(upgraded)
    assert (found.severity, found.subject) == ("error", "pristine")


@pytest.mark.parametrize(("place", "noun"), [("segments", "segment"), ("manifests", "manifest")])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_segments_and_manifests(upgraded: Environment, place: str, noun: str, how: str) -> None:
    """Each is named with what became of it; nothing stops at the first."""
    for path in below(upgraded, place):
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
    findings = verify(upgraded.context, None).findings
    assert any(f.severity == "error" and f.subject == noun and how in f.message for f in findings)
    assert any(f.subject == "history" and f.severity == "ok" for f in findings)


def test_history(upgraded: Environment) -> None:
    """HEAD, records, the chain of parents and labels are read."""
    history = Path(upgraded.home.history)
    (history / "HEAD").write_text("{}")
    (history / "001_after.json").write_text("{")
    (history / "000_before.json").unlink()
    (history / "000_after.json").unlink()
    Path(upgraded.home.snapshots, "baseline.json").write_text("7")
    found = verify(upgraded.context, None)
    text = " ".join(finding.message for finding in found.findings if finding.severity == "error")
    assert found.damaged
    for part in ("HEAD", "001_after.json", "baseline.json"):
        assert part in text
    (history / "001_after.json").unlink()
    messages = [finding.message for finding in verify(upgraded.context, None).findings]
    assert any("@1 follows @0" in message for message in messages)


def test_damaged_bytecode_is_a_warning(env: Environment) -> None:
    """Bytecode has no copy and needs none."""
    module = env.site / "pip/__pycache__"
    module.mkdir(exist_ok=True)
    (module / "main.cpython-311.pyc").write_bytes(b"bytecode")
    env.pip("install", "demo")
    silently(module / "main.cpython-311.pyc", b"bytecodE")
    found = only(env)
    assert (found.severity, found.subject) == ("warning", "bytecode") and "main.cpython-311.pyc" in found.message


def test_text_only_guard(upgraded: Environment) -> None:
    """With store.guard = "text", files without a copy are as they should be."""
    shutil.rmtree(Path(upgraded.home.store, "pristine"))
    store = Store(os.fsencode(upgraded.home.store), guard_text_only=True)
    assert kept.verify(store, []).faults == ()
    assert {fault.what for fault in kept.verify(Store(store.root), []).faults} == {kept.UNGUARDED}


def test_a_file_nobody_may_read_and_no_venv(upgraded: Environment) -> None:
    """A directory in an object's place is a fault, not an exception; a missing venv is a difference, not damage."""
    lonely = old_objects(upgraded)[0]
    lonely.unlink()
    lonely.mkdir()
    shutil.rmtree(upgraded.venv)
    found = verify(upgraded.context, None)
    assert [finding.subject for finding in open_ones(found)] == ["object", "environment"]
    assert open_ones(found)[1].severity == "warning" and "0 added" not in found.findings[0].message


def test_a_home_without_a_store(upgraded: Environment, tmp_path: Path) -> None:
    """No store is one sentence."""
    from store.errors import StoreError
    from sysvenv.errors import SysvenvError

    shutil.rmtree(upgraded.home.store)
    with pytest.raises(StoreError):
        verify(upgraded.context, None)
    with pytest.raises(SysvenvError):
        verify(upgraded.context._replace(home=Home.at(str(tmp_path / "no"))), None)


def test_a_file_that_was_altered_before_it_was_recorded(env: Environment) -> None:
    """RECORD's sha256 is a second opinion: a warning that names the distribution. pip's own rewritten files agree."""
    env.pip("install", "demo==1.0")
    assert open_ones(verify(env.context)) == []
    target = env.site / "demo/__init__.py"
    target.unlink()
    target.write_text("altered\n")
    (env.site / "demo/gone.py").unlink()
    env.pip("install", "other")  # records the change as made without pip
    found = only(env)
    assert (found.severity, found.subject) == ("warning", "record") and "demo/__init__.py" in found.message
    assert found.distributions == ("demo 1.0",) and "the environment" in found.states
    assert open_ones(verify(env.context, quick=True)) == []


def test_quick(upgraded: Environment) -> None:
    """--quick finds what lstat shows, reads no contents, and so does not find what only they show."""
    silently(upgraded.site / "demo/__init__.py", b"One = 1\ntwo = 22\n")
    assert open_ones(verify(upgraded.context, quick=True)) == []
    os.utime(upgraded.site / "demo/__init__.py")
    object_, live = open_ones(verify(upgraded.context, quick=True))
    assert "changed in place" in object_.message and live.subject == "environment"
