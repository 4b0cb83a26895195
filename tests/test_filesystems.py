"""File systems, and what they cannot do: the core operations on each, and a sentence where one is of no use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import images
import pytest
from fingerprint import environment, fingerprint
from recorded import Environment
from tiny import ONE, TWO, Tiny

from store import disk, layered, room, swap, trees
from store import store as stores
from store.errors import StoreError, Unsupported
from store.verify import EDITED, UNGUARDED, verify
from sysvenv.cli import boundary
from sysvenv.cli.table import COMMANDS
from sysvenv.operations import label, recover, rewind, setup

pytest_plugins = ["homes"]

root = pytest.mark.root
KINDS = ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse2fs"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[ExitStack, Path]]:
    """Where file systems are mounted, and what unmounts them."""
    with ExitStack() as stack:
        yield stack, tmp_path


def mount(kind: str, stack: ExitStack, where: Path) -> Path:
    if kind == "tmpfs":
        return stack.enter_context(images.tmpfs(where / "tmpfs"))
    if kind == "overlay":
        (where / "lower").mkdir()
        return stack.enter_context(images.overlay(where, where / "lower"))
    if kind in images.FUSE:
        return stack.enter_context(images.fuse(kind, where))
    return stack.enter_context(images.image(kind, where))


def moved_to(home: Path, target: Path) -> Environment:
    """A copy of a home on another file system. Its environment names the old place, which is of no matter to pip."""
    target.mkdir()
    subprocess.run(["cp", "-a", home / "packages", target / "packages"], check=True)
    for index in (target / "packages/store/index").iterdir():
        index.unlink()
    return Environment(target / "packages", home / "wheels")


def sound(home: Environment | Tiny) -> None:
    with recover.enter(home.context, "check") as session:
        assert [f for f in verify(session.store, []).faults if f.what not in (EDITED, UNGUARDED)] == []


@root
@pytest.mark.parametrize("kind", KINDS)
def test_the_core_operations(begun: Path, place: tuple[ExitStack, Path], kind: str) -> None:
    """Adopt, pip install, an edit, undo, redo, restore, snapshot, verify: exact on every file system there is."""
    home = moved_to(begun, mount(kind, *place) / "home")
    shutil.rmtree(home.home.history)
    shutil.rmtree(home.home.store)
    home.begin()
    states = [environment(home.venv)]
    for version in ("1.0", "2.0"):
        assert home.pip("install", f"demo=={version}").operation is not None
        states.append(environment(home.venv))
    label.snapshot(home.context, "two")
    with open(home.site / "demo/__init__.py", "a") as file:
        file.write("edited\n")
    edited = environment(home.venv)
    rewind.undo(home.context)
    assert environment(home.venv) == states[2]
    rewind.redo(home.context)
    assert environment(home.venv) == edited
    rewind.undo(home.context, 2)
    assert environment(home.venv) == states[1]
    rewind.restore(home.context, "two")
    assert environment(home.venv) == states[2]
    rewind.restore(home.context, "@0")
    assert environment(home.venv) == states[0]
    sound(home)


@root
def test_a_home_that_came_with_an_image(
    grown: Path, place: tuple[ExitStack, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In overlayfs' lower layer no directory can be renamed: trees are copied up once, then exchanges work."""
    stack, where = place
    (where / "lower").mkdir()
    lower = moved_to(grown, where / "lower/home")
    (lower.venv / "notes.txt").write_text("the user's own")
    states = []
    for number in (0, 1, 2):
        rewind.restore(lower.context, f"@{number}")
        states.append(environment(lower.venv))
    merged = stack.enter_context(images.overlay(where, where / "lower"))
    home = Environment(merged / "home/packages", grown / "wheels")
    copies: list[bytes] = []
    monkeypatch.setattr(layered, "copy_up", wrapped(layered.copy_up, copies))
    told = rewind.undo(home.context)
    assert environment(home.venv) == states[1]
    assert (told.rescued, told.healed) == ((), 0)
    assert copies != []
    copies.clear()
    rewind.redo(home.context)
    assert environment(home.venv) == states[2]
    assert home.pip("install", "other").operation is not None
    rewind.undo(home.context)
    assert environment(home.venv) == states[2]
    rewind.restore(home.context, "@0")
    assert environment(home.venv) == states[0]
    rewind.undo(home.context, 2)
    assert copies == [], "only once"
    assert (home.venv / "notes.txt").read_text() == "the user's own"
    assert environment(lower.venv) == states[2], "the image is as it was"
    sound(home)


