"""Project environments under the same care as one's own: track, untrack, envs, -C, and one store for all of them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tripwire
from effort import Effort
from fingerprint import Fingerprint, fingerprint
from scenes import SYSVENV, Answer
from tally import Count
from tripwire import KILL, Wire
from wheels import build_wheel


class User:
    """Somebody with projects, an environment of their own, and wheels of demo 1.0 and 2.0 and of `big`."""

    def __init__(self, place: Path, wheels: Path) -> None:
        self.place = place
        self.packages = place / ".local/python-packages"
        self.own = self.packages / "venv"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "SYSVENV_YES": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
        }

    def run(self, command: list[str | Path], cwd: Path | None = None, **variables: str) -> Answer:
        done = subprocess.run(
            command, env={**self.environ, **variables}, cwd=cwd or "/", capture_output=True, text=True, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def sysvenv(self, *arguments: str | Path, cwd: Path | None = None, code: int = 0, **variables: str) -> Answer:
        answer = self.run([SYSVENV, *arguments], cwd, **variables)
        assert answer.code == code, answer
        assert "Traceback" not in answer.text
        return answer

    def venv(self, project: str, name: str = ".venv") -> Path:
        """A new environment of a project, without pip: few files."""
        venv = self.place / project / name
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
        return venv

    def begin(self) -> None:
        """Have an environment of one's own."""
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", self.own], check=True)
        self.sysvenv("init")

    def pip(self, venv: Path, *arguments: str, cwd: Path | None = None) -> str:
        """Run pip on an environment from outside, through its hook; returns what was said on stderr."""
        pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), *arguments]
        answer = self.run([*pip], cwd)
        assert answer.code == 0, answer
        return answer.errors


def site(venv: Path) -> Path:
    (found,) = venv.glob("lib/python*/site-packages")
    return found


def allocated(*roots: Path) -> int:
    """Bytes of blocks, each inode once."""
    found = {}
    for root in roots:
        for place in [root, *root.rglob("*")]:
            status = place.lstat()
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stock")
    build_wheel(place, "demo", "1.0", {"demo/__init__.py": "version = 1\n"}, scripts={"demo-run": "demo:main"})
    build_wheel(place, "demo", "2.0", {"demo/__init__.py": "version = 2\n", "demo/new.py": "x = 2\n"})
    build_wheel(place, "big", "1.0", {f"big/m{n}.py": f"x = '{n}'\n" + "#" * 60_000 for n in range(60)})
    return place


@pytest.fixture
def user(tmp_path: Path, stock: Path) -> User:
    place = tmp_path / "ann"
    place.mkdir()
    return User(place, stock)


def test_a_tracked_environment_is_recorded_and_undone(user: User) -> None:
    """As one's own: exact, also after edits and after it was deleted; its history and store lie outside of it."""
    venv = user.venv("shop")
    told = user.sysvenv("track", cwd=venv.parent)
    assert told.output.startswith("In ~/shop/.venv:\nTook over the environment that was there:")
    user.pip(venv, "install", "demo==1.0")
    one = fingerprint(venv)
    assert "@2 recorded" in user.pip(venv, "install", "demo==2.0")
    two = fingerprint(venv)
    user.sysvenv("undo", cwd=venv.parent)
    assert fingerprint(venv) == one
    user.sysvenv("redo", cwd=venv.parent)
    assert fingerprint(venv) == two
    (site(venv) / "demo/__init__.py").write_text("edited in place\n")
    user.sysvenv("undo", cwd=venv.parent)
    assert fingerprint(venv) == two
    shutil.rmtree(venv)
    user.sysvenv("undo", cwd=venv.parent)
    assert fingerprint(venv) == two
    ours = {path.name for path in venv.rglob("*") if "sysvenv" in path.name}
    assert ours == {".sysvenv", "_sysvenv.pth", "_sysvenv.py", "_sysvenv.start", "_sysvenv_gate.py"}
    assert sorted(os.listdir(user.packages)) == ["envs", "store"]


MAKERS = {"uv": ["venv", "--offline", "--python", sys.executable], "virtualenv": ["--no-download", "--no-setuptools"]}


