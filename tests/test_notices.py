"""Notices: what is said of a pip that did more than it was asked for, and where each package came from."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import Environment
from scenes import Scene
from tiny import ONE, TWO, Tiny, begun

from sysvenv import notices, os_packages, standards
from sysvenv.config import Config, HistoryConfig
from sysvenv.dists import Distribution, place
from sysvenv.history import History, Operation
from sysvenv.import_names import import_names
from sysvenv.notices import Downgrade, LostFiles, Notices, SharedFiles, SharedImport
from sysvenv.operations import record, rewind, tracking
from sysvenv.operations.record import Command, Outcome
from sysvenv.operations.results import Recorded
from sysvenv.render import notices as lines
from sysvenv.render import packages
from sysvenv.render.after_pip import recorded
from sysvenv.render.screen import Screen
from sysvenv.venv import Interpreter

pytest_plugins = ["homes"]

SITE = "lib/python3.9/site-packages"
PYTHON = Interpreter("3.9.1", "cpython", "", "linux-x86_64", "/usr/bin/python3.9", SITE)
"""Of the environment; not the one the tests run on."""


def dist(
    name: str, *requires: str, requested: bool = False, installer: str = "pip", version: str = "1"
) -> Distribution:
    return Distribution(name, version, f"{SITE}/{name}.dist-info".encode(), installer, requested, None, requires, name)


def told(result: Recorded) -> list[str]:
    """The lines of the notices that are printed after a pip."""
    stream = io.StringIO()
    recorded(result, None, stream)
    printed = stream.getvalue().splitlines()
    assert all(len(line) <= 80 for line in printed), printed
    return [line for line in printed if line.startswith((" ! ", "   "))]


def shown(value: Notices) -> list[str]:
    """How notices look in 80 columns."""
    stream = io.StringIO()
    lines.show(Screen(stream, color=False), Operation(1, "pip", 0, (), 0.0, "", notices=notices.to_json(value)))
    return stream.getvalue().splitlines()


# --- versions and requirements -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("1.9", "1.10", True), ("2", "1!1", True), ("2.0rc1", "2.0", True), ("1.0", "1.0.0", False), ("2", "1", False),
     ("2.0+local", "2.0", False), ("1.0.post1", "1.0", False), ("1.0, 2.0", "3.0", False), ("1", "unknown", False)],
)  # fmt: skip
def test_versions_are_ordered_as_pep_440_has_it(version: str, than: str, older: bool) -> None:
    """Epochs, pre-releases, local ones; of what is no version, nothing is said."""
    assert standards.is_older(version, than) is older


@pytest.mark.parametrize(
    ("requires", "holds"),
    [
        (["Low.Dep>=1"], True),
        (["other"], False),
        (["low-dep; python_version < '3.10'"], True),
        (["low-dep; python_version >= '3.10'"], False),
        (["low-dep; implementation_name == 'pypy'"], False),
        (["low-dep; extra == 'all'"], True),
        (["low-dep; extra == 'all'", "absent; extra == 'all'"], False),
        (["low-dep; extra == 'all'", "absent; extra == 'all' and sys_platform == 'nowhere'"], True),
        (["low-dep; extra == 'all' and python_version >= '3.10'"], False),
        (["low-dep >>> nonsense"], True),
    ],
)
def test_which_requirements_are_in_force(requires: list[str], holds: bool) -> None:
    """Markers are those of the environment's Python; an extra counts when all of it is there, and so does what cannot
    be read."""
    assert standards.in_force(requires, {"low-dep"}, PYTHON, {"low-dep", "other"}) == (requires[:1] if holds else [])


# --- orphans -------------------------------------------------------------------------------------------

CHAIN = [dist("top", "mid", requested=True), dist("mid", "low"), dist("low", "mid"), dist("pip"), dist("rest")]


@pytest.mark.parametrize(
    ("stays", "found"),
    [
        ([], ("low", "mid")),
        ([dist("also", "mid>=1")], ()),
        ([dist("also", "low")], ()),
        ([dist("also", "mid; python_version > '3.9'")], ("low", "mid")),
        ([dist("also", "mid; extra == 'x'", "absent; extra == 'x'")], ("low", "mid")),
    ],
)
def test_orphans_of_orphans(stays: list[Distribution], found: tuple[str, ...]) -> None:
    """What requires each other in a ring is held by nobody; a requirement from outside holds all of it."""
    assert notices.orphans([*CHAIN, *stays], [*CHAIN[1:], *stays], PYTHON) == found


def test_what_is_never_called_an_orphan() -> None:
    """What somebody asked for, what other installers brought, what was not required before, and the tools."""
    before = [dist("top", "a", "b", "c", "setuptools", requested=True), dist("setuptools"), dist("stray")]
    kept = [dist("a", requested=True), dist("b", installer="uv"), dist("c")]
    assert notices.orphans([*before, *kept], [*before[1:], *kept], PYTHON) == ("c",)
    assert notices.orphans([*before, *kept], [*before[1:], *kept], PYTHON, asked_for={"c"}) == ()
    assert notices.orphans(before, before, PYTHON) == ()


# --- names ---------------------------------------------------------------------------------------------


def test_import_names_of_files() -> None:
    """A module or a regular package is all of its name; a directory without __init__ is a part of a namespace."""
    paths = ["one/__init__.py", "one/x.py", "space/a/__init__.py", "mod.py", "fast.cpython-39-x86_64-linux-gnu.so",
             "data/readme.txt", "not-a-name/x.py", "one-1.dist-info/x.py"]  # fmt: skip
    found = import_names([f"{SITE}/{path}".encode() for path in paths] + [b"bin/tool.py"], SITE.encode())
    assert found == {"one": True, "space": False, "mod": True, "fast": True}


def test_packages_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told from names in the places of Debian and Fedora; only where the environment's Python is the system's own."""
    prefix = tmp_path / "usr"
    for name in ("lib/python3/dist-packages/PyYAML-6.0.egg-info", "lib/python3.9/site-packages/six-1.16.0.dist-info"):
        (prefix / name).mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin/python3.9").touch()
    (prefix / "bin/python3").symlink_to("python3.9")
    monkeypatch.setattr(os_packages, "PREFIX", str(prefix))
    assert os_packages.names(PYTHON._replace(base=str(prefix / "bin/python3"))) == {"pyyaml", "six"}
    assert os_packages.names(PYTHON._replace(base=str(prefix / "local/bin/python3"))) == frozenset()


