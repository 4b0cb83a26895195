"""Stacks that travel: real environments, made by real pip, from one home to another and into other tools."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import interpreters
from fingerprint import environment
from recorded import Environment
from tiny import Tiny, begun

from store import objects
from store.bundle import Bundle
from store.errors import StoreError
from sysvenv import fresh, history, passport, snapshots
from sysvenv.cli.boundary import run
from sysvenv.config import Config
from sysvenv.errors import NotFound, SysvenvError, UsageError
from sysvenv.head import read_head
from sysvenv.home import Home
from sysvenv.operations import bring, export, from_lock, label, record, rewind, setup, share
from sysvenv.operations.record import Command, Outcome
from sysvenv.operations.session import Context
from sysvenv.operations.switch_python import Wanted
from sysvenv.operations.verify import verify
from sysvenv.passport import PLACE

HERE = "{}.{}".format(*sys.version_info[:2])
SECRET = "s3cr3t-t0ken"
STACK = {"demo/__init__.py": "def main():\n    print('demo runs', __file__)\n", "demo/data.json": "{}", "demo/e.py": ""}


def new_home(place: Path) -> Environment:
    """A home with an environment of its own, whose scripts name its own path."""
    made = Environment(place / "packages", place / "wheels")
    setup.initialise(made.context)
    return made


def install(home: Environment, *arguments: str) -> None:
    """Run pip and record it with the report of what it installed, as the hook does.

    It is led to the wheels by a page with their digests, like an index: of a bare directory pip 23.0 tells none.
    """
    told, page = home.wheels / "report.json", home.wheels / "page.html"
    links = [(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in home.wheels.glob("*.whl")]
    page.write_text("<!DOCTYPE html>\n" + "".join(f'<a href="{url}#sha256={digest}">x</a>\n' for url, digest in links))
    command = Command(["python", "-m", "pip", "install", *arguments], "/", os.getpid())
    recording = record.begin(home.context, None, command, {})
    pip = [home.venv / "bin/python", "-m", "pip", "install", "--no-index", "--find-links", page]
    output(*pip, "--report", told, *arguments)
    recording.finish(Outcome(0), json.loads(told.read_text()))


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where the stack is made: demo with a script, six-like other that needs it, and the snapshot `stack`."""
    made = new_home(tmp_path_factory.mktemp("ann"))
    made.wheel("demo", "1.0", STACK, scripts={"demo-run": "demo:main"})
    made.wheel("other", "2.0", {"other.py": "import demo\n"}, requires=["demo>=1"])
    made.wheel("later", "3.0", {"later.py": ""})
    install(made, "other")
    (made.venv / "bin/by-hand").write_text(f"#!{made.venv}/bin/python\nprint('{made.venv}')\n")
    (made.venv / "bin/by-hand").chmod(0o755)
    (made.site / "by_hand.pth").write_text(f"{made.venv}/lib\n")
    label.snapshot(made.context, "stack")
    install(made, "later")
    return made


@pytest.fixture(scope="module")
def bundle(ann: Environment) -> Path:
    """The stack, shared."""
    place = ann.venv.parent.parent / "stack.sysvenv"
    share.share(ann.context, "stack", str(place))
    return place


