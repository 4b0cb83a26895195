"""What undo takes back and what it leaves alone: the kind of every sort of path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sysvenv import dists
from sysvenv.kinds import BYTECODE, DATA, ENVIRONMENT, OURS, Classifier, Kind, source_of

SITE = b"lib/python3.11/site-packages"
FILE = stat.S_IFREG | 0o644


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree whose RECORD names a data file, a header and a man page."""
    info = tmp_path / SITE.decode() / "demo-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(
        "demo/__init__.py,,\ndemo/data.json,,\n../../../share/man/man1/demo.1,,\n../../../include/demo.h,,\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        # ours
        (b".sysvenv", OURS),
        (b".lock", OURS),
        (SITE + b"/_sysvenv.pth", OURS),
        (SITE + b"/_sysvenv.start", OURS),
        (SITE + b"/_sysvenv.py", OURS),
        (SITE + b"/_sysvenv_gate.py", OURS),
        (SITE + b"/__pycache__/_sysvenv_gate.cpython-311.pyc", OURS),
        (SITE + b"/__pycache__/_sysvenv.cpython-311.pyc", OURS),
        (SITE + b"/demo/_sysvenv.py", ENVIRONMENT),
        (SITE + b"/demo/.lock", DATA),
        # bytecode
        (SITE + b"/demo/__pycache__/m.cpython-311.pyc", BYTECODE),
        (SITE + b"/demo/__pycache__/kernel-12.py311.nbi", BYTECODE),
        (b"bin/__pycache__/activate_this.cpython-311.pyc", BYTECODE),
        (b"__pycache__/x.pyc", BYTECODE),
        (SITE + b"/my__pycache__/notes.txt", DATA),
        # environment by its name
        (b"bin/anything", ENVIRONMENT),
        (b"bin/deep/er/file", ENVIRONMENT),
        (b"pyvenv.cfg", ENVIRONMENT),
        (b".gitignore", ENVIRONMENT),
        (b"CACHEDIR.TAG", ENVIRONMENT),
        (b"share/.gitignore", DATA),
        (SITE + b"/distutils-precedence.pth", ENVIRONMENT),
        (SITE + b"/x.start", ENVIRONMENT),
        (SITE + b"/project.egg-link", ENVIRONMENT),
        (SITE + b"/loose.py", ENVIRONMENT),
        (SITE + b"/demo/deep/m.py", ENVIRONMENT),
        (SITE + b"/demo/_c.cpython-311-x86_64-linux-gnu.so", ENVIRONMENT),
        (SITE + b"/demo/_c.abi3.so", ENVIRONMENT),
        (SITE + b"/demo/_c.pyd", ENVIRONMENT),
        (SITE + b"/demo/m.pyi", ENVIRONMENT),
        (SITE + b"/demo-1.0.dist-info/licenses/COPYING", ENVIRONMENT),
        (SITE + b"/old-1.0.egg-info/PKG-INFO", ENVIRONMENT),
        (SITE + b"/old-1.0.egg-info", ENVIRONMENT),
        (SITE + b"/zipped-1.0-py3.11.egg", ENVIRONMENT),
        (SITE + b"/dir-1.0-py3.11.egg/data.bin", ENVIRONMENT),
        (SITE + b"/~umpy/core/LICENSE.txt", ENVIRONMENT),
        # environment by RECORD or by the last manifest
        (SITE + b"/demo/data.json", ENVIRONMENT),
        (b"share/man/man1/demo.1", ENVIRONMENT),
        (b"include/demo.h", ENVIRONMENT),
        (SITE + b"/demo/known.bin", ENVIRONMENT),
        # the user's
        (SITE + b"/demo/models/resnet.pth", DATA),
        (SITE + b"/demo/cache.db", DATA),
        (b"notes.txt", DATA),
        (b"work/analysis.py", DATA),
        (b"work/analysis.ipynb", DATA),
        (b"share/other.txt", DATA),
        (b"lib/python3.11/site-packages.txt", DATA),
    ],
)
def test_kind_of_a_file(root: Path, path: bytes, kind: Kind) -> None:
    """Each sort of file, by the first rule that fits."""
    assert Classifier(str(root), SITE, {SITE + b"/demo/known.bin"}).kind(path, FILE) is kind


def test_symlinks_are_environment_and_sockets_are_data(root: Path) -> None:
    """A link costs nothing to keep exactly; what is no file cannot be kept at all."""
    classifier = Classifier(str(root), SITE)
    assert classifier.kind(b"lib64", stat.S_IFLNK | 0o777) is ENVIRONMENT
    assert classifier.kind(b"anywhere/link", stat.S_IFLNK | 0o777) is ENVIRONMENT
    for special in (stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK):
        assert classifier.kind(b"bin/special", special | 0o600) is DATA