@pytest.mark.parametrize("maker", MAKERS)
def test_whoever_made_it(user: User, maker: str) -> None:
    """uv's environments and virtualenv's, which are Poetry's too: the same disasters, and as exactly back."""
    program = shutil.which(maker, path=os.path.dirname(sys.executable))
    if program is None:
        pytest.skip(f"{maker} is not installed")
    venv = user.place / "shop/.venv"
    venv.parent.mkdir()
    assert user.run([program, *MAKERS[maker], str(venv)]).code == 0
    user.sysvenv("track", venv)
    before = fingerprint(venv)
    user.pip(venv, "install", "demo==1.0")
    one = fingerprint(venv)
    user.pip(venv, "install", "demo==2.0")
    two = fingerprint(venv)

    def undone(expected: Fingerprint) -> bool:
        user.sysvenv("-C", venv, "undo")
        return fingerprint(venv) == expected

    assert undone(one)
    user.sysvenv("-C", venv, "redo")
    with open(site(venv) / "demo/__init__.py", "a") as file:
        file.write("# edited in place\n")
    assert undone(two)
    shutil.rmtree(site(venv))
    assert undone(two)
    shutil.rmtree(venv)
    assert undone(two)
    uv = shutil.which("uv", path=os.path.dirname(sys.executable))
    if uv is not None:
        user.run([uv, "pip", "uninstall", "--python", str(venv / "bin/python"), "demo"])
        assert not (site(venv) / "demo").exists() and undone(two)
    user.sysvenv("-C", venv, "restore", "baseline")
    assert fingerprint(venv) == before


def test_which_environment_a_command_speaks_of(user: User) -> None:
    """-C before VIRTUAL_ENV before the project one stands in before one's own; every screen names it."""
    shop, blog = user.venv("shop"), user.venv("blog")
    user.begin()
    for venv in (shop, blog):
        user.sysvenv("track", venv)
    deep = shop.parent / "src/deep"
    deep.mkdir(parents=True)

    def meant(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> str:
        found = json.loads(user.sysvenv(*arguments, "status", "--json", cwd=cwd, **variables).output)
        assert found["environment"] == found["result"]["venv"]
        return str(found["environment"])

    assert meant() == meant(cwd=user.place) == str(user.own)
    assert meant(cwd=deep) == meant(cwd=shop / "bin") == str(shop)
    assert meant(cwd=deep, VIRTUAL_ENV=str(blog)) == str(blog)
    assert meant(cwd=deep, VIRTUAL_ENV=str(user.own)) == str(user.own)
    assert meant(cwd=deep, VIRTUAL_ENV="/elsewhere") == str(shop)
    assert meant("-C", shop.parent, VIRTUAL_ENV=str(blog)) == meant("-C", shop) == meant(f"-C{shop}") == str(shop)
    assert meant("-C", user.packages) == str(user.own)
    assert user.sysvenv("history").output.startswith("In ~/.local/python-packages/venv:\n")
    assert user.sysvenv("history", cwd=deep).output.startswith("In ~/shop/.venv:\n")
    refused = user.sysvenv("undo", cwd=deep, code=3)
    assert "nothing to undo" in refused.errors and f"In {shop}." in refused.errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-C"], "-C"),
        (["-C", "/no/where", "status"], "There is no /no/where"),
        (["-C", "{plain}", "status"], "is not tracked"),
        (["track", "{nothing}"], "There is no virtual environment"),
        (["track"], "none in this directory"),
        (["track", "{link}"], "is a symlink"),
        (["untrack", "{plain}"], "is not tracked"),
    ],
    ids=str,
)
def test_what_cannot_be_meant(user: User, arguments: list[str], message: str) -> None:
    """One sentence and a command; nothing is made."""
    plain, link, nothing = user.venv("plain"), user.place / "link", user.place / "nothing"
    link.symlink_to(plain)
    nothing.mkdir()
    words = [word.format(plain=plain, link=link, nothing=nothing) for word in arguments]
    answer = user.run([SYSVENV, *words])
    assert answer.code in (1, 2, 3) and message in answer.errors and "Traceback" not in answer.errors
    assert not user.packages.exists()


