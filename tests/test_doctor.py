"""doctor: each disease is named, looking changes nothing, and --fix cures what can be cured, undoably."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from recorded import Environment

from store.errors import Busy
from store.lock import Lock
from sysvenv.home import Home
from sysvenv.operations import checks_objects, recover, rewind
from sysvenv.operations.doctor import doctor
from sysvenv.operations.findings import Finding
from sysvenv.operations.record import Command, begin
from sysvenv.operations.status import status
from sysvenv.operations.verify import verify

pytest_plugins = ["homes"]


def path_of(environment: Environment) -> str:
    return f"{environment.bin}:/usr/bin"


def state(environment: Environment) -> dict[str, tuple[int, int, int]]:
    found = {}
    for directory, below, files in os.walk(environment.home.root):
        if directory == environment.home.store:
            below[:] = set(below) - {"trash"}  # it is emptied behind our back
        for path in (os.path.join(directory, name) for name in [*below, *files]):
            stat = os.lstat(path)
            found[path] = (stat.st_ino, stat.st_mtime_ns, stat.st_mode)
    return found


def sick(environment: Environment) -> list[Finding]:
    """What doctor finds; that it writes nothing is seen to."""
    before = state(environment)
    findings = doctor(environment.context, path_of(environment), fix=False).findings
    assert state(environment) == before
    assert not any(finding.fixed for finding in findings)
    return [finding for finding in findings if finding.severity != "ok"]


def cured(environment: Environment) -> list[Finding]:
    """What doctor --fix put right; afterwards nothing is left to find."""
    findings = doctor(environment.context, path_of(environment), fix=True).findings
    fixed = [finding for finding in findings if finding.severity != "ok"]
    assert all(finding.fixed for finding in fixed), fixed
    assert sick(environment) == []
    return fixed


def test_a_healthy_home(upgraded: Environment) -> None:
    """All is well, and --fix then has nothing to do and takes no lock."""
    assert sick(upgraded) == []
    with Lock(os.fsencode(upgraded.home.lock), "somebody"):
        found = doctor(upgraded.context, path_of(upgraded), fix=True)
    assert not found.damaged and {finding.severity for finding in found.findings} == {"ok"}


def test_no_home(tmp_path: Path, upgraded: Environment) -> None:
    """Where there is nothing, doctor says what makes it."""
    context = upgraded.context._replace(home=Home.at(str(tmp_path / "no")))
    (found,) = doctor(context, "", fix=True).findings
    assert (found.severity, found.remedy) == ("error", "Run: sysvenv init")


def test_hook(upgraded: Environment) -> None:
    """A missing hook is an error, another tool's a warning; --fix lays it."""
    (upgraded.site / "_sysvenv.py").write_text("old")
    (found,) = sick(upgraded)
    assert (found.subject, found.severity, found.remedy) == ("hook", "warning", "Run: sysvenv doctor --fix")
    (upgraded.site / "_sysvenv.pth").unlink()
    assert sick(upgraded)[0].severity == "error"
    assert [finding.subject for finding in cured(upgraded)] == ["hook"]


def test_permissions(upgraded: Environment) -> None:
    """History and store are for their owner alone."""
    os.chmod(upgraded.home.history, 0o755)
    os.chmod(upgraded.home.store, 0o755)
    assert [finding.subject for finding in sick(upgraded)] == ["permissions", "permissions"]
    assert len(cured(upgraded)) == 2
    assert os.stat(upgraded.home.store).st_mode & 0o777 == 0o700


@pytest.mark.root
def test_files_of_another_owner(upgraded: Environment) -> None:
    """What sudo pip left behind is named with the command that gives it back."""
    os.chown(Path(upgraded.home.history, "002_after.json"), 1234, 1234)
    (found,) = sick(upgraded)
    assert "002_after.json" in found.message and "chown" in found.remedy


