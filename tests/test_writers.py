"""Edits in place: whatever writes to a file that snapshots share, undo brings the original back, redo the edit."""

from __future__ import annotations

import glob
import os
import pty
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from copies import without_trash
from fingerprint import Fingerprint, fingerprint
from projects import project
from recorded import Environment
from tiny import ONE, PIP, TWO, Tiny

from store.errors import Busy, Changed
from store.verify import EDITED, FOREIGN, UNGUARDED, verify
from sysvenv import manifest
from sysvenv.errors import NotFound
from sysvenv.history import EXTERNAL, History
from sysvenv.operations import label, record, recover, rewind, setup
from sysvenv.operations.record import Outcome

pytest_plugins = ["homes"]
pytestmark = pytest.mark.usefixtures("unflushed")

BACKUPS = ("~", ".bak", ".orig")
"""How files end that editors leave beside what they edit: the user's, they stay where they are."""
TEXT, BINARY = "shared.py", "shared.so"
"""Files in site-packages that all states have in common, as one inode."""
LABELS = ("first", "second", "third")


class Writer(NamedTuple):
    """A way to change a file."""

    write: Callable[[Path], object]
    program: str = ""
    """What it runs; it is skipped where that is not installed."""
    only: str = ""
    """The only file it makes sense for."""


def run(*words: str | Path, typed: bytes = b"") -> None:
    subprocess.run([str(word) for word in words], input=typed, capture_output=True, check=True)


def shell(command: str) -> Callable[[Path], None]:
    """A shell command that finds the file in $1."""
    return lambda path: run("sh", "-c", command, "sh", path)


def vim(command: str, *settings: str) -> Callable[[Path], None]:
    words = ["-b", "-u", "NONE", "-i", "NONE", "-n", "-es", *(f"+set {each}" for each in settings)]
    return lambda path: run("vim", *words, "+$put='edited'", f"+{command}", "+q", path)


def nano(path: Path) -> None:
    """It wants a terminal: types a line, saves it (^O, Enter) and leaves (^X)."""
    pid, terminal = pty.fork()
    if not pid:
        os.environ["TERM"] = "xterm"
        os.execvp("nano", ["nano", "--ignorercfiles", "--nowrap", str(path)])
    for keys in (b"edited\r", b"\x0f", b"\r", b"\x18"):
        time.sleep(0.15)
        os.write(terminal, keys)
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass  # Linux tells of a terminal's end so
    os.waitpid(pid, 0)
    os.close(terminal)


def copy_and_write(path: Path) -> None:
    """emacs with backup-by-copying."""
    shutil.copy2(path, f"{path}~")
    with open(path, "r+b") as file:
        file.truncate()
        file.write(b"edited\n")


def rename_and_write(path: Path) -> None:
    """emacs as it comes."""
    os.rename(path, f"{path}~")
    path.write_bytes(b"edited\n")


def write_over(path: Path) -> None:
    with open(path, "wb") as file:
        file.write(b"edited\n")