def test_untrack_leaves_a_plain_environment(user: User) -> None:
    """Byte for byte what it would be without us. Its history is kept, and goes on; --purge deletes it."""
    venv = user.venv("shop")
    before = fingerprint(venv, ours=True)
    user.sysvenv("track", venv)
    home = user.packages / "envs/shop"
    assert "plain environment again" in user.sysvenv("untrack", venv).output
    assert fingerprint(venv, ours=True) == before
    user.sysvenv("-C", venv, "status", code=2)
    assert "@" not in user.pip(venv, "install", "demo==1.0")
    assert "not tracked any more" in user.sysvenv("envs").output
    user.sysvenv("track", venv)
    user.sysvenv("-C", venv, "undo")
    assert not list(site(venv).glob("demo*"))
    user.sysvenv("untrack", "--purge", venv)
    assert not home.exists() and not (user.packages / "store/envs/shop").exists()
    assert user.sysvenv("envs").output == "None yet. Make your own: sysvenv init\n"


def test_what_was_written_into_a_replaced_tree_outlives_untrack(user: User) -> None:
    """A program that went on writing after an undo loses nothing when what stands ready is given back."""
    venv = user.venv("shop")
    user.sysvenv("track", venv)
    user.pip(venv, "install", "demo==1.0")
    user.sysvenv("-C", venv, "undo")
    area = user.packages / "store/envs/shop"
    (replaced,) = (tree for tree in area.glob("trees/*") if (site(tree) / "demo").exists())
    (site(replaced) / "demo/late.txt").write_text("written late")
    told = " ".join(user.sysvenv("untrack", venv).output.split())
    (kept,) = area.glob("rescued/**/late.txt")
    assert kept.read_text() == "written late" and "Written into a tree after it was replaced, kept:" in told
    assert not list(area.glob("trees/*"))


def test_the_hooks_go_and_come_together(user: User) -> None:
    """An upgrade renews them all, and an uninstall leaves plain pips everywhere."""
    venv = user.venv("shop")
    user.begin()
    user.sysvenv("track", venv)
    module = site(venv) / "_sysvenv.py"
    module.write_text("# of another version\n")
    user.sysvenv("init")
    assert "managed_home" in module.read_text()
    user.sysvenv("hook", "--remove")
    assert not list(site(venv).glob("_sysvenv*")) and not list(site(user.own).glob("_sysvenv*"))
    assert "recorded" not in user.pip(venv, "install", "demo==1.0")


def test_a_moved_environment_is_noticed(user: User) -> None:
    """Its history is kept, and goes on where it is tracked again; a copy is another environment, and not recorded."""
    venv = user.venv("shop")
    user.sysvenv("track", venv)
    user.pip(venv, "install", "demo==1.0")
    copy = user.place / "copy/.venv"
    shutil.copytree(venv.parent, copy.parent, symlinks=True)
    assert "recorded" not in user.pip(copy, "install", "demo==2.0")
    venv.parent.rename(user.place / "store front")
    moved = user.place / "store front/.venv"
    assert "recorded" not in user.pip(moved, "install", "demo==2.0")
    assert "moved or deleted" in user.sysvenv("envs").output
    told = user.sysvenv("track", moved)
    assert f"It was moved here from {venv}" in " ".join(told.output.split())
    user.sysvenv("-C", moved, "undo")
    assert (site(moved) / "demo/__init__.py").read_text() == "version = 1\n"
    assert [each["state"] for each in json.loads(user.sysvenv("envs", "--json").output)["result"]] == ["tracked"]


def borrower(user: User) -> tuple[Path, Fingerprint]:
    """A tracked environment that stands at the snapshot "stack" of the user's own, and what it was before."""
    venv = user.venv("shop")
    user.begin()
    user.pip(user.own, "install", "demo==1.0")
    user.sysvenv("snapshot", "stack")
    user.sysvenv("track", venv)
    before = fingerprint(venv)
    user.sysvenv("restore", "stack", cwd=venv.parent)
    return venv, before


def test_a_state_of_ones_own_environment_is_restored_in_a_project(user: User) -> None:
    """The files are the same inodes; what names the place names the new one, and runs."""
    venv, before = borrower(user)
    shared = site(venv) / "demo/__init__.py"
    assert shared.samefile(site(user.own) / "demo/__init__.py")
    assert (venv / "bin/demo-run").read_text().startswith(f"#!{venv}/bin/python")
    assert str(user.own) not in (venv / "bin/activate").read_text()
    assert "All is well" in user.sysvenv("verify", cwd=venv.parent).output
    again = user.sysvenv("restore", "stack", cwd=venv.parent)
    assert "already" in again.output
    user.sysvenv("undo", cwd=venv.parent)
    assert fingerprint(venv) == before
    user.sysvenv("snapshot", "empty", cwd=venv.parent)
    user.sysvenv("restore", "shop:empty")
    assert not list(site(user.own).glob("demo*"))
    user.sysvenv("restore", "stack")
    for unknown in ("nothing", "nowhere:empty", "shop:nothing"):
        user.sysvenv("restore", unknown, code=3)