def test_configuration(upgraded: Environment) -> None:
    """A file that cannot be parsed is an error, an unknown key a warning."""
    config = Path(upgraded.home.config)
    config.write_text("[ui]\ncolour = 1\n")
    assert [(finding.subject, finding.severity) for finding in sick(upgraded)] == [("config", "warning")]
    config.write_text("[[[")
    assert [(finding.subject, finding.severity) for finding in sick(upgraded)] == [("config", "error")]


@pytest.mark.parametrize("content", [None, b"{", b'{"version": 1}'])
@pytest.mark.parametrize("undone", [False, True])
def test_head(upgraded: Environment, content: bytes | None, undone: bool) -> None:
    """HEAD is rebuilt from the records, or from what the live tree says of itself after an undo."""
    if undone:
        rewind.undo(upgraded.context)
    right = Path(upgraded.home.head).read_bytes()
    if content is None:
        Path(upgraded.home.head).unlink()
    else:
        Path(upgraded.home.head).write_bytes(content)
    assert [(finding.subject, finding.severity) for finding in sick(upgraded)] == [("history", "error")]
    (found,) = cured(upgraded)
    assert ("@1" if undone else "@2") in found.message
    assert status(upgraded.context, "", True).undone == int(undone)
    assert Path(upgraded.home.head).read_bytes().count(b"checkout") == right.count(b"checkout")
    assert (rewind.redo if undone else rewind.undo)(upgraded.context).packages


def test_a_damaged_record(upgraded: Environment) -> None:
    """A damaged record of the past is told and left; the rest goes on."""
    path = Path(upgraded.home.history, "001_before.json")
    path.write_bytes(b"")
    (found,) = sick(upgraded)
    assert "001_before.json" in found.message and "@1" in found.remedy
    doctor(upgraded.context, path_of(upgraded), fix=True)
    assert path.read_bytes() == b""


def test_the_damaged_record_of_an_operation_without_end(upgraded: Environment) -> None:
    """It would block every command: it is set aside, and what was done is recorded as an external change."""
    begin(upgraded.context, None, Command(["python", "-m", "pip", "install", "other"], "/", 1), {}).session.leave()
    upgraded.bare_pip("install", "other")
    path = Path(upgraded.home.history, "003_before.json")
    path.write_bytes(b"{}")
    cured(upgraded)
    assert path.with_name("003_before.json.damaged").exists()
    assert status(upgraded.context, "", True).operation == 3


def test_an_interrupted_operation(upgraded: Environment) -> None:
    """It is recorded, and undo takes it back."""
    begin(upgraded.context, None, Command(["python", "-m", "pip", "install", "other"], "/", 1), {}).session.leave()
    upgraded.bare_pip("install", "other")
    (found,) = sick(upgraded)
    assert "@3 (pip install other)" in found.message
    assert "recorded as @3" in cured(upgraded)[0].message
    assert not (rewind.undo(upgraded.context), (upgraded.site / "other.py").exists())[1]


def test_unrecorded_changes(upgraded: Environment) -> None:
    """They are counted; --fix records them."""
    (upgraded.site / "demo/new.py").unlink()
    (found,) = sick(upgraded)
    assert "1 removed" in found.message
    cured(upgraded)
    assert status(upgraded.context, "", True).operation == 3


def test_leftovers(upgraded: Environment) -> None:
    """`~emo` goes, undoably; a file of the user's with such a name stays."""
    (upgraded.site / "~emo").mkdir()
    (upgraded.site / "~emo/__init__.py").write_text("left over")
    (upgraded.site / "~notes.txt").write_text("mine")
    assert {finding.subject for finding in sick(upgraded)} == {"environment", "leftovers"}
    cured(upgraded)
    assert not (upgraded.site / "~emo").exists() and (upgraded.site / "~notes.txt").exists()
    rewind.undo(upgraded.context)
    assert (upgraded.site / "~emo/__init__.py").read_text() == "left over"
    assert (upgraded.site / "~notes.txt").exists()