@pytest.fixture(
    scope="module", params=["bob", "a place with blanks/and of quite another length, far beyond 127 " + "x" * 60]
)
def bob(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Environment:
    """Where it arrives: another home, where the kernel takes the shebang, and where it does not."""
    made = new_home(tmp_path_factory.mktemp("other") / request.param)
    bring.bring(made.context, str(bundle))
    rewind.restore(made.context, "stack")
    return made


def output(*command: str | Path) -> str:
    """What a program prints; it must end well."""
    outside = {**os.environ, "SYSVENV": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([str(word) for word in command], env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def at_ann(ann: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Commands of this process speak of that home."""
    monkeypatch.setenv("SYSVENV_HOME", ann.home.root)
    return ann


# --- share ---------------------------------------------------------------------------------------------


def test_the_same_state_gives_the_same_bytes(ann: Environment, bundle: Path, tmp_path: Path) -> None:
    """By whatever name it is asked for, whenever."""
    share.share(ann.context, "@1", str(tmp_path / "by number"))
    label.snapshot(ann.context, "now")
    found = snapshots.read(ann.home, "stack")
    operation = next(o for o in history.History(ann.home).all()[0] if o.manifest == found.manifest)
    share.share(ann.context, f"@{operation.number}", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == bundle.read_bytes() != (tmp_path / "by number").read_bytes()


def test_a_bundle_tells_nothing_of_where_it_comes_from(ann: Environment, bundle: Path) -> None:
    """No path of that machine, no user: neither in a file of it, nor in a name, nor in what it says of itself."""
    with Bundle(os.fsencode(bundle)) as opened:
        told = json.dumps(opened.manifest.about)
        out = bundle.parent / "out"
        opened.lay_out(os.fsencode(out))
    texts = [path.read_bytes() for path in out.rglob("*") if path.is_file() and not path.is_symlink()]
    texts += [os.fsencode(os.readlink(path)) for path in out.rglob("*") if path.is_symlink()]
    names = [os.fsencode(path.relative_to(out)) for path in out.rglob("*")]
    shutil.rmtree(out)
    for secret in (os.fsencode(ann.home.root), os.fsencode(ann.wheels)):
        assert not [text for text in (*texts, *names, told.encode()) if secret in text], secret
    (settings,) = [text for text in texts if text.startswith(b"home = ")]
    paths = re.findall(rb"(?<= )/\S*", settings)
    assert paths and all(path.startswith(b"/@sysvenv@/") for path in paths)
    assert not [name for name in names if b"__pycache__" in name or b"_sysvenv" in name]


def test_what_share_tells(at_ann: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, size, sha256 as sha256sum prints it, and what to type there."""
    place = tmp_path / "it.sysvenv"
    assert run(["share", "stack", "-o", str(place)]) == 0
    text = capsys.readouterr().out
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    assert f"sha256 {digest}" in text and "sysvenv import it.sysvenv" in text
    assert run(["share", "stack", "-o", str(place), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["sha256"], result["size"], result["notes"]) == (digest, place.stat().st_size, [])


def test_share_replaces_only_bundles(ann: Environment, tmp_path: Path) -> None:
    """A file that is something else stays; a bundle gives way, whole or not at all."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(SysvenvError, match="no bundle"):
        share.share(ann.context, "stack", str(tmp_path / "notes"))
    assert (tmp_path / "notes").read_text() == "mine"
    share.share(ann.context, "@0", str(tmp_path / "it"))
    first = (tmp_path / "it").read_bytes()
    share.share(ann.context, "stack", str(tmp_path / "it"))
    assert (tmp_path / "it").read_bytes() != first
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["it", "notes"]
    with pytest.raises(SysvenvError, match="cannot be written"):
        share.share(ann.context, "stack", str(tmp_path / "no/such/directory"))
    with pytest.raises(NotFound):
        share.share(ann.context, "nothing", str(tmp_path / "x"))


def test_a_full_disk_leaves_no_half_bundle(ann: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written to its end is not there."""

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SysvenvError, match="No space left"):
        share.share(ann.context, "stack", str(tmp_path / "it"))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


# --- import --------------------------------------------------------------------------------------------


def test_it_runs_where_it_arrived(bob: Environment) -> None:
    """Scripts of pip's, by hand, imports, pip itself, and what pip thinks of it all."""
    assert output(bob.venv / "bin/demo-run") == f"demo runs {bob.site}/demo/__init__.py"
    assert output(bob.venv / "bin/python", "-c", "import other, sys; print(sys.prefix)") == str(bob.venv)
    assert output(bob.venv / "bin/by-hand") == str(bob.venv)
    assert (bob.site / "by_hand.pth").read_text() == f"{bob.venv}/lib\n"
    assert output(bob.venv / "bin/pip", "check") == "No broken requirements found."
    assert output(bob.venv / "bin/python", "-m", "pip", "list", "--format=freeze").splitlines()[:2] == [
        "demo==1.0",
        "other==2.0",
    ]


@pytest.mark.parametrize(
    "shell", [["sh"], ["bash"], ["zsh", "-f"], ["fish", "--no-config"], ["csh", "-f"]], ids=lambda s: s[0]
)
def test_it_can_be_activated(bob: Environment, shell: list[str]) -> None:
    """In each shell that is here."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    suffix = {"fish": ".fish", "csh": ".csh"}.get(shell[0], "")
    source = "." if shell[0] in ("sh", "bash", "zsh") else "source"
    first = "set prompt=x; " if shell[0] == "csh" else ""  # venv's own file asks for it
    place = f"'{bob.venv}/bin/activate{suffix}'"
    command = f"{first}{source} {place}; python -c 'import sys; print(sys.prefix)'; echo $VIRTUAL_ENV"
    assert output(*shell, "-c", command).splitlines()[-2:] == [str(bob.venv)] * 2


def test_nothing_of_the_other_place_is_left(ann: Environment, bob: Environment) -> None:
    """Neither its path nor the neutral one; and everything else is as it was, to the mtime."""
    there, here = environment(ann.venv), environment(bob.venv)
    for seen in here.values():
        for text in (each for each in seen if isinstance(each, bytes)):
            assert os.fsencode(ann.home.root) not in text and PLACE not in text and b"@sysvenv@" not in text
    later = {path for path in there if b"later" in path}
    assert here.keys() == there.keys() - later
    for path, seen in here.items():
        if seen != there[path] and not re.fullmatch(rb"bin/python[0-9.]*", path):
            assert os.fsencode(bob.home.root) in b"".join(x for x in seen if isinstance(x, bytes)) or path.endswith(
                b".dist-info/RECORD"
            ), path
            assert seen[:3] == there[path][:3], path


def test_each_record_agrees(bob: Environment) -> None:
    """Every digest and size that a RECORD has is that of its file: also of the scripts that were rewritten."""
    code = (
        "import base64, hashlib, importlib.metadata as m\n"
        "for d in m.distributions():\n"
        "    for f in d.files or ():\n"
        "        if f.hash and '__pycache__' not in str(f):\n"
        "            b = f.locate().read_bytes(); h = hashlib.new(f.hash.mode, b).digest()\n"
        "            assert f.hash.value == base64.urlsafe_b64encode(h).rstrip(b'=').decode(), f\n"
        "            assert f.size in (None, len(b)), f\n"
        "            n = globals().get('n', 0) + 1\n"
        "print(n)"
    )
    assert int(output(bob.venv / "bin/python", "-c", code)) > 100


def test_the_store_is_sound_after_an_import(bob: Environment) -> None:
    """verify finds nothing, undo takes the restore back, redo brings it again, and pip is recorded as ever."""
    assert not verify(bob.context).damaged
    before = environment(bob.venv)
    rewind.undo(bob.context)
    assert not (bob.venv / "bin/demo-run").exists()
    rewind.redo(bob.context)
    assert environment(bob.venv) == before
    assert (bob.site / "_sysvenv.pth").exists()
    bob.pip("uninstall", "-y", "other")
    assert [change.name for change in history.History(bob.home).all()[0][-1].packages] == ["other"]
    rewind.undo(bob.context)
    assert environment(bob.venv) == before


def test_it_can_be_shared_on(ann: Environment, bob: Environment, bundle: Path, tmp_path: Path) -> None:
    """From the second machine it goes out as it came, to the byte; but quotes its activate files needed there stay."""
    share.share(bob.context, "stack", str(tmp_path / "on"))
    if " " not in str(bob.venv):
        assert (tmp_path / "on").read_bytes() == bundle.read_bytes()
    with Bundle(os.fsencode(bundle)) as there, Bundle(os.fsencode(tmp_path / "on")) as here:
        assert there.manifest.about == here.manifest.about
        assert there.tree.keys() == here.tree.keys()
        differ = {path for path, entry in there.tree.items() if here.tree[path] != entry}
    assert all(path.startswith(b"bin/activate") for path in differ)


def test_the_environment_stays_as_it_is(ann: Environment, bundle: Path, tmp_path: Path) -> None:
    """Import is no operation: there is a name more, and nothing else."""
    before, head = environment(ann.venv), read_head(ann.home)
    outcome = bring.bring(ann.context, str(bundle), "theirs", dry_run=True)
    assert outcome.dry_run and "theirs" not in snapshots.names(ann.home)
    outcome = bring.bring(ann.context, str(bundle), "theirs")
    assert (outcome.name, outcome.kind, outcome.elsewhere) == ("theirs", "bundle", ())
    assert (environment(ann.venv), read_head(ann.home)) == (before, head)
    assert snapshots.read(ann.home, "theirs").message == "imported from stack.sysvenv"
    with pytest.raises(SysvenvError, match="There is a snapshot 'theirs' already"):
        bring.bring(ann.context, str(bundle), "theirs")
    with pytest.raises(UsageError):
        bring.bring(ann.context, str(bundle), "baseline")


def test_a_name_that_is_none(ann: Environment, bundle: Path, tmp_path: Path) -> None:
    """The file's name becomes the snapshot's; where it cannot, one is asked for."""
    odd = tmp_path / "my stack (1).sysvenv"
    shutil.copy(bundle, odd)
    with pytest.raises(UsageError) as caught:
        bring.bring(ann.context, str(odd))
    assert "--as NAME" in caught.value.hint


def test_another_python_is_refused_with_the_reason(
    ann: Environment, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which Python it was made with, which one is here, and what can be done; nothing is written."""
    others = [path for version, path in interpreters().items() if version != HERE]
    if not others:
        pytest.skip("there is no other Python here")
    place = tmp_path / "packages"
    other = Context(Home.at(str(place)), Config(), sys.executable)
    setup.initialise(other, Wanted(others[0], fresh.probe(others[0])))
    with pytest.raises(SysvenvError) as caught:
        bring.bring(other, str(bundle))
    assert f"it was made with Python {HERE}, and this is Python" in caught.value.message
    assert "--python PATH" in caught.value.hint
    assert snapshots.names(other.home) == ["baseline"]
    # With the Python it wants it is taken, and runs on that.
    bring.bring(other, str(bundle), python=os.path.realpath(sys.executable))
    rewind.restore(other, "stack")
    told = output(place / "venv/bin/python", "-c", "import demo, sys; print('%d.%d' % sys.version_info[:2])")
    assert told == HERE
    rewind.undo(other)
    assert not (place / f"venv/lib/python{HERE}").exists()


def test_import_over_the_command_line(
    at_ann: Environment, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is said of a plan, of an import, and of a file that is nothing of the kind."""
    assert run(["import", str(bundle), "--as", "over", "--dry-run"]) == 0
    assert "every digest agrees" in capsys.readouterr().out
    assert run(["import", str(bundle), "--as", "over"]) == 0
    assert "Switch to it: sysvenv restore over" in capsys.readouterr().out
    (tmp_path / "odd.sysvenv").write_text("odd")
    assert run(["import", str(tmp_path / "odd.sysvenv")]) == 1
    told = capsys.readouterr().err
    assert "is refused: it is no bundle" in re.sub(r"\s+", " ", told) and "Traceback" not in told
    (tmp_path / "odd").write_text("odd")
    assert run(["import", str(tmp_path / "odd"), "--json"]) == 1
    assert "neither a bundle" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert run(["import", str(tmp_path / "gone.sysvenv")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert run(["import", str(bundle), "--find-links", "x"]) == 2


# --- what does not travel ------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """A small home with one distribution."""
    return begun(tmp_path / "tiny", 1)


def shared(home: Tiny, tmp_path: Path) -> tuple[share.Shared, dict[bytes, bytes], dict[str, object]]:
    """The present state shared: what was told, the files in the bundle, and its passport."""
    label.snapshot(home.context, "it")
    told = share.share(home.context, "it", str(tmp_path / "it.sysvenv"))
    with Bundle(os.fsencode(tmp_path / "it.sysvenv")) as opened:
        opened.lay_out(os.fsencode(tmp_path / "out"))
        about = opened.manifest.about
    found = {
        os.fsencode(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    return told, found, about


def test_editable_and_checkouts_are_named(tiny: Tiny, tmp_path: Path) -> None:
    """On both sides; where their code lay is not told, nor a token in an address."""
    info = tiny.site / "demo-1.0.dist-info"
    (info / "direct_url.json").write_text(
        '{"url": "file:///home/ann/secret place/demo", "dir_info": {"editable": true}}'
    )
    vcs = tiny.site / "src-1.0.dist-info"
    vcs.mkdir()
    (vcs / "METADATA").write_text("Metadata-Version: 2.1\nName: src\nVersion: 1.0\n")
    url = f"https://ann:{SECRET}@git.example/src?token={SECRET}"
    (vcs / "direct_url.json").write_text(json.dumps({"url": url, "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}))
    told, files, about = shared(tiny, tmp_path)
    assert (told.elsewhere, told.from_vcs) == (("demo (editable)",), ("src",))
    everything = b"".join(files.values()) + json.dumps(about).encode()
    assert SECRET.encode() not in everything and b"ann" not in everything
    place = os.fsencode((info / "direct_url.json").relative_to(tiny.venv))
    assert json.loads(files[place])["url"] == "file:///****/demo"
    outcome = bring.bring(tiny.context, str(tmp_path / "it.sysvenv"), "back", dry_run=True)
    assert (outcome.elsewhere, outcome.from_vcs) == (("demo (editable)",), ("src",))


def test_what_leads_out_of_the_environment_is_left_out_and_told(tiny: Tiny, tmp_path: Path) -> None:
    """Links to this machine, names that are no UTF-8; and binaries that name the place, as they go on naming it."""
    os.symlink("/opt/tool", tiny.root / "venv/bin/tool")
    os.symlink(f"{tiny.venv}/bin/python3", tiny.root / "venv/bin/own")
    (tiny.site / "bound.so").write_bytes(b"\0ELF " + os.fsencode(tiny.venv) + b"/lib\0")
    Path(os.fsdecode(os.fsencode(tiny.site) + b"/odd\xff.py")).write_text("x")
    told, _, about = shared(tiny, tmp_path)
    left, names, bound = told.notes
    assert "bin/tool" in left and "bin/own" not in left
    assert "odd" in names and "bound.so" in bound
    assert os.readlink(tmp_path / "out/bin/own") == "python3"
    assert about["pythons"] == ["bin/python"]
    assert not (tmp_path / "out/bin/tool").is_symlink()


def test_a_copied_interpreter_stays(tiny: Tiny, tmp_path: Path) -> None:
    """venv --copies puts the program itself into bin: the other machine has its own, and a link to that."""
    (tiny.root / "venv/bin/python3").unlink()
    (tiny.root / "venv/bin/python3").write_bytes(b"\x7fELF\0 and so on")
    _, files, about = shared(tiny, tmp_path)
    assert about["pythons"] == ["bin/python", "bin/python3"] and b"bin/python3" not in files
    bring.bring(tiny.context, str(tmp_path / "it.sysvenv"), "back")
    rewind.restore(tiny.context, "back")
    assert os.path.realpath(tiny.root / "venv/bin/python3") == os.path.realpath(sys.executable)


def test_what_is_lost_cannot_be_shared(tiny: Tiny, tmp_path: Path) -> None:
    """A content of which no copy is intact: the error says so, and no bundle is begun."""
    (tiny.site / "large.bin").write_bytes(os.urandom(20 << 20))
    (tiny.site / "large.pth").write_text("")
    with open(tiny.site / "demo-1.0.dist-info/RECORD", "a") as record_file:
        record_file.write("large.bin,,\n")
    label.snapshot(tiny.context, "it")
    for path in (tiny.root / "store/pristine").rglob("*.zst"):
        path.unlink()
    (tiny.site / "large.bin").write_bytes(b"edited in place")
    with pytest.raises(StoreError, match="No intact copy"):
        share.share(tiny.context, "it", str(tmp_path / "it.sysvenv"))
    assert not list(tmp_path.glob("it.sysvenv*"))


def test_a_python_that_is_gone(tiny: Tiny, tmp_path: Path) -> None:
    """Neither side can tell what fits without it: both say what to do."""
    gone = tmp_path / "python"
    os.symlink(os.path.realpath(sys.executable), gone)
    (tiny.root / "venv/bin/python").unlink()
    os.symlink(gone, tiny.root / "venv/bin/python")
    shared(tiny, tmp_path)
    gone.unlink()
    with pytest.raises(SysvenvError, match="which is gone"):
        share.share(tiny.context, "it", str(tmp_path / "again.sysvenv"))
    with pytest.raises(SysvenvError, match="Python is gone"):
        bring.bring(tiny.context, str(tmp_path / "it.sysvenv"), "back")
    with pytest.raises(SysvenvError, match="no Python at"):
        bring.bring(tiny.context, str(tmp_path / "it.sysvenv"), "back", python=str(gone))
    assert bring.bring(tiny.context, str(tmp_path / "it.sysvenv"), "back", python=sys.executable).name == "back"


@pytest.mark.parametrize("name", ["directory", "fifo", "latin.txt"])
def test_what_is_no_file_to_import(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A sentence, and no waiting for ever."""
    monkeypatch.setenv("SYSVENV_HOME", str(tiny.root))
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    assert run(["import", str(tmp_path / name)]) == 1


def test_a_setuid_file_travels_without_that(tiny: Tiny, tmp_path: Path) -> None:
    """Nobody gets a program that runs as somebody else."""
    (tiny.root / "venv/bin/su").write_text("#!/bin/sh\n")
    (tiny.root / "venv/bin/su").chmod(0o4755)
    shared(tiny, tmp_path)
    assert (tmp_path / "out/bin/su").stat().st_mode & 0o7777 == 0o755


def test_a_file_nobody_may_read_cannot_be_shared(tiny: Tiny, tmp_path: Path) -> None:
    """It is named, and no bundle is written that the other side would refuse."""
    if os.geteuid():
        pytest.skip("only root has such files in an environment")
    (tiny.site / "closed.py").write_text("x = 1\n")
    (tiny.site / "closed.py").chmod(0)
    label.snapshot(tiny.context, "it")
    with pytest.raises(SysvenvError, match=r"closed\.py"):
        share.share(tiny.context, "it", str(tmp_path / "it.sysvenv"))
    assert not (tmp_path / "it.sysvenv").exists()


def test_an_edit_in_place_is_not_shared_as_the_state(tiny: Tiny, tmp_path: Path) -> None:
    """The snapshot's content goes out, not what a program made of the live file since."""
    label.snapshot(tiny.context, "before")
    place = tiny.site / "demo/__init__.py"
    with open(place, "a") as stream:
        stream.write("# edited\n")
    share.share(tiny.context, "before", str(tmp_path / "it.sysvenv"))
    with Bundle(os.fsencode(tmp_path / "it.sysvenv")) as opened:
        entry = opened.tree[os.fsencode(place.relative_to(tiny.venv))]
    assert entry.digest != objects.observe(os.fsencode(place)).digest
    assert entry.size == len("version = 1\n")


def test_a_passport_is_what_was_written(tiny: Tiny, tmp_path: Path) -> None:
    """JSON and back."""
    _, _, about = shared(tiny, tmp_path)
    assert json.loads(json.dumps(passport.to_json(passport.from_json(about)))) == about


# --- lists for other tools -----------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A plain venv that a lock is installed into."""
    subprocess.run([sys.executable, "-I", "-m", "venv", tmp_path / "target"], check=True)
    return tmp_path / "target"


def test_the_lock_installs_with_pip_and_uv(ann: Environment, tmp_path: Path, target: Path) -> None:
    """Requirements with --require-hashes, offline, by both installers; and a file that is another is refused."""
    lock = tmp_path / "requirements.txt"
    exported = export.export(ann.context, "stack", "requirements", str(lock))
    assert exported.unknown == ()
    python, links = str(target / "bin/python"), ["--find-links", str(ann.wheels)]
    install = ["-m", "pip", "install", "--require-hashes", "--no-index", *links, "-r", str(lock)]
    output(python, *install)
    assert output(python, "-c", "import other; print('imported')") == "imported"
    output(python, "-m", "pip", "uninstall", "-y", "demo", "other")
    uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    if uv:
        output(
            uv, "pip", "install", "--offline", "--python", python, "--require-hashes", "--no-index", *links, "-r", lock
        )
        assert output(python, "-c", "import other; print('imported')") == "imported"
        output(python, "-m", "pip", "uninstall", "-y", "demo", "other")
    lock.write_text(re.sub("sha256:[0-9a-f]", "sha256:x", lock.read_text()).replace("sha256:x", "sha256:0"))
    done = subprocess.run([python, *install], capture_output=True, text=True, check=False)
    assert done.returncode and "HASHES" in done.stderr.upper()


def test_pylock_is_taken_by_uv(ann: Environment, tmp_path: Path, target: Path) -> None:
    """PEP 751: addresses and digests, offline."""
    uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    if not uv:
        pytest.skip("uv is not here")
    lock = tmp_path / "pylock.toml"
    assert export.export(ann.context, "stack", "pylock", str(lock)).notes == ()
    (note,) = export.export(ann.context, "stack", "pylock", str(tmp_path / "lock.toml")).notes
    assert "pylock.NAME.toml" in note
    python = target / "bin/python"
    output(uv, "pip", "install", "--offline", "--python", python, "--preview", "-r", lock)
    assert output(python, "-c", "import other; print('imported')") == "imported"


@pytest.mark.parametrize("form", ["requirements", "pylock"])
def test_a_lock_is_imported(ann: Environment, tmp_path: Path, form: str) -> None:
    """pip installs it aside: the environment stays, the snapshot runs, and knows where everything came from."""
    lock = tmp_path / ("pylock.toml" if form == "pylock" else "requirements.txt")
    export.export(ann.context, "stack", form, str(lock))
    before, head = environment(ann.venv), read_head(ann.home)
    outcome = from_lock.install_aside(ann.context, str(lock), f"from-{form}", None, [str(ann.wheels)], dry_run=True)
    assert outcome.dry_run and f"from-{form}" not in snapshots.names(ann.home)
    from_lock.install_aside(ann.context, str(lock), f"from-{form}", None, [str(ann.wheels)])
    assert (environment(ann.venv), read_head(ann.home)) == (before, head)
    text = export.export(ann.context, f"from-{form}", form).text
    assert [line for line in text.splitlines() if line[:1] != "#"] == [
        line for line in lock.read_text().splitlines() if line[:1] != "#"
    ]
    rewind.restore(ann.context, f"from-{form}")
    try:
        assert output(ann.venv / "bin/demo-run") == f"demo runs {ann.site}/demo/__init__.py"
        assert output(ann.venv / "bin/pip", "check") == "No broken requirements found."
    finally:
        rewind.undo(ann.context)
    assert environment(ann.venv) == before


def test_a_lock_that_pip_cannot_install(ann: Environment, tmp_path: Path) -> None:
    """One sentence after what pip said, no snapshot, and nothing left behind."""
    (tmp_path / "requirements.txt").write_text("no-such-thing==1.0\n")
    before = environment(ann.venv)
    with pytest.raises(SysvenvError, match="pip could not install"):
        from_lock.install_aside(ann.context, str(tmp_path / "requirements.txt"), "none")
    assert "none" not in snapshots.names(ann.home) and environment(ann.venv) == before
    assert not [name for name in os.listdir(f"{ann.home.store}/trees") if name.endswith(".building")]


def test_a_lock_for_another_python(ann: Environment, tmp_path: Path) -> None:
    """requires-python is read before anything is built."""
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\nrequires-python = ">=4"\n')
    with pytest.raises(SysvenvError, match="requires Python >=4"):
        from_lock.install_aside(ann.context, str(tmp_path / "pylock.toml"))


def test_export_over_the_command_line(at_ann: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list alone on stdout, so that it can be piped; what is not in it on stderr."""
    assert run(["export", "stack", "--format", "freeze"]) == 0
    assert capsys.readouterr() == ("demo==1.0\nother==2.0\n", "")
    assert run(["export", "stack", "-o", str(tmp_path / "lock.txt")]) == 0
    assert "Wrote" in capsys.readouterr().err
    assert run(["export", "stack", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["format"] == "requirements"
    assert run(["export", "nothing"]) == 3


def test_what_is_not_known_is_said(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with the reason; the lock does not contain it."""
    monkeypatch.setenv("SYSVENV_HOME", str(tiny.root))
    label.snapshot(tiny.context, "it")
    assert run(["export", "it"]) == 0
    out, err = capsys.readouterr()
    assert "demo 1.0: pip did not tell its digest" in err
    assert all(line.startswith("#") for line in out.splitlines())