@pytest.mark.parametrize(
    ("direct_url", "origin", "expected"),
    [
        (None, {"url": "https://****@files.example.org/a/six.whl"}, "files.example.org"),
        (None, {"url": "file:///wheels/a%20b.whl"}, "/wheels/a b.whl"),
        (None, None, ""),
        ({"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}}, None,
         "https://host/x.git@0123456789ab"),
        ({"url": "https://host/x.zip", "archive_info": {}}, None, "https://host/x.zip"),
        ({"url": "file:///home/u/x", "dir_info": {"editable": True}}, {"url": "file:///other"}, "/home/u/x"),
        ({"url": "https://host/\x1b[31m"}, None, "https://host/?[31m"),
    ],
)  # fmt: skip
def test_the_place_a_distribution_came_from(
    direct_url: dict[str, object] | None, origin: dict[str, object] | None, expected: str
) -> None:
    """The host of an index, all of any other URL with its commit, the path of a file or project."""
    assert place(dist("x")._replace(direct_url=direct_url), origin) == expected


def test_how_and_where_from_in_words() -> None:
    """What history --detailed and diff say beside each package."""
    sources = {"a": "index", "b": "index", "c": "vcs", "d": "editable", "e": "uv", "f": "external", "g": "local"}
    places = {"a": "pypi.org", "b": "/wheels/b.whl", "c": "https://host/c.git@0123", "d": "/home/u/d", "g": "/home/u/g"}
    operation = Operation(1, "pip", 0, (), 0.0, "", sources=sources, places=places)
    assert list(packages.origins(operation).values()) == [
        "index, pypi.org", "file, /wheels/b.whl", "vcs, https://host/c.git@0123", "editable, /home/u/d", "uv",
        "by hand", "file, /home/u/g",
    ]  # fmt: skip


# --- lines and records ---------------------------------------------------------------------------------

ALL = Notices(
    (Downgrade("numpy", "2.1.0", "1.26.4", "pandas", "<2"), Downgrade("six", "2", "1")),
    (SharedFiles(("a", "b"), f"{SITE}/tests/__init__.py", 1, "b"), SharedFiles(("a", "b", "c"), "bin/run")),
    (LostFiles("kept", f"{SITE}/a.py", 2, "gone"), LostFiles("other", "bin/x", 0, "gone")),
    (SharedImport(("py-yaml", "yaml"), "yaml"),),
    ("certifi", "six"),
    tuple(f"a-rather-long-name-{number}" for number in range(5)),
)


def test_each_notice_is_a_line() -> None:
    """In 80 columns; a command that is longer goes on as a shell takes it."""
    assert shown(ALL) == [
        " ! numpy went back from 2.1.0 to 1.26.4: pandas requires numpy<2",
        " ! six went back from 2 to 1",
        " ! a and b both have tests/__init__.py and 1 more file: those of b are there now",
        " ! a, b and c all have bin/run",
        " ! py-yaml and yaml are both imported as yaml",
        " ! The system has certifi and six too: its programs run by env python3 get these",
        " ! a.py and 2 more files went with gone, and kept has lost them:",
        "   pip install --force-reinstall --no-deps kept",
        " ! bin/x went with gone, and other has lost it:",
        "   pip install --force-reinstall --no-deps other",
        " ! Nothing requires them any more: pip uninstall a-rather-long-name-0 \\",
        "   a-rather-long-name-1 a-rather-long-name-2 a-rather-long-name-3 \\",
        "   a-rather-long-name-4",
    ]
    assert shown(Notices()) == []
    assert shown(Notices(orphans=("low",))) == [" ! Nothing requires it any more: pip uninstall low"]
    assert shown(Notices(system=tuple("abcdefgh")))[0].startswith(" ! The system has a, b, c, d, e and 3 more too: ")


def test_notices_are_read_as_they_were_written() -> None:
    """And nothing else is: a record that makes no sense is called damaged, not shown."""
    assert notices.from_json(json.loads(json.dumps(notices.to_json(ALL)))) == ALL
    assert notices.to_json(Notices()) == {}
    for damaged in ({"orphans": [1]}, {"orphans": 1}, {"files": [{"path": "x"}]}, {"downgrades": [{"odd": ""}]},
                    {"files": [{"distributions": ["a"], "path": "x", "more": "y"}]}, {"imports": [1]},
                    {"lost": [{"name": 1, "path": "x", "more": 1, "removed": ""}]}):  # fmt: skip
        with pytest.raises(ValueError, match="no notices"):
            notices.from_json(damaged)


# --- with pip ------------------------------------------------------------------------------------------


def test_what_two_distributions_share(env: Environment) -> None:
    """Files that both claim and import names that both bring are told when the second comes. A namespace package, a
    package whose __init__ is the same in all, and a family that requires each other are no conflict. When one of two
    goes, the other has lost what they shared."""
    joint = {"joint/__init__.py": "", "space/common/readme.txt": ""}
    env.wheel("alpha", "1", {"tests/__init__.py": "", "tests/a.py": "1", "conf/x.py": "", **joint, "space/a.py": ""})
    env.wheel("beta", "1", {"tests/__init__.py": "", "tests/a.py": "2", "joint/__init__.py": "", "space/b.py": ""})
    env.wheel("gamma", "1", {"conf/__init__.py": "", "alpha_family.py": "", "one.py": ""})
    env.wheel("family", "1", {"one/__init__.py": ""}, requires=["gamma"])
    assert told(env.pip("install", "alpha")) == []
    assert told(env.pip("install", "beta", "family")) == [
        " ! alpha and beta both have tests/__init__.py and 1 more file: those of beta are",
        "   there now",
        " ! alpha and gamma are both imported as conf",
    ]
    assert told(env.pip("uninstall", "-y", "beta")) == [
        " ! joint/__init__.py and 2 more files went with beta, and alpha has lost them:",
        "   pip install --force-reinstall --no-deps alpha",
    ]


def test_going_back_to_an_older_version(upgraded: Environment) -> None:
    """It is told who required that. A pip that failed tells of nothing else; undo and redo tell of nothing."""
    upgraded.wheel("needs-old", "1", {"needs_old.py": "", "demo/extra.py": ""}, requires=["demo<2", "new"])
    upgraded.wheel("new", "1", {"other.py": "", "new.py": ""})
    command = Command(["python", "-m", "pip", "install", "needs-old"], "/", 1)
    recording = record.begin(upgraded.context, None, command, {})
    assert upgraded.bare_pip("install", "needs-old") == 0
    result = recording.finish(Outcome(1), None)
    assert told(result) == [" ! demo went back from 2.0 to 1.0: needs-old requires demo<2"]
    assert result.operation and set(result.operation.notices) == {"downgrades"}
    for switch in (rewind.undo, rewind.redo):
        switch(upgraded.context)
    rewind.restore(upgraded.context, "@2")
    assert History(upgraded.home).all()[0][-1].notices == {}


def test_what_nothing_requires_any_more(env: Environment) -> None:
    """Of an uninstall: with the command that removes it, less what somebody once named. With history.notices off, or
    in a record of before there were notices, there are none."""
    env.wheel("top", "1", {"top.py": ""}, requires=["mid", "named", "more; extra == 'x'\nProvides-Extra: x"])
    env.wheel("mid", "1", {"mid.py": ""}, requires=["low"])
    for name in ("low", "named", "more"):
        env.wheel(name, "1", {f"{name}.py": ""})
    assert told(env.pip("install", "top[x]")) == []
    assert told(env.pip("install", "named", "other")) == []
    expected = [" ! Nothing requires them any more: pip uninstall low mid more"]
    assert told(env.pip("uninstall", "-y", "top")) == expected
    record_of = Path(env.home.history) / "003_after.json"
    old = {key: value for key, value in json.loads(record_of.read_text()).items() if key not in ("notices", "places")}
    record_of.write_text(json.dumps(old))
    assert (History(env.home).read(3).notices, History(env.home).read(3).places) == ({}, {})
    rewind.undo(env.context)
    env.context = env.context._replace(config=Config(HistoryConfig(notices=False)))
    result = env.pip("uninstall", "-y", "top")
    assert result.operation and result.operation.notices == {}


def test_an_editable_install_counts_by_its_top_level(tmp_path: Path) -> None:
    """Its files are elsewhere; whoever comes second is told of, and a new version of either is no news."""
    tiny = begun(tmp_path / "home", 0)
    recording = record.begin(tiny.context, None, Command(["pip", "install", "-e", "."], "/", 1), {})
    info = tiny.site / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "top_level.txt").write_text("mine\ndemo\n")
    (info / "direct_url.json").write_text('{"url": "file:///home/u/mine", "dir_info": {"editable": true}}')
    result = recording.finish(Outcome(0), None)
    assert told(result) == []
    assert result.operation and result.operation.places == {"mine": "/home/u/mine"}
    assert told(tiny.pip("1.0", ONE)) == [" ! demo and mine are both imported as demo"]
    assert told(tiny.pip("2.0", TWO)) == []  # it was so before