def test_duplicates(upgraded: Environment) -> None:
    """Two versions of one distribution are named."""
    shutil.copytree(upgraded.site / "demo-2.0.dist-info", upgraded.site / "demo-1.0.dist-info")
    (found,) = [finding for finding in sick(upgraded) if finding.subject == "packages"]
    assert "demo-1.0.dist-info, demo-2.0.dist-info" in found.message


def test_pip(upgraded: Environment) -> None:
    """A pip that lacks files, starts a Python that is not there, or is gone, is an error."""

    def told() -> str:
        (found,) = [finding for finding in sick(upgraded) if finding.subject == "pip"]
        assert found.severity == "error"
        return found.message

    script = upgraded.venv / "bin/pip"
    script.write_text("#!/moved/away/python\n")
    assert "/moved/away/python" in told()
    (upgraded.site / "pip/_internal/main.py").unlink()
    assert "pip/_internal/main.py" in told()
    upgraded.bare_pip("uninstall", "-y", "pip")
    for info in upgraded.site.glob("pip-*.dist-info"):
        shutil.rmtree(info)
    assert "no pip" in told()


def test_python(upgraded: Environment) -> None:
    """The base interpreter that went, and links that lead nowhere."""
    (out,) = [p for p in (upgraded.venv / "bin").iterdir() if p.is_symlink() and os.readlink(p)[0] == "/"]
    for link in (upgraded.venv / "bin").glob("python*"):
        link.unlink()
    assert [finding.severity for finding in sick(upgraded) if finding.subject == "Python"] == ["error"]
    (upgraded.venv / "bin/python").symlink_to("/no/such/python3")
    (found,) = [finding for finding in sick(upgraded) if finding.subject == "Python"]
    assert "/no/such/python3" in found.message
    assert out


def test_the_environment_is_gone(upgraded: Environment) -> None:
    """undo is named; --fix does not pretend."""
    shutil.rmtree(upgraded.venv)
    errors = [finding for finding in sick(upgraded) if finding.severity == "error"]
    assert [finding.remedy for finding in errors] == ["Run: sysvenv undo"]
    assert doctor(upgraded.context, "", fix=True).damaged
    rewind.undo(upgraded.context)
    assert sick(upgraded) == []


def test_path(upgraded: Environment, tmp_path: Path) -> None:
    """PATH without the environment, and an earlier program of a script's name."""
    upgraded.pip("install", "demo==1.0")
    findings = doctor(upgraded.context, "/usr/bin", fix=False).findings
    assert [finding.message for finding in findings if finding.severity != "ok"] == [f"{upgraded.bin} is not on PATH."]
    shadow = tmp_path / "first/demo-run"
    shadow.parent.mkdir()
    shadow.write_text("")
    shadow.chmod(0o755)
    findings = doctor(upgraded.context, f"{shadow.parent}:{upgraded.bin}", fix=False).findings
    (found,) = [finding for finding in findings if finding.severity != "ok"]
    assert found.subject == "PATH" and str(shadow) in found.message


def test_half_built_trees(upgraded: Environment) -> None:
    """What a killed checkout left is buried."""
    tree = Path(upgraded.home.store, "trees/1.building/lib")
    tree.mkdir(parents=True)
    (found,) = sick(upgraded)
    assert "1.building" in found.message
    cured(upgraded)
    assert not tree.exists()


def test_missing_directories_of_the_store(upgraded: Environment) -> None:
    """Those that hold only derived or set aside things are made anew."""
    for name in ("trash", "index", "rescued"):
        shutil.rmtree(Path(upgraded.home.store, name))
    assert [finding.subject for finding in sick(upgraded)] == ["store"]
    cured(upgraded)