def wrapped(real: Callable[..., None], calls: list[bytes]) -> Callable[..., None]:
    def copy_up(store: stores.Store, checkout: trees.Checkout) -> None:
        calls.append(checkout.path)
        real(store, checkout)

    return copy_up


@pytest.fixture
def two(tmp_path: Path) -> Tiny:
    """A home at @2."""
    home = Tiny(tmp_path / "tiny")
    home.begin()
    home.pip("1.0", ONE)
    home.pip("2.0", TWO)
    return home


@pytest.fixture
def not_renamed() -> Iterator[Callable[..., Callable[..., None]]]:
    """Makes an os.rename to which some directories lie in a lower layer, until they were replaced by others."""
    held: list[int] = []  # as long as they are open, no other directory gets their numbers

    def pretend(*trees: str) -> Callable[..., None]:
        held.extend(os.open(tree, os.O_RDONLY | os.O_DIRECTORY) for tree in trees)
        return rename_but({os.fstat(each).st_ino for each in held})

    yield pretend
    for each in held:
        os.close(each)


def rename_but(lower: set[int]) -> Callable[..., None]:
    """An os.rename that takes no directory of these inode numbers."""
    real = os.rename

    def rename(source: str | bytes, target: str | bytes) -> None:
        found = os.lstat(source)
        if stat.S_ISDIR(found.st_mode) and found.st_ino in lower:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        real(source, target)

    return rename


@pytest.mark.parametrize("step", ["sync_filesystem", "write_durably", "delete", "rename", "discard"])
def test_a_copy_up_that_is_cut_off(
    two: Tiny, monkeypatch: pytest.MonkeyPatch, not_renamed: Callable[..., Callable[..., None]], step: str
) -> None:
    """Whenever that is, the next command has the whole environment, and ends what was begun."""
    before = fingerprint(two.venv)
    rewind.undo(two.context)
    target = fingerprint(two.venv)
    rewind.redo(two.context)
    spare = next((two.root / "store/trees").iterdir())
    monkeypatch.setattr(os, "rename", not_renamed(two.venv, str(spare)))
    monkeypatch.setattr(disk, "exchange", lambda one, other: False)
    owner = {"delete": trees, "rename": layered.os}.get(step, disk)
    real = getattr(owner, step)
    with monkeypatch.context() as cut:

        def stop(*arguments: object, **options: object) -> object:
            if step == "rename" and b"copied" not in bytes(os.fsencode(str(arguments[0]))):
                return real(*arguments, **options)
            if step == "discard" and layered.JOURNAL not in os.fsencode(arguments[0]):  # type: ignore[arg-type]
                return real(*arguments, **options)
            if step == "write_durably" and layered.JOURNAL not in os.fsencode(arguments[0]):  # type: ignore[arg-type]
                return real(*arguments, **options)
            if step == "delete":
                shutil.rmtree(os.path.join(os.fsencode(arguments[0]), b"lib"))  # type: ignore[arg-type]
            raise KeyboardInterrupt

        cut.setattr(owner, step, stop)
        with pytest.raises(KeyboardInterrupt):
            rewind.undo(two.context)
    rewind.redo(two.context) if fingerprint(two.venv) == target else None
    recover.enter(two.context, "check").leave()
    assert fingerprint(two.venv) == before
    rewind.undo(two.context)
    assert fingerprint(two.venv) == target
    assert not (two.root / "store" / os.fsdecode(layered.JOURNAL)).exists()
    assert not (two.root / "store" / os.fsdecode(layered.COPY)).exists()
    sound(two)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tree": "/etc"}', '{"tree": 5}', '{"tree": ""}'])
def test_a_damaged_journal_of_a_copy_deletes_nothing(two: Tiny, content: str) -> None:
    """What a journal names is believed only of the live tree and the ready ones."""
    before = fingerprint(two.venv)
    (two.root / "store" / os.fsdecode(layered.COPY)).mkdir()
    (two.root / "store" / os.fsdecode(layered.JOURNAL)).write_text(content)
    recover.enter(two.context, "check").leave()
    assert fingerprint(two.venv) == before
    assert not (two.root / "store" / os.fsdecode(layered.COPY)).exists()
    rewind.undo(two.context)