def test_what_comes_anew_is_looked_at_without_packaging(tmp_path: Path) -> None:
    """That library takes longer to import than all the rest that follows a pip; only versions and markers need it."""
    code = (
        "import sys; from pathlib import Path; from tiny import ONE, Tiny\n"
        f"home = Tiny(Path({str(tmp_path / 'home')!r})); home.begin(); home.pip('1.0', ONE)\n"
        "print(*sorted({'packaging', 'sysvenv.operations.notice'} & set(sys.modules)))"
    )
    here = Path(__file__).parent
    environ = {**os.environ, "PYTHONPATH": f"{here}:{here.parent}"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "sysvenv.operations.notice\n"


def test_what_the_system_has_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it comes anew, not when it changes; pip itself is in every environment."""
    tiny = begun(tmp_path / "home", 0)
    monkeypatch.setattr(os_packages, "names", lambda python: {"demo", "pip"})
    lead = " ! The system has demo too: its programs run by env python3 get this one"
    assert told(tiny.pip("1.0", ONE)) == [lead]
    assert told(tiny.pip("2.0", TWO)) == []


def test_a_project_does_not_stand_in_for_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment comes first on PATH only while it is active."""
    own, venv = Tiny(tmp_path / "own"), tmp_path / "shop/.venv"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
    tracking.track(own.context, str(venv), "")
    monkeypatch.setattr(os_packages, "names", lambda python: {"demo"})
    assert told(Tiny(tmp_path / "own/envs/shop").pip("1.0", ONE)) == []


def test_through_the_hook(tmp_path: Path) -> None:
    """On stderr, between the changes and what takes them back; later in history, diff and their JSON."""
    scene = Scene(tmp_path / "scene")
    scene.root.mkdir()
    assert scene.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(scene.venv)]).code == 0
    (scene.site / "by_hand.py").touch()
    assert scene.sysvenv("init").code == 0
    assert scene.run(scene.pip("install", "demo==2.0")).code == 0
    answer = scene.run(scene.pip("install", "demo==1.0"))
    line = " ! demo went back from 2.0 to 1.0"
    assert answer.errors.splitlines()[-3:] == [
        " ~ demo 2.0 -> 1.0", line, "@2 recorded; take it back: sysvenv undo",
    ]  # fmt: skip
    assert line not in answer.output
    place_of = f"file, {scene.wheels}/demo-1.0-py3-none-any.whl"
    assert line in scene.sysvenv("diff", "@2").output.splitlines()
    detailed = scene.sysvenv("history", "--detailed").output
    assert f"   {line}" in detailed.splitlines()
    assert place_of in detailed
    (newest, *_) = json.loads(scene.sysvenv("history", "--json").output)["result"]["operations"]
    assert newest["notices"]["downgrades"] == [
        {"name": "demo", "before": "2.0", "after": "1.0", "required_by": "", "specifier": ""}
    ]
    assert line not in scene.sysvenv("undo").text