def test_an_edit_in_place_stays_in_one_environment(user: User) -> None:
    """Two have the file as one inode. Where the edit is found it is recorded; the other gets its original back."""
    venv, _ = borrower(user)
    mine, theirs = (site(place) / "demo/__init__.py" for place in (venv, user.own))
    with open(mine, "a") as file:
        file.write("# edited\n")
    before = fingerprint(user.own)
    assert b"edited" in theirs.read_bytes()
    user.sysvenv("undo", cwd=venv.parent)
    assert mine.read_text() == theirs.read_text() == "version = 1\n"
    user.sysvenv("redo", cwd=venv.parent)
    assert "edited" in mine.read_text() and theirs.read_text() == "version = 1\n"
    assert fingerprint(user.own) != before
    assert "Unrecorded    nothing" in user.sysvenv("status", "--check").output
    told = " ".join(user.sysvenv("verify").output.split())
    assert "1 warning" in told and "shop: @" in told  # RECORD does not agree with an edit that is kept


def test_ten_with_one_stack_take_little_more_than_one(user: User) -> None:
    """Filled by restore they share all files: 1.5 times the blocks of one, without what stands ready."""
    user.begin()
    user.pip(user.own, "install", "big")
    user.sysvenv("snapshot", "stack")
    one = allocated(user.own)
    venvs = [user.venv(f"project{n}") for n in range(10)]
    for venv in venvs:
        user.sysvenv("track", venv)
        user.sysvenv("-C", venv, "restore", "stack")
    assert allocated(user.own, *venvs) <= 1.5 * one
    rows = json.loads(user.sysvenv("envs", "--json").output)["result"]
    assert len(rows) == 11 and all(row["alone"] < row["size"] / 2 for row in rows[1:])


def test_gc_keeps_what_others_need(user: User) -> None:
    """Pruning one history takes nothing from another; one that cannot be read stops it."""
    shop, blog = user.venv("shop"), user.venv("blog")
    for venv in (shop, blog):
        user.sysvenv("track", venv)
        user.pip(venv, "install", "demo==1.0")
        user.pip(venv, "install", "demo==2.0")
    before = fingerprint(blog)
    told = user.sysvenv("gc", "--max-entries", "1", cwd=shop.parent)
    assert "pruned" in told.output
    assert "All is well" in user.sysvenv("verify", cwd=blog.parent).output
    user.sysvenv("undo", "2", cwd=blog.parent)
    user.sysvenv("redo", "2", cwd=blog.parent)
    assert fingerprint(blog) == before
    (user.packages / "envs/blog/history/001_after.json").write_text("{")
    stopped = user.sysvenv("gc", cwd=shop.parent, code=4)
    assert "nothing was deleted" in stopped.errors and str(blog) in stopped.errors


def test_a_purged_history_gives_its_space_back(user: User) -> None:
    """What only that environment needed goes with the next gc; what others need stays."""
    shop, blog = user.venv("shop"), user.venv("blog")
    user.sysvenv("track", shop)
    user.sysvenv("track", blog)
    user.pip(shop, "install", "big")
    shutil.rmtree(shop)
    user.sysvenv("untrack", "--purge", "shop")
    freed = json.loads(user.sysvenv("gc", "--json", cwd=blog.parent).output)["result"]["freed"]
    assert freed > 60 * 60_000
    assert "All is well" in user.sysvenv("verify", cwd=blog.parent).output