def test_without_an_exchange_two_renames_do(two: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where renameat2 is not known, undo and redo are as exact; and the journal is gone afterwards."""
    before = fingerprint(two.venv)
    calls: list[int] = []
    monkeypatch.setattr(disk, "exchange", lambda one, other: bool(calls.append(1)))
    rewind.undo(two.context)
    rewind.redo(two.context)
    assert fingerprint(two.venv) == before
    assert len(calls) == 2
    assert not (two.root / "store" / os.fsdecode(swap.JOURNAL)).exists()


@root
def test_a_filesystem_without_hardlinks(tmp_path: Path) -> None:
    """exFAT: init refuses in a sentence, before anything is made."""
    with images.fuse("mount.exfat-fuse", tmp_path) as point:
        refused(point / "home", "refuses hardlinks")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_filesystem_that_refuses_hardlinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The same, whatever the error is that link(2) gives."""

    def link(source: bytes, target: bytes) -> None:
        raise OSError(number, os.strerror(number), source)

    monkeypatch.setattr(disk, "link", link)
    refused(tmp_path / "here", "refuses hardlinks")


def refused(place: Path, sentence: str) -> None:
    home = Tiny(place)
    with pytest.raises(Unsupported, match=sentence) as error:
        setup.initialise(home.context)
    assert error.value.hint
    assert not (place / "history").exists()
    assert not (place / "venv").exists()


@root
@pytest.mark.parametrize("what", ["venv", "store"])
def test_the_environment_on_another_device(tmp_path: Path, what: str) -> None:
    """A venv that is a mount point, or a store that is: neither can be swapped; init says so and changes nothing."""
    home = Tiny(tmp_path / "here")
    with images.tmpfs(tmp_path / "here" / what, "mode=700"):
        with pytest.raises(StoreError, match="another filesystem") as error:
            home.begin()
        assert "SYSVENV_HOME" in error.value.hint
        assert not (tmp_path / "here/history/HEAD").exists()


@root
def test_a_home_that_is_a_link_to_another_device(tmp_path: Path) -> None:
    """What is possible instead: the whole home elsewhere, by a symlink or by SYSVENV_HOME."""
    with images.tmpfs(tmp_path / "disk") as point:
        (point / "real").mkdir()
        (tmp_path / "here").symlink_to(point / "real")
        home = Tiny(tmp_path / "here")
        home.begin()
        before = fingerprint(home.venv)
        home.pip("1.0", ONE)
        rewind.undo(home.context)
        assert fingerprint(home.venv) == before


@root
def test_a_mount_or_a_subvolume_in_the_environment(two: Tiny, tmp_path: Path) -> None:
    """Its files cannot come along, so nothing is swapped, and nothing is left behind in the other tree."""
    (two.root / "venv/own.txt").write_text("own")
    with images.tmpfs(two.root / "venv/data") as point:
        (point / "big").write_text("data")
        with pytest.raises(Unsupported, match="venv/data/big cannot come along"):
            rewind.undo(two.context)
        assert (two.root / "venv/own.txt").read_text() == "own"
    (two.root / "venv/data").rmdir()
    again = rewind.undo(two.context)
    assert again.rescued == ()
    assert (two.root / "venv/own.txt").read_text() == "own"


@root
def test_btrfs_subvolumes(tmp_path: Path) -> None:
    """On one device, and yet links cannot cross: an environment that is a subvolume is refused at init."""
    with images.image("btrfs", tmp_path) as point:
        images.call("btrfs", "subvolume", "create", point / "home")
        whole = Tiny(point / "home")
        whole.begin()
        whole.pip("1.0", ONE)
        rewind.undo(whole.context)
        (point / "other").mkdir()
        images.call("btrfs", "subvolume", "create", point / "other/venv")
        with pytest.raises(StoreError, match="another filesystem"):
            Tiny(point / "other").begin()


READING = {"history", "diff", "status", "list-snapshots", "verify", "config", "doctor", "du", "export", "envs"}
ARGUMENTS = {"restore": ["@1"], "snapshot": ["name"], "clean": ["--keep-baseline"], "config": [], "export": ["@1"]}
ELSEWHERE = {"share", "import", "track", "untrack"}
"""They work on a file or an environment elsewhere, and have tests of their own."""


@root
def test_a_read_only_home(two: Tiny) -> None:
    """What only looks works; whatever would change something says in one sentence that it cannot."""
    mount_point = two.root
    images.call("mount", "--bind", mount_point, mount_point)
    images.call("mount", "-o", "remount,ro,bind", mount_point)
    try:
        for command in [each for each in COMMANDS if each not in ELSEWHERE]:
            done = sysvenv(two, command, *ARGUMENTS.get(command, []))
            assert "Traceback" not in done.stderr and "should not happen" not in done.stderr, done.stderr
            if command in READING:
                assert done.returncode in ((0, 1, 4) if command == "doctor" else (0,)), (command, done.stderr)
            elif command != "hook":  # it is in place
                assert done.returncode == 1, (command, done.stdout)
                assert "read-only" in done.stderr.lower(), (command, done.stderr)
    finally:
        images.call("umount", mount_point)
    before = fingerprint(two.venv)
    rewind.undo(two.context)
    rewind.redo(two.context)
    assert fingerprint(two.venv) == before


def sysvenv(home: Tiny, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SYSVENV_HOME": str(home.root), "SYSVENV_YES": "1"}
    command = [sys.executable, "-I", "-m", "sysvenv", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@root
@pytest.mark.parametrize("options", ["size=40m,nr_inodes={}", "size={}"])
def test_no_inodes_or_no_blocks_left(two: Tiny, tmp_path: Path, options: str) -> None:
    """Undo and redo between ready trees work on a full file system; what does not fit says so and loses nothing."""
    before = fingerprint(two.venv)
    inodes = "nr_inodes" in options
    with images.tmpfs(tmp_path / "small", options.format("600" if inodes else "4m")) as point:
        home = two.copy(point / "home")
        fill(point, inodes=inodes)
        rewind.undo(home.context)
        target = fingerprint(home.venv)
        rewind.redo(home.context)
        assert fingerprint(home.venv) == before
        fill(point, inodes=inodes)
        done = sysvenv(home, "restore", "@0")
        assert "Traceback" not in done.stderr and "should not happen" not in done.stderr, done.stderr
        if done.returncode:
            assert "full" in done.stderr or "space" in done.stderr, done.stderr
            recover.enter(home.context, "check").leave()
            assert fingerprint(home.venv) == before
        for each in point.glob("fill*"):
            each.unlink()
        rewind.restore(home.context, "@1")
        assert fingerprint(home.venv) == target
        sound(home)


def fill(point: Path, *, inodes: bool) -> None:
    """Leave nothing."""
    number = len(list(point.glob("fill*")))
    try:
        while True:
            number += 1
            with open(point / f"fill{number}", "wb") as file:
                file.write(b"" if inodes else bytes(1 << 16))
    except OSError as error:
        assert error.errno == errno.ENOSPC


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC])
def test_a_quota_that_is_used_up(two: Tiny, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Nothing can be written: what needs no space works, what does says so; nothing is lost, and later all works."""
    before = fingerprint(two.venv)
    edit = two.site / "by_hand.py"
    edit.write_text("edited\n")
    edited = fingerprint(two.venv)
    calls: list[int] = []
    with monkeypatch.context() as full:

        def write(fd: int, content: bytes) -> int:
            calls.append(fd)
            raise OSError(number, os.strerror(number))

        full.setattr(os, "write", write)
        for move in (lambda: rewind.restore(two.context, "@0"), lambda: label.snapshot(two.context, "full")):
            with pytest.raises(OSError) as error:
                move()
            said = boundary.explain(error.value)
            assert "quota is used up" in said.message or "disk is full" in said.message
            assert "nothing is lost" in said.hint
    assert calls != []
    recover.enter(two.context, "check").leave()
    assert fingerprint(two.venv) == edited
    rewind.undo(two.context)
    assert fingerprint(two.venv) == before
    sound(two)


@pytest.mark.parametrize("most", [3, 4])
def test_few_links_to_an_inode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """EFS allows 177 names, ext4 65,000: beyond that there is a fresh inode, and all is as exact."""
    real = disk.link

    def link(source: bytes, target: bytes) -> None:
        if not os.path.lexists(target) and os.lstat(source).st_nlink >= most:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), source)
        real(source, target)

    monkeypatch.setattr(disk, "link", link)
    home = Tiny(tmp_path / "here")
    home.begin()
    (home.root / "venv/notes.txt").unlink()  # the user's own need two names for an instant
    states = [fingerprint(home.venv)]
    for version, files in (("1.0", ONE), ("2.0", TWO)):
        home.pip(version, files)
        states.append(fingerprint(home.venv))
    for target, number in (("@0", 0), ("@2", 2), ("@1", 1), ("@2", 2)):
        rewind.restore(home.context, target)
        assert fingerprint(home.venv) == states[number]
    with open(home.site / "by_hand.py", "a") as file:
        file.write("edited\n")
    rewind.undo(home.context)
    assert fingerprint(home.venv) == states[2]
    sound(home)


NAMES = [
    b"new\nline",
    b"\xff\xfe",
    b"tab\t",
    b"\x1b[31mred",
    "größe".encode(),
    b"-rf",
    b"a" * 251,
    b'"quoted",comma',
    b" ",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_odd_names(tmp_path: Path, name: bytes) -> None:
    """Names are bytes: no UTF-8, line ends, escapes, 255 of them. In the environment, and of the user's own."""
    home = Tiny(tmp_path / "here")
    home.begin()
    site = os.fsencode(home.site)
    states = [fingerprint(home.venv)]
    os.mkdir(site + b"/" + name)
    own = os.fsencode(home.venv) + b"/" + name + b".csv"
    for path in (site + b"/" + name + b".py", site + b"/" + name + b"/" + name + b".so", own):
        with open(path, "wb") as file:
            file.write(name)
    label.snapshot(home.context, "odd")
    states.append(fingerprint(home.venv))
    rewind.undo(home.context)
    assert not os.path.lexists(site + b"/" + name + b".py")
    assert os.path.exists(own)
    rewind.redo(home.context)
    assert fingerprint(home.venv) == states[1]
    for words in (["diff", "@1", "--files"], ["diff", "@0", "odd", "--patch"], ["status"], ["history"], ["verify"]):
        for form in ([], ["--json"]):
            done = sysvenv(home, *words, *form)
            assert done.returncode == 0, (words, done.stderr)
            assert "\x1b[31m" not in done.stdout
            json.loads(done.stdout) if form else None
    sound(home)


def deep(top: Path, length: int) -> None:
    """Directories in each other, so deep that the whole path has ``length`` bytes."""
    part = "d" * 200
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range((length - len(os.fsencode(top))) // 201):
        os.mkdir(part, dir_fd=descriptor)
        inner = os.open(part, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    with open(os.open("leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=descriptor), "w") as file:
        file.write("deep")
    os.close(descriptor)


def test_a_long_path_comes_along(two: Tiny) -> None:
    """3,500 bytes are no trouble."""
    deep(two.root / "venv", 3500)
    before = fingerprint(two.venv)
    rewind.undo(two.context)
    rewind.redo(two.context)
    assert fingerprint(two.venv) == before


def test_a_path_longer_than_the_system_takes(two: Tiny) -> None:
    """No program can open it by name, and neither can we: a sentence, and nothing is changed."""
    before = fingerprint(two.venv)
    deep(two.root / "venv", 5000)
    done = sysvenv(two, "undo")
    assert done.returncode == 1
    assert "longer than the system takes" in done.stderr
    subprocess.run(["rm", "-rf", two.root / "venv" / ("d" * 200)], check=True)
    assert fingerprint(two.venv) == before
    rewind.undo(two.context)


def test_what_is_no_file_stays(two: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets and FIFOs are the user's, wherever they lie: never read, never recorded, there after undo and redo;
    doctor names them."""
    site = two.site
    os.mkfifo(site / "demo/pipe.py")
    os.mkfifo(two.root / "venv/bin/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(site)  # a socket's path may have 107 bytes
        server.bind("socket.py")
        monkeypatch.chdir("/")
        if os.geteuid() == 0:
            os.mknod(site / "null.so", 0o644 | stat.S_IFCHR, os.makedev(1, 3))
        before = fingerprint(two.venv)
        states = [rewind.undo(two.context), rewind.redo(two.context)]
        assert fingerprint(two.venv) == before
        assert all(state.rescued == () for state in states)
        said = sysvenv(two, "doctor").stdout
        assert "Sockets, FIFOs and devices come along" in said and "bin/pipe" in said
        label.snapshot(two.context, "with")
        rewind.restore(two.context, "@0")
        assert stat.S_ISFIFO(os.lstat(site / "demo/pipe.py").st_mode)
        assert stat.S_ISSOCK(os.lstat(site / "socket.py").st_mode)
    sound(two)


def test_a_fifo_in_the_place_of_a_file(two: Tiny) -> None:
    """It is not waited for: the file comes back, and the FIFO is kept."""
    before = fingerprint(two.venv)
    os.unlink(two.site / "by_hand.py")
    os.mkfifo(two.site / "by_hand.py")
    told = rewind.undo(two.context)
    assert fingerprint(two.venv) == before
    assert any("had to make room" in note for note in told.notes)


def attributes_here(place: Path) -> bool:
    (place / "probe").write_text("")
    try:
        os.setxattr(place / "probe", "user.probe", b"1")
    except OSError:
        return False
    return True


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Linux only")
def test_extended_attributes(two: Tiny, tmp_path: Path) -> None:
    """A link has them anyway; a file that is rebuilt after an edit in place gets the user's."""
    if not attributes_here(tmp_path):
        pytest.skip("no user.* attributes here")
    path = two.site / "by_hand.py"
    os.setxattr(path, "user.origin", b"here")
    rewind.undo(two.context)
    assert os.getxattr(path, "user.origin") == b"here"
    with open(path, "a") as file:
        file.write("edited\n")
    rewind.undo(two.context)
    assert path.read_text() == "x = 0\n"
    assert os.getxattr(path, "user.origin") == b"here"


@pytest.mark.skipif(not shutil.which("setfacl"), reason="setfacl is not installed")
def test_access_control_lists(two: Tiny) -> None:
    """They stay with a file as long as it is linked. One that is rebuilt has its mode, and no list."""
    path = two.site / "by_hand.py"
    mode = stat.S_IMODE(path.stat().st_mode)
    if images.call("setfacl", "-m", "u:65534:rwx", path, check=False).returncode:
        pytest.skip("no lists here")
    rewind.undo(two.context)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert "65534" not in images.call("getfacl", "-n", path).stdout


@root
def test_names_that_differ_only_in_case(tmp_path: Path) -> None:
    """On a directory that folds case, undo brings the old spelling back."""
    options = ("-O", "casefold", "-E", "encoding=utf8")
    with images.image("ext4", tmp_path, make=options) as point:
        (point / "home").mkdir()
        images.call("chattr", "+F", point / "home")
        home = Tiny(point / "home")
        home.begin()
        os.rename(home.site / "by_hand.py", home.site / "By_Hand.py")
        rewind.undo(home.context)
        assert "by_hand.py" in os.listdir(home.site)


def test_space_is_asked_for_first(two: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would fill the disk is refused, with figures, before anything is written; what is small is tried."""
    before = fingerprint(two.venv)
    monkeypatch.setattr(os, "statvfs", lambda path: Little(blocks=100, inodes=10**6))
    rewind.undo(two.context)
    rewind.redo(two.context)
    monkeypatch.setattr(room, "LARGE", 0)
    slots = os.listdir(two.root / "store/trees")
    with pytest.raises(StoreError, match=r"Laying out this state takes about .* MB; .* has 0 MB left"):
        rewind.restore(two.context, "@0")
    assert os.listdir(two.root / "store/trees") == slots
    assert fingerprint(two.venv) == before
    monkeypatch.setattr(os, "statvfs", lambda path: Little(blocks=10**9, inodes=-1))
    with pytest.raises(StoreError, match="inodes"):
        rewind.restore(two.context, "@0")


class Little:
    """What statvfs says of a disk with little left."""

    def __init__(self, blocks: int, inodes: int) -> None:
        self.f_bavail = self.f_bfree = blocks
        self.f_frsize = 1
        self.f_files = 10**6
        self.f_favail = inodes


def test_what_does_not_fit_is_not_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment too large for its second copies is refused before the first is written; a new one is not begun."""
    home = Tiny(tmp_path / "here")
    monkeypatch.setattr(os, "statvfs", lambda path: Little(blocks=0, inodes=10**6))
    with pytest.raises(StoreError, match="Making an environment takes about 42 MB"):
        setup.initialise(home.context)
    assert not (tmp_path / "here/venv").exists()
    monkeypatch.setattr(disk, "shares_blocks", lambda directory: False)
    home.make()
    with open(home.site / "big.py", "wb") as file:
        file.truncate(room.PACKED * room.LARGE + 1)
    with pytest.raises(StoreError, match="Keeping what changed takes about 8 MB"):
        setup.initialise(home.context)
    assert list((tmp_path / "here/store/objects").iterdir()) == []
