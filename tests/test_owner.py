"""Who may do what: a home is its user's alone, and root leaves nothing of its own in somebody else's."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from open_tool import NOBODY, open_tool
from tiny import TWO, Tiny, begun
from wheels import build_wheel

from sysvenv import rights as roots
from sysvenv.errors import SysvenvError
from sysvenv.home import Home
from sysvenv.operations import doctor, look, rewind, setup

root = pytest.mark.root


@pytest.fixture
def home(tmp_path: Path) -> Tiny:
    """A home at @1."""
    return begun(tmp_path / "here", 1)


@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o077])
@pytest.mark.parametrize("parent", [0o755, 0o2777])
def test_what_is_made_is_private(tmp_path: Path, umask: int, parent: int) -> None:
    """Store, history and snapshots are 0700 whatever the umask and the directory above say; the home, no one else's."""
    (tmp_path / "above").mkdir()
    (tmp_path / "above").chmod(parent)
    old = os.umask(umask)
    try:
        made = Tiny(tmp_path / "above/home")
        made.make()
        made.root.rename(tmp_path / "kept")
        setup_in(made, tmp_path / "kept")
    finally:
        os.umask(old)
    for name in ("store", "history", "snapshots", "store/objects", "store/pristine"):
        assert mode(made.root / name) == 0o700, name
    assert not mode(made.root) & stat.S_IWOTH
    assert [f.message for f in doctor.doctor(made.context, "", fix=False).findings if f.subject == "permissions"] == []


def setup_in(made: Tiny, kept: Path) -> None:
    """Let the home be made by init, with that environment in it."""
    real = setup.venv.create
    setup.venv.create = lambda root, python: (kept / "venv").rename(root)  # type: ignore[assignment]
    try:
        setup.initialise(made.context)
    finally:
        setup.venv.create = real


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("place", ["", "store", "history"])
@pytest.mark.parametrize("bits", [0o777, 0o702, 0o770])
def test_where_others_may_write_nothing_is_done(home: Tiny, place: str, bits: int) -> None:
    """Their objects, records and programs would be ours. doctor --fix closes it again."""
    path = home.root / place
    path.chmod(bits)
    if not place and not bits & stat.S_IWOTH:
        rewind.undo(home.context)  # a group of one's own, with a umask of 002
        return
    for attempt in (lambda: rewind.undo(home.context), lambda: look.glance(home.context)):
        with pytest.raises(SysvenvError, match="Others may write to") as error:
            attempt()
        assert f"chmod 7{'55' if not place else '00'}"[:7] in error.value.hint
    found = doctor.doctor(home.context, "", fix=False)
    assert any("may write" in finding.message for finding in found.findings)
    doctor.doctor(home.context, "", fix=True)
    if not place:
        path.chmod(0o755)
    assert mode(path) in (0o700, 0o755)
    rewind.undo(home.context)


@root
@pytest.mark.parametrize("place", ["", "store", "history"])
def test_what_somebody_else_owns_is_refused(home: Tiny, place: str) -> None:
    """git's rule (safe.directory): a stranger's store may hold anything, and what it holds is run."""
    os.chown(home.root / place, NOBODY, NOBODY)
    for attempt in (lambda: rewind.undo(home.context), lambda: look.glance(home.context)):
        with pytest.raises(SysvenvError, match="belongs to nobody, not to you") as error:
            attempt()
        assert "sudo -u nobody" in error.value.hint


@root
def test_an_ordinary_user_is_told_how_to_get_it_back() -> None:
    """A home that an earlier `sudo` left to root: the sentence has the command."""
    with open_tool() as (tool, place):
        made = Tiny(place / "home")
        made.begin()
        for name in ("store", "history"):
            os.chmod(made.root / name, 0o755)
        for words in (["status"], ["undo"], ["history"], ["snapshot", "x"], ["init"]):
            done = run(tool, made.root, *words, user=NOBODY)
            assert (done.returncode, done.stdout) == (1, "")
            assert "belongs to root, not to you" in done.stderr
            assert f"sudo chown -R {NOBODY} {made.root}" in done.stderr.replace("\n", " ")