def test_a_module_without_source_is_environment(root: Path) -> None:
    """Nobody could build a module shipped as .pyc only again; beside its source the same name is a cache."""
    package = root / SITE.decode() / "demo"
    package.mkdir()
    classifier = Classifier(str(root), SITE)
    assert classifier.kind(SITE + b"/demo/closed.pyc", FILE) is ENVIRONMENT
    (package / "closed.py").touch()
    assert classifier.kind(SITE + b"/demo/closed.pyc", FILE) is BYTECODE
    assert classifier.kind(b"work/stray.pyc", FILE) is BYTECODE


def test_records_are_read_once_and_only_if_needed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading every RECORD costs tens of milliseconds around each pip; most paths are decided by name."""
    asked: list[bytes] = []
    monkeypatch.setattr("sysvenv.kinds.dists.claims", lambda root, place: asked.append(place) or set())
    classifier = Classifier(str(root), SITE, {b"share/known"})
    for path in (b"bin/x", b"pyvenv.cfg", SITE + b"/a.py", b"share/known", SITE + b"/__pycache__/a.pyc"):
        classifier.kind(path, FILE)
    assert asked == []
    classifier.kind(b"undecided", FILE)
    classifier.kind(b"another", FILE)
    assert len(asked) == 1


def test_what_just_came_is_looked_for_in_the_newest_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pip only what it brought is asked for: of 700 RECORDs, those of before are not read."""
    site = root / SITE.decode()
    for seconds, name in enumerate(("demo-1.0", "older-1.0", "newer-1.0")):
        info = site / f"{name}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "RECORD").write_text(f"{name}.txt,,\n")
        os.utime(info, (seconds, seconds))
    read: list[bytes] = []
    real = dists.claims
    monkeypatch.setattr(dists, "claims", lambda root, place: read.append(place) or real(root, place))
    classifier = Classifier(str(root), SITE)
    assert classifier.kind(SITE + b"/newer-1.0.txt", FILE) is ENVIRONMENT
    assert read == [SITE + b"/newer-1.0.dist-info"]
    assert classifier.kind(SITE + b"/nobody.txt", FILE) is DATA
    assert read == [SITE + b"/%s.dist-info" % name for name in (b"newer-1.0", b"older-1.0", b"demo-1.0")]
    assert classifier.kind(SITE + b"/demo-1.0.txt", FILE) is ENVIRONMENT


def test_no_site_packages_leaves_data_data(tmp_path: Path) -> None:
    """`rm -rf site-packages` must not make the classifier fail."""
    assert Classifier(str(tmp_path), SITE).kind(b"share/x", FILE) is DATA


@pytest.mark.parametrize(
    ("pyc", "source"),
    [
        (b"pkg/__pycache__/m.cpython-311.pyc", b"pkg/m.py"),
        (b"pkg/__pycache__/m.cpython-311.opt-1.pyc", b"pkg/m.py"),
        (b"pkg/__pycache__/m.cpython-313t.opt-2.pyc", b"pkg/m.py"),
        (b"pkg/__pycache__/dotted.name.pypy310.pyc", b"pkg/dotted.name.py"),
        (b"pkg/__pycache__/test_x.cpython-311-pytest-8.3.4.pyc", b"pkg/test_x.py"),
        (b"__pycache__/m.cpython-311.pyc", b"m.py"),
        (b"pkg/m.pyc", b"pkg/m.py"),
        (b"m.pyc", b"m.py"),
        (b"pkg/__pycache__/m.pyc", None),
        (b"pkg/__pycache__/.cpython-311.pyc", None),
        (b"pkg/__pycache__/m.cpython-311.pyc.140234", None),
        (b"pkg/.pyc", None),
        (b"pkg/m.py", None),
    ],
)
def test_source_of_bytecode(pyc: bytes, source: bytes | None) -> None:
    """Bytecode goes with the source it was compiled from (PEP 3147)."""
    assert source_of(pyc) == source


def test_source_of_agrees_with_python() -> None:
    """What this interpreter names its bytecode is taken apart again."""
    import importlib.util

    for optimization in ("", "1", "2"):
        cached = importlib.util.cache_from_source("a/b.py", optimization=optimization)
        assert source_of(os.fsencode(cached)) == b"a/b.py"