def write_within(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(2)
        file.write(b"\0edited")


def copied_over(*options: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        other = path.with_name(path.name + ".orig")
        other.write_bytes(b"another file\n")
        os.utime(other, (10**9, 10**9))
        run("cp", *options, other, path)
        other.unlink()

    return write


def unpack_over(path: Path) -> None:
    archive = path.with_name("archive.bak")
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(path.name, b"out of an archive\n")
    with zipfile.ZipFile(archive) as kept:
        kept.extractall(path.parent)
    archive.unlink()


def tool(name: str) -> str:
    """A program of the environment that runs the tests, or on PATH; empty where there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return beside if os.access(beside, os.X_OK) else shutil.which(name) or ""


WRITERS: dict[str, Writer] = {
    "vim :w": Writer(vim("w"), "vim"),
    "vim :w!": Writer(vim("w!"), "vim"),
    "vim by renaming": Writer(vim("w", "backupcopy=no"), "vim"),
    "vim in place": Writer(vim("w", "backupcopy=yes"), "vim"),
    "nano": Writer(nano, "nano", only=TEXT),
    "ed": Writer(lambda path: run("ed", "-s", path, typed=b"$a\nedited\n.\nw\nq\n"), "ed"),
    "copy and write": Writer(copy_and_write),
    "rename and write": Writer(rename_and_write),
    ">>": Writer(shell('echo edited >>"$1"')),
    ">": Writer(shell('echo edited >"$1"')),
    "tee": Writer(shell('echo edited | tee "$1"'), "tee"),
    "tee -a": Writer(shell('echo edited | tee -a "$1"'), "tee"),
    "dd conv=notrunc": Writer(shell('printf XY | dd of="$1" bs=1 seek=3 conv=notrunc'), "dd"),
    "truncate": Writer(shell('truncate -s 5 "$1"'), "truncate"),
    "truncate to nothing": Writer(shell('truncate -s 0 "$1"'), "truncate"),
    "truncate to more": Writer(shell('truncate -s +9 "$1"'), "truncate"),
    "sed -i": Writer(shell("sed -i '1s/^/edited/' \"$1\""), "sed"),
    "cp over": Writer(copied_over(), "cp"),
    "cp -p over": Writer(copied_over("-p"), "cp"),
    "cp --remove-destination": Writer(copied_over("--remove-destination"), "cp"),
    'open("w")': Writer(write_over),
    'open("r+")': Writer(write_within),
    "Path.write_text": Writer(lambda path: path.write_text("edited\n")),
    "zipfile.extractall": Writer(unpack_over),
    "ruff format": Writer(lambda path: run(tool("ruff"), "format", "--isolated", path), "ruff", only=TEXT),
    "black": Writer(lambda path: run(tool("black"), "-q", path), "black", only=TEXT),
    "patchelf": Writer(lambda path: run(tool("patchelf"), "--set-rpath", "/edited", path), "patchelf", only=BINARY),
    "strip": Writer(
        lambda path: run("strip", "-R", ".comment", "-R", ".note.gnu.build-id", path), "strip", only=BINARY
    ),
    "chmod": Writer(shell('chmod 600 "$1"'), "chmod"),
    "chmod +x": Writer(shell('chmod +x "$1"'), "chmod"),
    "touch": Writer(shell('touch "$1"'), "touch"),
    "touch -d": Writer(shell('touch -d 2001-02-03 "$1"'), "touch"),
    "rm": Writer(shell('rm "$1"'), "rm"),
    "mv away": Writer(shell('mv "$1" "$1.bak"'), "mv"),
    "ln -sf": Writer(shell('ln -sf elsewhere "$1"'), "ln"),
}
PLACES = ["bin/tool", "pyvenv.cfg", "demo-2.0.dist-info/RECORD", "demo-2.0.dist-info/METADATA"]
"""Files that mean something to sysvenv itself."""
CASES = [(name, file) for name, writer in WRITERS.items() for file in (TEXT, BINARY) if writer.only in ("", file)]


class Scene(NamedTuple):
    """A home at @2, and every state of it."""

    home: Tiny
    states: dict[int, Fingerprint]


def an_elf_file() -> bytes:
    """A small program or module: something `strip` and `patchelf` understand."""
    modules = glob.glob(f"{sysconfig.get_config_var('DESTSHARED')}/*.so")
    found = min([*modules, shutil.which("true") or sys.executable], key=os.path.getsize)
    return Path(found).read_bytes()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """@0 has what all states share, @1 installed demo 1, @2 demo 2; three labels; @1 stands ready beside @2."""
    place = tmp_path_factory.mktemp("scene")
    home = Tiny(place / "home")
    home.make()
    (home.site / TEXT).write_text("x = {  'a':1 }\ny=2\n")
    (home.site / BINARY).write_bytes(an_elf_file())
    (home.root / "venv/bin/tool").write_text("#!/bin/sh\necho tool\n")
    (home.root / "venv/bin/tool").chmod(0o755)
    for path in (home.site / TEXT, home.site / BINARY, home.root / "venv/bin/tool"):
        os.utime(path, ns=(10**18 + 987_654_321, 10**18 + 987_654_321))
    setup.initialise(home.context)
    home.pip("1.0", ONE)
    label.snapshot(home.context, LABELS[0])
    home.pip("2.0", TWO)
    for name in LABELS[1:]:
        label.snapshot(home.context, name)
    copy = home.copy(place / "states")
    states = {}
    for number in (0, 1, 2):
        rewind.restore(copy.context, f"@{number}")
        states[number] = seen(copy)
    shutil.rmtree(copy.root)
    return Scene(home, states)


def seen(home: Tiny) -> Fingerprint:
    """The environment; not what editors leave beside it."""
    return {path: facts for path, facts in fingerprint(home.venv).items() if not os.fsdecode(path).endswith(BACKUPS)}


def undone_and_redone(home: Tiny, states: dict[int, Fingerprint]) -> None:
    """An edit was made at @2: it can be taken back and had again, and no state that is recorded knows of it."""
    edited = seen(home)
    assert edited != states[2], "that writer changed nothing"
    rewind.undo(home.context)
    assert seen(home) == states[2]
    rewind.redo(home.context)
    assert seen(home) == edited
    rewind.undo(home.context)
    assert seen(home) == states[2]
    every_state_is_whole(home, states)


def every_state_is_whole(home: Tiny, states: dict[int, Fingerprint]) -> None:
    """By number and by label, and the store says so too."""
    for target, number in (("@1", 1), (LABELS[2], 2), ("@0", 0), (LABELS[0], 1), (LABELS[1], 2)):
        rewind.restore(home.context, target)
        assert seen(home) == states[number], target
    with recover.enter(home.context, "check") as session:
        assert [f for f in verify(session.store, []).faults if f.what not in (EDITED, FOREIGN, UNGUARDED)] == []


@pytest.mark.parametrize(("name", "file"), CASES, ids=[f"{name}, {file[-2:]}" for name, file in CASES])
def test_what_a_program_wrote(scene: Scene, tmp_path: Path, name: str, file: str) -> None:
    """Undo brings the original back to the byte, mode and mtime, redo the edit; every other state stays as it was."""
    writer = WRITERS[name]
    if writer.program and not tool(writer.program):
        pytest.skip(f"{writer.program} is not installed")
    home = scene.home.copy(tmp_path / "here")
    writer.write(home.site / file)
    undone_and_redone(home, scene.states)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", [">>", ">", "rename and write", "chmod", "rm"])
def test_files_that_mean_something_to_us(scene: Scene, tmp_path: Path, place: str, name: str) -> None:
    """Scripts, pyvenv.cfg, RECORD and METADATA are files like any other, whatever nonsense they say after the edit."""
    home = scene.home.copy(tmp_path / "here")
    path = home.root / "venv" / place
    WRITERS[name].write(path if path.exists() else home.site / place)
    undone_and_redone(home, scene.states)


@pytest.mark.root
@pytest.mark.parametrize("file", [TEXT, BINARY])
def test_chown_is_no_change_of_a_state(scene: Scene, tmp_path: Path, file: str) -> None:
    """Whose a file is belongs to no state; every state still has its content, mode and mtime."""
    home = scene.home.copy(tmp_path / "here")
    os.chown(home.site / file, 65534, 65534)
    assert seen(home) == scene.states[2]
    every_state_is_whole(home, scene.states)


def test_python_m_venv_upgrade(scene: Scene, tmp_path: Path) -> None:
    """It rewrites pyvenv.cfg and the activate scripts in place."""
    home = scene.home.copy(tmp_path / "here")
    run(sys.executable, "-I", "-m", "venv", "--upgrade", "--without-pip", home.venv)
    undone_and_redone(home, scene.states)


def test_which_writers_were_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The run says which programs it tried, so that a skip does not pass for a promise kept."""
    programs = {writer.program: tool(writer.program) for writer in WRITERS.values() if writer.program}
    with capsys.disabled():
        print("\nwriters:", ", ".join(sorted(name for name, found in programs.items() if found)), end="")
        missing = sorted(name for name, found in programs.items() if not found)
        print(f"; not installed: {', '.join(missing)}" if missing else "")
    assert {"cp", "touch", "chmod"} <= {name for name, found in programs.items() if found}


def test_an_edit_before_an_installer_replaces_the_file(scene: Scene, tmp_path: Path) -> None:
    """The edited inode is no longer in the live tree, only in the one that stands ready: it is found there."""
    home = scene.home.copy(tmp_path / "here")
    home.pip("3.0", {**TWO, "more/__init__.py": ""})  # now @2 stands ready, with the inodes of demo 2
    states = {**scene.states, 3: seen(home)}
    shared = home.site / TEXT
    for each in (shared, home.site / BINARY):
        with open(each, "ab") as file:
            file.write(b"edited")
        each.rename(f"{each}.new")
        shutil.copy2(f"{each}.new", each)  # what uv does: a new inode at the same path
        os.unlink(f"{each}.new")
    home.install("4.0", ONE)
    replaced = seen(home)
    rewind.undo(home.context)
    assert seen(home) == states[3]
    rewind.redo(home.context)
    assert seen(home) == replaced
    rewind.undo(home.context, 2)
    assert seen(home) == states[2]
    every_state_is_whole(home, states)


def test_an_edit_before_a_recorded_pip_replaces_the_file(scene: Scene, tmp_path: Path) -> None:
    """The edit is an operation of its own, before that of pip; both can be taken back."""
    home = scene.home.copy(tmp_path / "here")
    with open(home.site / "demo/__init__.py", "a") as file:
        file.write("edited\n")
    edited = seen(home)
    home.pip("3.0", ONE)
    installed = seen(home)
    assert [each.kind for each in History(home.home).all()[0]][-2:] == [EXTERNAL, "pip"]
    rewind.undo(home.context)
    assert seen(home) == edited
    rewind.undo(home.context)
    assert seen(home) == scene.states[2]
    rewind.redo(home.context, 2)
    assert seen(home) == installed
    every_state_is_whole(home, scene.states)


@pytest.mark.parametrize("content", [b"equal\n", b"equal\0" * 100])
def test_files_of_equal_bytes_do_not_share_an_edit(tmp_path: Path, content: bytes) -> None:
    """Equal in content, mode and mtime, they are still two: an edit of one never reaches the other, in any state."""
    home = Tiny(tmp_path / "here")
    home.make()
    pair = [home.site / "one.so", home.site / "two.so"]
    for path in pair:
        path.write_bytes(content)
        os.utime(path, (10**9, 10**9))
    setup.initialise(home.context)
    home.pip("1.0", ONE)
    before = seen(home)
    home.pip("2.0", TWO)
    with open(pair[0], "ab") as file:
        file.write(b"edited")
    rewind.undo(home.context)
    assert pair[0].read_bytes() == pair[1].read_bytes() == content
    rewind.redo(home.context)
    assert (pair[0].read_bytes(), pair[1].read_bytes()) == (content + b"edited", content)
    rewind.restore(home.context, "@1")
    assert seen(home) == before


def test_an_edit_that_hides_is_found_by_reading(scene: Scene, tmp_path: Path) -> None:
    """One that puts size and mtime back is not seen by lstat. verify, which reads, finds it."""
    home = scene.home.copy(tmp_path / "here")
    for name in (TEXT, BINARY):
        before = os.stat(home.site / name)
        with open(home.site / name, "r+b") as file:
            file.write(b"!!")
        os.utime(home.site / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    with recover.enter(home.context, "check") as session:
        found = verify(session.store, []).faults
    assert len([fault for fault in found if fault.what not in (EDITED, UNGUARDED)]) >= 2


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts a process that edits one file again and again, and notes down which bytes went into which inode.

    SIGTERM ends it between two edits: what it emptied itself and did not write any more is no loss of ours.
    """
    started: list[subprocess.Popen[bytes]] = []
    code = """
import os, signal, sys, time
path, log = sys.argv[1:]
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
with open(log, "w") as noted:
    for number in range(100_000):
        if told:
            break
        text = f"edit {os.getpid()} {number}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        except FileNotFoundError:
            continue
        os.write(descriptor, text.encode())
        noted.write(f"{os.fstat(descriptor).st_ino} {text}\\n")
        noted.flush()
        os.close(descriptor)
        time.sleep(0.003)
"""

    def start(path: Path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-I", "-c", code, path, tmp_path / "log"]))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def test_edits_while_undo_runs(scene: Scene, tmp_path: Path, loop: Callable[[Path], subprocess.Popen[bytes]]) -> None:
    """Nothing anybody wrote is lost: it is in the environment, in a state of history, or in rescued/."""
    home = scene.home.copy(tmp_path / "here")
    editor = loop(home.site / TEXT)
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.01)
    ended = time.monotonic() + 4
    moves = 0
    while time.monotonic() < ended:
        for move in (rewind.undo, rewind.redo):
            try:
                move(home.context)
                moves += 1
            except (NotFound, Changed, Busy):
                continue  # it was edited again in between, or this very moment
    editor.send_signal(signal.SIGTERM)
    editor.wait()
    rewind.restore(home.context, "@2")
    without_trash(home.root)
    last = dict(line.split(" ", 1) for line in (tmp_path / "log").read_text().splitlines())
    kept = [path.read_bytes() for path in home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    lost = [text for text in last.values() if not any(text.encode() in content for content in kept)]
    assert moves > 3
    assert len(last) > 3
    assert lost == [], f"of {len(last)} inodes"
    every_state_is_whole(home, scene.states)


def test_what_is_open_goes_on_writing_into_the_replaced_tree(scene: Scene, tmp_path: Path) -> None:
    """A log that is open, a shell that stands there: what they write after undo is kept and can be had."""
    home = scene.home.copy(tmp_path / "here")
    code = """
import os, sys
os.chdir(sys.argv[1])
log, source, empty = open("run.log", "a"), open("__init__.py", "a"), open("empty.py", "a")
print(flush=True)
input()
for file in (log, source, empty, open("late.py", "w"), open("late.txt", "w")):
    with file:
        file.write("late")
"""
    words = [sys.executable, "-I", "-c", code, home.site / "demo"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        rewind.undo(home.context)
        shell.communicate(b"\n")
    assert seen(home).items() >= scene.states[1].items()
    again = rewind.redo(home.context)
    assert scene.states[2].items() <= seen(home).items()
    assert (home.site / "demo/run.log").read_text() == "late", "a data file is one inode in every tree"
    assert {os.path.basename(path) for path in again.rescued} == {"late.py", "late.txt", "__init__.py", "empty.py"}
    assert all(Path(path).read_text().endswith("late") for path in again.rescued)
    (home.site / "demo/run.log").unlink()
    every_state_is_whole(home, scene.states)


def test_data_stays_where_it_is(scene: Scene, tmp_path: Path) -> None:
    """Models, notebooks, logs: the same inode with what was last written, through undo, redo and restore."""
    home = scene.home.copy(tmp_path / "here")
    data = [home.root / "venv/notes.txt", home.root / "venv/runs/1/log", home.site / "weights.bin"]
    for path in data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0 0")
    inodes = [path.stat().st_ino for path in data]
    moves: list[Callable[[], object]] = [
        lambda: rewind.undo(home.context),
        lambda: rewind.redo(home.context),
        lambda: rewind.restore(home.context, "@0"),
        lambda: rewind.restore(home.context, LABELS[2]),
        lambda: rewind.undo(home.context, 2),
    ]
    for number, move in enumerate(moves):
        with open(data[0], "ab") as log:
            for path in data[1:]:
                path.write_bytes(b"%d" % number)
            move()
            log.write(b"%d" % number)
        assert [path.stat().st_ino for path in data] == inodes
        assert [path.read_bytes() for path in data[1:]] == [b"%d" % number] * 2
    assert data[0].read_bytes().endswith(b"01234")


def test_uv_replaces_what_was_edited(upgraded: Environment) -> None:
    """The real uv: an edit in place, then another version, and undo brings back what pip had installed."""
    uv = tool("uv")
    if not uv:
        pytest.skip("uv is not installed")
    before = fingerprint(upgraded.venv)
    with open(upgraded.site / "demo/__init__.py", "a") as file:
        file.write("edited = 1\n")
    words = [uv, "pip", "install", "--offline", "--no-index", "--find-links", upgraded.wheels]
    run(*words, "--python", upgraded.venv / "bin/python", "demo==1.0")
    assert (upgraded.site / "demo/__init__.py").read_text() == "one = 1\ntwo = 2\n"
    after = fingerprint(upgraded.venv)
    rewind.undo(upgraded.context)
    assert fingerprint(upgraded.venv) == before
    rewind.redo(upgraded.context)
    assert fingerprint(upgraded.venv) == after


def test_an_editable_install(env: Environment, tmp_path: Path) -> None:
    """pip install -e, an edit of its path file, and pip uninstall: each is taken back; the project is never touched."""
    place = project(tmp_path / "project")
    before = fingerprint(env.venv)
    assert env.pip("install", "--no-build-isolation", "-e", str(place)).operation is not None
    installed = fingerprint(env.venv)
    sources = fingerprint(place)
    with open(env.site / "mine.pth", "a") as file:
        file.write("# edited\n")
    rewind.undo(env.context)
    assert fingerprint(env.venv) == installed
    assert env.pip("uninstall", "-y", "mine").operation is not None
    rewind.undo(env.context)
    assert fingerprint(env.venv) == installed
    rewind.undo(env.context)
    assert fingerprint(env.venv) == before
    assert fingerprint(place) == sources


def test_a_develop_install_is_uninstalled(env: Environment, tmp_path: Path) -> None:
    """`setup.py develop` writes an egg-link and easy-install.pth; pip uninstall edits the latter in place."""
    place = tmp_path / "project"
    (place / "old.egg-info").mkdir(parents=True)
    (place / "old.egg-info/PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")
    (place / "old.py").write_text("x = 1\n")
    before = fingerprint(env.venv)
    recording = record.begin(env.context, None, PIP, {})
    (env.site / "easy-install.pth").write_text(f"/elsewhere\n{place}\n")
    (env.site / "old.egg-link").write_text(f"{place}\n.")
    recording.finish(Outcome(0), None)
    developed = fingerprint(env.venv)
    with recover.enter(env.context, "look") as session:
        assert "old" in [each.name for each in manifest.distributions(session.recorded)]
    recorded = env.pip("uninstall", "-y", "old")
    if recorded.operation is None:
        pytest.skip("this pip does not uninstall what setup.py develop installed")
    assert (env.site / "easy-install.pth").read_text() == "/elsewhere\n"
    rewind.undo(env.context)
    assert fingerprint(env.venv) == developed
    rewind.undo(env.context)
    assert fingerprint(env.venv) == before
    rewind.redo(env.context, 2)
    assert not (env.site / "old.egg-link").exists()