def test_they_lock_separately(user: User) -> None:
    """A long pip in one blocks no other; gc, which deletes, waits for all."""
    shop, blog = user.venv("shop"), user.venv("blog")
    user.sysvenv("track", shop)
    user.sysvenv("track", blog)
    user.pip(blog, "install", "demo==1.0")
    with open(user.packages / "envs/shop/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        user.sysvenv("undo", cwd=blog.parent)
        user.sysvenv("undo", "--no-wait", cwd=shop.parent, code=5)
        user.sysvenv("gc", "--no-wait", cwd=blog.parent, code=5)
    user.sysvenv("gc", "--no-wait", cwd=blog.parent)


def test_a_project_whose_environment_is_not_active(user: User) -> None:
    """A pip that went into one's own environment says so there, in one line; the project's is untouched."""
    venv = user.venv("shop")
    user.begin()
    before = fingerprint(venv, ours=True)
    told = user.pip(user.own, "install", "demo==1.0", cwd=venv.parent)
    assert " ".join(told.split()).count("own environment: .venv of this project is not active") == 1
    assert "not active" not in user.pip(user.own, "install", "demo==1.0", cwd=venv.parent)
    assert "not active" not in user.pip(user.own, "install", "demo==2.0")
    assert fingerprint(venv, ours=True) == before


def test_on_another_filesystem(user: User, request: pytest.FixtureRequest) -> None:
    """There the store lies at the top of what the user can write to; gc and du know of it, and so does envs."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == user.place.stat().st_dev:
        pytest.skip("there is no second filesystem")
    place = Path(tempfile.mkdtemp(dir="/dev/shm"))
    request.addfinalizer(lambda: shutil.rmtree(place, ignore_errors=True))
    beside = Path(f"/dev/shm/.sysvenv-{os.geteuid()}")
    if not beside.exists():
        request.addfinalizer(lambda: shutil.rmtree(beside, ignore_errors=True))
    venv = place / "shop/.venv"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
    user.sysvenv("track", venv)
    before = fingerprint(venv)
    user.pip(venv, "install", "demo==1.0")
    user.sysvenv("undo", cwd=venv.parent)
    assert fingerprint(venv) == before
    store = Path(os.readlink(user.packages / "envs/shop/store"))
    assert store == beside / "store" and (store / "envs/shop/home").is_symlink()
    user.sysvenv("gc", cwd=venv.parent)
    assert str(venv) in user.sysvenv("envs").output
    user.sysvenv("untrack", "--purge", venv)


@pytest.mark.parametrize("cut", range(4))
def test_a_track_that_was_cut_off(user: User, cut: int) -> None:
    """Wherever it was cut off, the next one completes it, and others are not disturbed."""
    venv, other = user.venv("shop"), user.venv("blog")
    user.sysvenv("track", other)
    root, store = user.packages / "envs/shop", user.packages / "store"
    steps: list[Callable[[], object]] = [
        root.mkdir,
        lambda: (root / "store").symlink_to(store),
        lambda: (root / "environment").symlink_to(venv),
        lambda: (store / "envs/shop").mkdir(0o700),
    ]
    for step in steps[: cut + 1]:
        step()
    user.sysvenv("gc", cwd=other.parent)
    user.sysvenv("track", venv)
    user.pip(venv, "install", "demo==1.0")
    user.sysvenv("undo", cwd=venv.parent)
    assert not list(site(venv).glob("demo*"))


@pytest.mark.faults
@pytest.mark.skipif(bool(tripwire.missing()), reason=tripwire.missing())
@pytest.mark.parametrize("command", ["track", "untrack", "restore"])
def test_killed_at_any_call(user: User, effort: Effort, count: Count, command: str) -> None:
    """Whichever call is the last before a kill: the environment is whole, and the next command goes on."""
    venv = user.venv("shop")
    user.begin()
    user.pip(user.own, "install", "demo==1.0")
    user.sysvenv("snapshot", "stack")
    words = ["-C", venv, "restore", "stack"] if command == "restore" else [command, venv]
    before = fingerprint(venv)

    def broken(wire: Wire) -> tripwire.Tripped:
        if command != "track":
            user.sysvenv("track", venv)
        return tripwire.run([SYSVENV, *map(str, words)], str(user.place), wire, user.environ)

    def back() -> None:
        """Whatever is there can be tracked, undone, verified and let go."""
        user.sysvenv("track", venv)
        user.pip(venv, "install", "demo==2.0")
        user.sysvenv("-C", venv, "undo", "--to", "@0")
        assert fingerprint(venv) == before
        assert "error" not in user.sysvenv("-C", venv, "verify").output
        user.sysvenv("untrack", "--purge", venv)
        assert "All is well" in user.sysvenv("verify").output

    whole = broken(Wire())
    assert whole.code == 0, whole
    back()
    tried = bad = 0
    for at in effort.chosen(len(whole.calls), command):
        broken(Wire(KILL, at))
        tried += 1
        back()
    count(f"{command} of a project", "kill", tried, bad)