def test_another_version_of_the_store(upgraded: Environment) -> None:
    """A store of another version is told once, and nothing is touched, with --fix either."""
    Path(upgraded.home.store, "VERSION").write_text("sysvenv store 9\n")
    (found,) = sick(upgraded)
    assert found.subject == "store" and "9" in found.message
    before = state(upgraded)
    assert doctor(upgraded.context, path_of(upgraded), fix=True).damaged
    assert state(upgraded) == before


def test_content_that_changed_behind_lstat(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rebuilt from its copy; what stood there is an operation that undo takes back; a spare tree with it goes."""
    rewind.undo(upgraded.context)
    rewind.redo(upgraded.context)  # now a tree of @1 stands ready that shares most files
    victim = upgraded.site / "pip/__init__.py"
    right, stat = victim.read_bytes(), victim.stat()
    with open(victim, "r+b") as file:
        file.write(right[:-2] + b"#\n")
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    monkeypatch.setattr(checks_objects, "SAMPLE", 10**6)
    monkeypatch.setattr(checks_objects, "SEGMENTS", 10**6)
    (found,) = sick(upgraded)
    assert "pip/__init__.py" in found.message and verify(upgraded.context).damaged
    (found,) = cured(upgraded)
    assert "recorded as @3" in found.message
    assert victim.read_bytes() != right
    rewind.undo(upgraded.context)
    assert victim.read_bytes() == right and not verify(upgraded.context).damaged
    rewind.undo(upgraded.context)
    assert victim.read_bytes() == right


def test_a_lost_object(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing object of the present state is rebuilt from its copy; without one it is said to be lost."""
    monkeypatch.setattr(checks_objects, "SAMPLE", 10**6)
    monkeypatch.setattr(checks_objects, "SEGMENTS", 10**6)
    inode = (upgraded.site / "demo/new.py").stat().st_ino
    (lost,) = [path for path in Path(upgraded.home.store, "objects").rglob("*") if path.stat().st_ino == inode]
    lost.unlink()
    assert "demo/new.py" in sick(upgraded)[0].message
    cured(upgraded)
    assert not verify(upgraded.context).damaged
    inode = (upgraded.site / "demo/__init__.py").stat().st_ino
    (lost,) = [path for path in Path(upgraded.home.store, "objects").rglob("*") if path.stat().st_ino == inode]
    lost.unlink()
    shutil.rmtree(Path(upgraded.home.store, "pristine"))
    cured(upgraded)  # the live file is the last copy
    (lost,) = [path for path in Path(upgraded.home.store, "objects").rglob("*") if path.stat().st_ino == inode]
    lost.unlink()
    (upgraded.site / "demo/__init__.py").unlink()
    shutil.rmtree(Path(upgraded.home.store, "pristine"))
    findings = doctor(upgraded.context, path_of(upgraded), fix=True).findings
    assert any("No intact copy is found" in finding.message and not finding.fixed for finding in findings)


def test_while_pip_is_at_work(upgraded: Environment) -> None:
    """Its half-done work is no finding; --fix waits for the lock or says who has it."""
    (upgraded.site / "_sysvenv.pth").unlink()
    with Lock(os.fsencode(upgraded.home.lock), "pip install other"):
        (upgraded.site / "demo/new.py").unlink()
        assert [finding.subject for finding in sick(upgraded)] == ["hook"]
        with pytest.raises(Busy):
            doctor(upgraded.context._replace(wait=False), path_of(upgraded), fix=True)


def test_a_session_that_cannot_begin(upgraded: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps the lock's holder from starting is a finding of its own, and all others are still told."""
    from sysvenv.errors import SysvenvError

    def refuse(*_: object) -> None:
        raise SysvenvError("no", "hint")

    (upgraded.site / "_sysvenv.pth").unlink()
    monkeypatch.setattr(recover, "enter", refuse)
    findings = doctor(upgraded.context, path_of(upgraded), fix=True).findings
    assert [finding.subject for finding in findings if finding.severity == "error"] == ["hook", "repair"]