def run(tool: str, home: Path, *words: str, user: int | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """sysvenv, as root or somebody else, in a home."""
    return command([tool, "-I", "-m", "sysvenv", *words], home, user, **more)


def command(words: list[str], home: Path, user: int | None, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/", "SYSVENV_HOME": str(home), "SYSVENV_YES": "1", "COLUMNS": "999"}
    environ |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", **more}
    groups = None if user is None else []
    return subprocess.run(
        words,
        env=environ,
        user=user,
        group=user,
        extra_groups=groups,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def owners(top: Path) -> set[int]:
    """Everybody who owns something there, the symlinks included."""
    found = {os.lstat(top).st_uid}
    for directory, names, files in os.walk(top):
        found |= {os.lstat(os.path.join(directory, name)).st_uid for name in (*names, *files)}
    return found


@pytest.fixture
def tool_and_place() -> Iterator[tuple[str, Path]]:
    """A sysvenv everybody can run, and a directory of nobody's."""
    with open_tool() as (tool, place):
        (place / "user").mkdir()
        os.chown(place / "user", NOBODY, NOBODY)
        yield tool, place


@root
def test_root_works_in_a_home_as_its_user(tool_and_place: tuple[str, Path]) -> None:
    """`sudo sysvenv` and `sudo pip` leave no file of root's behind, and the user can go on with all they did."""
    tool, place = tool_and_place
    home = place / "user/deep/home"
    done = run(tool, home, "init")
    assert done.returncode == 0, done.stderr
    assert owners(place / "user") == {NOBODY}
    wheels = place / "wheels"
    for version in ("1.0", "2.0"):
        build_wheel(
            wheels, "demo", version, {"demo/__init__.py": f"version = {version!r}\n"}, scripts={"demo": "demo:x"}
        )
    pip = [str(home / "venv/bin/python"), "-m", "pip", "install", "--find-links", str(wheels)]
    for version, user in (("1.0", NOBODY), ("2.0", None)):
        done = command([*pip, f"demo=={version}"], home, user)
        assert "recorded; take it back" in done.stderr, done.stderr
        assert done.returncode == 0
        assert owners(place / "user") == {NOBODY}, version
    (source,) = home.glob("venv/lib/python*/site-packages/demo/__init__.py")
    records = [path.read_text() for path in sorted((home / "history").glob("*_after.json"))]
    assert [("sha256" in record) for record in records[1:]] == [True, True], "pip's report was read"
    for words, user in ((["undo"], NOBODY), (["redo"], None), (["undo"], None), (["redo"], NOBODY)):
        done = run(tool, home, *words, user=user)
        assert done.returncode == 0, done.stderr
        assert source.read_text() == f"version = '{'1.0' if words == ['undo'] else '2.0'}'\n"
    for words in (
        ["snapshot", "kept"],
        ["restore", "@0"],
        ["undo"],
        ["status"],
        ["verify"],
        ["doctor", "--fix"],
        ["hook"],
    ):
        done = run(tool, home, *words)
        assert "Traceback" not in done.stderr and done.returncode in (0, 1), (words, done.stderr)
    assert owners(place / "user") == {NOBODY}
    assert run(tool, home, "verify", user=NOBODY).returncode == 0


@root
def test_root_whose_sysvenv_the_user_cannot_run(tool_and_place: tuple[str, Path]) -> None:
    """Then nobody can go on in the home, so nothing is done in it; and pip is plain pip."""
    tool, place = tool_and_place
    home = place / "user/home"
    assert run(tool, home, "init", user=NOBODY).returncode == 0
    (place / "tool").chmod(0o700)
    for words in (["status"], ["undo"], ["snapshot", "x"], ["init"]):
        done = run(tool, home, *words)
        assert done.returncode == 1
        assert "belongs to nobody, not to you" in done.stderr
        assert "sudo -u nobody sysvenv" in done.stderr
    assert owners(place / "user") == {NOBODY}


@root
def test_what_root_installed_unrecorded_is_named(tool_and_place: tuple[str, Path]) -> None:
    """Files of root's in the user's environment: the kernel may forbid to link them; they are named."""
    tool, place = tool_and_place
    home = place / "user/home"
    assert run(tool, home, "init", user=NOBODY).returncode == 0
    (site,) = home.glob("venv/lib/python*/site-packages")
    (site / "roots.py").write_text("x = 1\n")
    done = run(tool, home, "snapshot", "x", user=NOBODY)
    protected = Path("/proc/sys/fs/protected_hardlinks").read_text().strip() == "1"
    assert done.returncode == (1 if protected else 0)
    if protected:
        told = " ".join(done.stderr.split())
        assert "roots.py cannot be linked" in told and "belongs to user 0" in told


@root
def test_a_name_elsewhere_is_not_given_away(tmp_path: Path) -> None:
    """hand_over follows no link and no second name out of the environment."""
    home = tmp_path / "here"
    (home / "venv/lib").mkdir(parents=True)
    (tmp_path / "secret").write_text("root's")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/inner").write_text("root's")
    os.link(tmp_path / "secret", home / "venv/lib/second-name")
    (home / "venv/lib/link").symlink_to(tmp_path / "secret")
    (home / "venv/lib/directory").symlink_to(tmp_path / "closed")
    (home / "venv/lib/made.py").write_text("x")
    os.chown(home, NOBODY, NOBODY)
    rights = roots.Rights(Home.at(str(home)))
    rights._laid_down = True  # as root of a home whose owner can run this sysvenv
    real, rights.lay_down = rights.lay_down, lambda: True  # type: ignore[method-assign]
    rights.hand_over()
    assert {os.stat(tmp_path / name).st_uid for name in ("secret", "closed", "closed/inner")} == {0}
    assert os.lstat(home / "venv/lib/link").st_uid == NOBODY
    assert os.lstat(home / "venv/lib/made.py").st_uid == NOBODY
    assert real is not None


@root
@pytest.mark.parametrize("call", ["setgroups", "setegid", "seteuid"])
def test_root_that_cannot_be_somebody_else(home: Tiny, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """In a user namespace root may not become another: it stays what it is, and the home is refused in a sentence."""
    os.chown(home.root, NOBODY, NOBODY)
    real = getattr(os, call)

    def fail(wanted: object) -> None:
        if wanted in (0, []) or (call == "setgroups" and wanted == before[2]):
            real(wanted)
        else:
            raise PermissionError(1, "Operation not permitted")

    before = (os.geteuid(), os.getegid(), os.getgroups())
    monkeypatch.setattr(os, call, fail)
    rights = roots.Rights(home.home)
    assert not rights.lay_down()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
    with pytest.raises(SysvenvError, match="belongs to nobody"):
        rewind.undo(home.context)


def test_everybody_else_has_no_rights_to_lay_down(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a user, and for root in its own home, nothing changes."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    rights = roots.Rights(home.home)
    assert not rights.lay_down()
    rights.hand_over()
    rights.take_up()
    roots.step_down(home.home)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
    home.pip("2.0", TWO)
