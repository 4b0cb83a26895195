"""What a tree is tied to, told from its files; and environments made for a place where they do not stand yet."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import interpreters

from sysvenv import fresh, venv
from sysvenv.errors import SysvenvError
from sysvenv.venv import Interpreter, PathOrder

PYTHONS = interpreters()
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def tell(python: str, code: str) -> str:
    """What a Python says to a question about itself."""
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def by_hand(root: Path, cfg: str, *, base: str = "/nowhere/bin/python3", library: str = "python3.11") -> str:
    """The few files of an environment that tell its interpreter."""
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "python").symlink_to(base)
    (root / "lib" / library / "site-packages").mkdir(parents=True)
    (root / "pyvenv.cfg").write_text(cfg)
    return str(root)


# --- the interpreter -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", PYTHONS)
def test_files_tell_what_python_tells(tmp_path: Path, version: str) -> None:
    """Version, ABI, platform, base and site-packages agree with the interpreter's own answers."""
    root = str(tmp_path / "venv")
    subprocess.run([PYTHONS[version], "-I", "-m", "venv", "--without-pip", root], check=True)
    found = venv.read_interpreter(root)
    python = root + "/bin/python"
    assert found.version == tell(python, "import platform; print(platform.python_version())")
    assert found.implementation == tell(python, "import sys; print(sys.implementation.name)")
    assert found.abi == tell(python, "import sysconfig; print(sysconfig.get_config_var('SOABI'))")
    assert found.platform == tell(python, "import sysconfig; print(sysconfig.get_platform())")
    assert os.path.samefile(found.base, tell(python, "import sys; print(sys._base_executable)"))
    site = tell(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    assert os.path.join(root, found.site) == site
    assert venv.site_packages(root) == os.fsencode(found.site)
    assert found.minor == version
    assert venv.interpreter_present(found)


def test_reading_the_interpreter_is_cheap(tmp_path: Path) -> None:
    """It happens around each pip: half a millisecond here; starting Python would be 8."""
    root = by_hand(tmp_path / "venv", "version = 3.11.7\n", base=os.path.realpath(sys.executable))
    venv.read_interpreter(root)
    started = time.perf_counter()
    for _ in range(10):
        venv.read_interpreter(root)
    assert (time.perf_counter() - started) / 10 < 0.005


@pytest.mark.parametrize(
    ("cfg", "version"),
    [
        ("home = /usr/bin\nversion = 3.11.7\n", "3.11.7"),
        ("home = /usr/bin\r\nVersion=3.11.7\r\n", "3.11.7"),
        ("home = /usr/bin\nimplementation = CPython\nversion_info = 3.11.7\nuv = 0.4\n", "3.11.7"),
        ("home = /usr/bin\nversion_info = 3.11.7.final.0\nversion = 3.11.7\n", "3.11.7"),
        ("home = /usr/bin\nversion = 3.11.0rc2\n", "3.11.0"),
        ("", "3.11"),
        ("no setting at all\n\0\xff", "3.11"),
    ],
)
def test_pyvenv_cfg_of_each_tool(tmp_path: Path, cfg: str, version: str) -> None:
    """venv's, uv's, virtualenv's and damaged ones; where it says nothing, the directories do."""
    found = venv.read_interpreter(by_hand(tmp_path / "venv", cfg))
    assert (found.version, found.site) == (version, "lib/python3.11/site-packages")
    assert found.base == "/nowhere/bin/python3"
    assert found.abi == ""


def test_pypy(tmp_path: Path) -> None:
    """Another implementation has other directories."""
    root = by_hand(tmp_path / "venv", "version = 3.10.14\n", base="/opt/pypy/bin/pypy3", library="pypy3.10")
    found = venv.read_interpreter(root)
    assert (found.implementation, found.minor, found.site) == ("pypy", "3.10", "lib/pypy3.10/site-packages")


def test_of_two_site_packages_pyvenv_cfg_chooses(tmp_path: Path) -> None:
    """`venv --upgrade` to a new minor version leaves the old directory."""
    root = by_hand(tmp_path / "venv", "version = 3.12.1\n")
    (tmp_path / "venv" / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    assert venv.site_packages(root) == b"lib/python3.12/site-packages"


@pytest.mark.parametrize("name", ["python3.13", "python3.13t"])
def test_of_two_site_packages_of_one_version_the_interpreter_chooses(tmp_path: Path, name: str) -> None:
    """With and without the GIL: after a switch, files of the user's may keep the other one's directory."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / name).touch()
    root = by_hand(tmp_path / "venv", "version = 3.13.1\n", base=str(tmp_path / "base" / name), library="python3.13")
    (tmp_path / "venv/lib/python3.13t/site-packages").mkdir(parents=True)
    assert venv.site_packages(root) == f"lib/{name}/site-packages".encode()


def test_site_packages_is_told_when_it_is_gone(tmp_path: Path) -> None:
    """`rm -rf lib` is a disaster we undo, so it must not stop us from telling what was there."""
    root = by_hand(tmp_path / "venv", "version = 3.11.7\n")
    shutil.rmtree(tmp_path / "venv" / "lib")
    assert venv.site_packages(root) == b"lib/python3.11/site-packages"
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    with pytest.raises(SysvenvError, match="cannot tell the Python"):
        venv.site_packages(root)


def test_what_is_no_environment(tmp_path: Path) -> None:
    """One sentence and what to do, for a plain directory, a missing one, a file."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(SysvenvError, match="no virtual environment at") as caught:
            venv.read_interpreter(str(path))
        assert "sysvenv init" in caught.value.hint


def test_the_base_is_where_the_tree_leads_to(tmp_path: Path) -> None:
    """The first path outside: what the tree depends on. A chain inside is followed, one outside is not."""
    root = tmp_path / "venv"
    by_hand(root, "version = 3.11.7\n", base="python3")
    (root / "bin" / "python3").symlink_to("../../opt/python3")
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "python3").symlink_to("/usr/bin/python3.99")
    assert venv.read_interpreter(str(root)).base == str(tmp_path / "opt" / "python3")


@pytest.mark.parametrize("damage", ["a copy", "missing", "a loop"])
def test_without_a_link_pyvenv_cfg_names_the_base(tmp_path: Path, damage: str) -> None:
    """`venv --copies`, and a bin that was deleted."""
    root = tmp_path / "venv"
    by_hand(root, "home = /opt/bin\nversion = 3.11.7\n")
    (root / "bin" / "python").unlink()
    if damage == "a copy":
        (root / "bin" / "python").write_bytes(b"\x7fELF")
    elif damage == "a loop":
        (root / "bin" / "python").symlink_to("python")
    assert venv.read_interpreter(str(root)).base == "/opt/bin/python3.11"
    (root / "pyvenv.cfg").write_text("home = /opt/bin\nexecutable = /opt/bin/python3.11d\nversion = 3.11.7\n")
    assert venv.read_interpreter(str(root)).base == "/opt/bin/python3.11d"


def interpreter(base: str | Path, version: str = "3.11.7") -> Interpreter:
    minor = ".".join(version.split(".")[:2])
    return Interpreter(version, "cpython", "", "linux-x86_64", str(base), f"lib/python{minor}/site-packages")


def test_a_base_that_is_gone_or_another(tmp_path: Path) -> None:
    """Missing, a directory, not executable; or /usr/bin/python3 that an upgrade of the system turned elsewhere."""
    assert not venv.interpreter_present(interpreter(tmp_path / "gone"))
    assert not venv.interpreter_present(interpreter(tmp_path))
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3.11"
    python.touch(0o644)
    if os.geteuid():
        assert not venv.interpreter_present(interpreter(python))
    python.chmod(0o755)
    assert venv.interpreter_present(interpreter(python))
    (tmp_path / "bin" / "python3").symlink_to("python3.11")
    assert venv.interpreter_present(interpreter(tmp_path / "bin" / "python3"))
    assert not venv.interpreter_present(interpreter(tmp_path / "bin" / "python3", "3.12.1"))


def test_a_base_whose_name_tells_nothing(tmp_path: Path) -> None:
    """Its standard library does; where there is none to see, it is given the benefit of the doubt."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.touch(0o755)
    assert venv.interpreter_present(interpreter(python))
    (tmp_path / "lib" / "python3.12").mkdir(parents=True)
    assert not venv.interpreter_present(interpreter(python))
    (tmp_path / "lib" / "python3.11").mkdir()
    assert venv.interpreter_present(interpreter(python))


# --- PATH ------------------------------------------------------------------------------------------------


def test_path_order(tmp_path: Path) -> None:
    """Which `pip` a shell finds, and what stands in the way of ours."""
    ours, other, plain = (tmp_path / name for name in ("venv/bin", "other", "plain"))
    for directory in (ours, other, plain):
        directory.mkdir(parents=True)
    for program in (ours / "pip", ours / "python", other / "pip", other / "python3"):
        program.touch(0o755)
    (other / "python").mkdir()
    (plain / "pip").touch(0o644)
    (tmp_path / "link").symlink_to(ours)
    path = os.pathsep.join
    shadows = (str(other / "python3"), str(other / "pip"))
    if os.geteuid():
        assert venv.run_path_order(path(map(str, [plain, ours, other])), str(ours)) == PathOrder(1, ())
    assert venv.run_path_order(path(map(str, [tmp_path, ours, other])), str(ours)) == PathOrder(1, ())
    assert venv.run_path_order(path(map(str, [tmp_path / "link", other])), str(ours)).first
    assert venv.run_path_order(path(map(str, [other, ours])), str(ours)) == PathOrder(1, shadows)
    assert not venv.run_path_order(path(map(str, [other, ours])), str(ours)).first
    assert venv.run_path_order(str(other), str(ours)) == PathOrder(-1, shadows)
    assert venv.run_path_order("", str(ours)).position == -1


# --- making one ------------------------------------------------------------------------------------------


def works(root: str, version: str) -> None:
    """Everything in the environment names its own place, and agrees with itself."""
    assert tell(root + "/bin/python", "import sys; print(sys.prefix)") == root
    for command in ([root + f"/bin/pip{version}", "--version"], [root + "/bin/python", "-m", "pip", "check"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "--version" not in command or f" from {root}/lib" in done.stdout
    scripts = [Path(root, "bin", name).read_bytes() for name in ("pip", "pip3", f"pip{version}")]
    assert scripts[0] == scripts[1] == scripts[2]
    activate = '. "$1"; printf "%s|%s|%s" "$VIRTUAL_ENV" "$(command -v pip)" "$PS1"'
    for shell in ("bash", "dash", "zsh"):
        if shutil.which(shell):
            told = subprocess.run(
                [shell, "-c", activate, shell, root + "/bin/activate"], env={"PS1": "$ ", "PATH": os.environ["PATH"]},
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert told.split("|")[:2] == [root, root + "/bin/pip"], shell
            assert f"({os.path.basename(root)})" in told.split("|")[2], shell


def record_agrees(root: str) -> None:
    """Every row of RECORD with a digest tells the truth about its file."""
    site = os.path.join(root, os.fsdecode(venv.site_packages(root)))
    rows = 0
    for info in Path(site).glob("*.dist-info"):
        for row in (info / "RECORD").read_text().splitlines():
            name, digest, size = row.rsplit(",", 2)
            if not digest:
                continue
            content = (Path(site) / name.strip('"')).read_bytes()
            told = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={told}", str(len(content))), name
            rows += name.startswith("../../../bin/")
    assert rows >= 3


def named(root: str, text: str) -> list[str]:
    """Files of a tree that hold `text`."""
    found = []
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                if text.encode() in file.read():
                    found.append(os.path.relpath(path, root))
    return found


@pytest.mark.parametrize("version", sorted({*list(PYTHONS)[:1], *list(PYTHONS)[-1:]}))
def test_create(tmp_path: Path, version: str) -> None:
    """An environment like venv's own, that stands at the place from the first moment, whole.

    What a killed `init` left half made does not stop it.
    """
    root = str(tmp_path / "own" / "venv")
    (tmp_path / "own" / "venv.building" / "bin").mkdir(parents=True)
    venv.create(root, PYTHONS[version])
    assert os.listdir(tmp_path / "own") == ["venv"]
    assert named(root, ".building") == []
    assert venv.read_interpreter(root).minor == version
    works(root, version)
    record_agrees(root)


@pytest.mark.parametrize("place", ["pl ace/my venv", "d" * 100 + "/venv"], ids=["blanks", "long"])
def test_build_for_a_place(tmp_path: Path, place: str) -> None:
    """Made beside while another stands at the place, moved there, right there: blanks, and paths too long for #!."""
    stage, root = tmp_path / "stage" / "fresh", tmp_path / place
    stage.parent.mkdir()
    root.mkdir(parents=True)
    (root / "mine").touch()
    venv.build_fresh(str(stage), str(root), PYTHONS[HERE])
    assert named(str(stage), str(stage)) == []
    assert list(stage.rglob("__pycache__"))  # the first pip is as quick as any
    assert os.listdir(root) == ["mine"]
    os.rename(root, tmp_path / "old")
    os.rename(stage, root)
    record_agrees(str(root))
    works(str(root), HERE)


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """A directory, a file, a dangling link: refused before anything is made."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("directory", "file", "link"):
        with pytest.raises(SysvenvError, match="is there already"):
            venv.create(str(tmp_path / name), PYTHONS[HERE])
        with pytest.raises(SysvenvError, match="is there already"):
            venv.build_fresh(str(tmp_path / name), str(tmp_path / "x"), PYTHONS[HERE])
    assert sorted(os.listdir(tmp_path)) == ["directory", "file", "home", "link"]


def script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def refused(tmp_path: Path, python: str) -> SysvenvError:
    """The error of making an environment with `python`; nothing is left behind."""
    with pytest.raises(SysvenvError) as caught:
        venv.create(str(tmp_path / "place" / "venv"), python)
    assert not (tmp_path / "place").exists() or not os.listdir(tmp_path / "place")
    assert caught.value.hint
    return caught.value


def test_a_python_that_cannot_be_used(tmp_path: Path) -> None:
    """Gone, no Python, too old: one sentence, nothing made."""
    assert "there is no Python at /gone/python3" in refused(tmp_path, "/gone/python3").message
    assert "there is no Python at python9.9" in refused(tmp_path, "python9.9").message
    broken = script(tmp_path / "broken", "echo 'lib not found' >&2; exit 127\n")
    assert "does not run as Python: lib not found" in refused(tmp_path, broken).message
    other = script(tmp_path / "other", "echo hello\n")
    assert "does not run as Python: hello" in refused(tmp_path, other).message
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\x7fELFgarbage")
    garbage.chmod(0o755)
    assert "cannot run" in refused(tmp_path, str(garbage)).message
    old = script(tmp_path / "old", "echo 3.7.16 pip /usr/bin/python3.7\n")
    assert "is Python 3.7; 3." in refused(tmp_path, old).message


def test_a_place_with_the_separator_of_path(tmp_path: Path) -> None:
    """Its bin could never be put on PATH."""
    with pytest.raises(SysvenvError, match="separates directories of PATH"):
        venv.build_fresh(str(tmp_path / "new"), str(tmp_path / "a:b"), PYTHONS[HERE])


def test_a_failing_venv_is_told(tmp_path: Path) -> None:
    """The last line of what it said; the half-made tree goes."""
    python = script(
        tmp_path / "python",
        f'case "$*" in *EnvBuilder*) mkdir -p "$4"; echo oops >&2; exit 1;; esac; exec {PYTHONS[HERE]} "$@"\n',
    )
    chosen = fresh.Base(python, "3.11.7", True)
    with pytest.raises(SysvenvError, match="could not make an environment: oops"):
        fresh._make(chosen, str(tmp_path / "x"), str(tmp_path / "y"))


def without_ensurepip(monkeypatch: pytest.MonkeyPatch) -> str:
    """This Python as Debian ships it without python3-venv; returns its version."""
    found = fresh.probe(PYTHONS[HERE])
    monkeypatch.setattr(fresh, "probe", lambda python: found._replace(has_ensurepip=False))
    return found.minor


def test_no_ensurepip_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says what to install, for this version of Python."""
    version = without_ensurepip(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(tmp_path, PYTHONS[HERE])
    assert "has no ensurepip" in error.message
    assert f"apt install python{version}-venv" in error.hint


def test_virtualenv_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ensurepip; the result is relocated like any other."""
    without_ensurepip(monkeypatch)
    script(
        tmp_path / "tools" / "virtualenv",
        f'echo "$@" > {tmp_path}/asked; for root; do :; done\n'
        f'{PYTHONS[HERE]} -m venv --without-pip --prompt "$5" "$root"\n'
        'printf "#!%s/bin/python\\n" "$root" > "$root/bin/pip"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
    root = str(tmp_path / "place" / "venv")
    venv.create(root, PYTHONS[HERE])
    asked = (tmp_path / "asked").read_text()
    assert asked == f"--quiet --python {PYTHONS[HERE]} --prompt venv {root}.building\n"
    assert named(root, ".building") == []
    assert Path(root, "bin", "pip").read_text() == f"#!{root}/bin/python\n"


def test_uv_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real uv, seeding pip from the wheels Python itself brings."""
    uv = shutil.which("uv") or os.path.join(os.path.dirname(sys.executable), "uv")
    version, python = list(PYTHONS.items())[-1]
    if not os.path.exists(uv) or version < "3.12":
        pytest.skip("needs uv, and Python 3.12, for which it seeds no more than pip")
    found = fresh.probe(python)
    monkeypatch.setattr(fresh, "probe", lambda python: found._replace(has_ensurepip=False))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "uv").symlink_to(uv)
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:/usr/bin:/bin")
    wheels = tell(python, "import ensurepip, os; print(os.path.dirname(ensurepip.__file__))") + "/_bundled"
    monkeypatch.setenv("UV_FIND_LINKS", wheels)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = str(tmp_path / "pl ace" / "venv")
    venv.create(root, python)
    assert named(root, ".building") == []
    works(root, version)
    record_agrees(root)
