"""The distributions of a tree: what pip wrote, what older tools wrote, and what a crash or a stranger left."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheels import build_wheel

from sysvenv import dists, records
from sysvenv.dists import Change, Distribution

SITE = b"lib/python3.11/site-packages"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "venv" / SITE.decode()
    path.mkdir(parents=True)
    return path


def root(site: Path) -> str:
    return str(site.parent.parent.parent)


def dist_info(site: Path, name: str = "demo-1.0", **files: str | bytes) -> bytes:
    """A dist-info directory with METADATA unless given otherwise; `direct_url_json` stands for direct_url.json."""
    info = site / f"{name}.dist-info"
    info.mkdir()
    title, _, version = name.partition("-")
    written = {"METADATA": f"Metadata-Version: 2.1\nName: {title}\nVersion: {version}\n\nText\n"} | files
    for file, content in written.items():
        path = info / file.replace("_json", ".json").replace("_txt", ".txt")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return SITE + f"/{name}.dist-info".encode()


def only(site: Path) -> Distribution:
    [location] = dists.find_locations(root(site), SITE)
    return dists.read_distribution(root(site), location)


# --- with real pip ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """A tree real pip installed into: two wheels, one of them asked for by name, one by path."""
    place = tmp_path_factory.mktemp("installed")
    build_wheel(place / "wheels", "Needed.Thing", "2.0", {"needed/__init__.py": "", "needed/data.json": "{}"})
    wheel = build_wheel(
        place / "wheels",
        "asker",
        "1.5",
        {"asker.py": "def main(): ...", "asker_data/odd näme.txt": "x", "asker-1.5.data/data/share/asker/x": "x"},
        requires=["needed-thing>=1"],
        scripts={"ask": "asker:main"},
    )
    tree = place / "tree"
    pip = [sys.executable, "-I", "-m", "pip", "install", "-q", "--no-index", "--find-links", str(place / "wheels")]
    subprocess.run([*pip, "--prefix", str(tree), wheel], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return str(tree), f"lib/{version}/site-packages".encode()


def test_what_pip_installed(installed: tuple[str, bytes]) -> None:
    """Name, version, who installed it and from where, who asked for it and what it needs."""
    tree, site = installed
    asker, needed = [dists.read_distribution(tree, place) for place in dists.find_locations(tree, site)]
    if asker.name != "asker":
        asker, needed = needed, asker
    assert (asker.name, asker.version, asker.installer) == ("asker", "1.5", "pip")
    assert asker.requested
    assert asker.requires == ("needed-thing>=1",)
    assert asker.direct_url is not None
    assert dists.source(asker) == "local"
    assert (needed.name, needed.title, needed.requested) == ("needed-thing", "Needed.Thing", False)
    assert dists.source(needed) == "index"


def test_claims_are_the_files_pip_wrote(installed: tuple[str, bytes]) -> None:
    """Together the RECORDs name each file of the tree, odd names and scripts included, and no other."""
    tree, site = installed
    claimed = set().union(*(dists.claims(tree, place) for place in dists.find_locations(tree, site)))
    there = {
        os.fsencode(os.path.relpath(os.path.join(parent, name), tree))
        for parent, _, names in os.walk(tree)
        for name in names
    }
    assert claimed == there
    assert {b"bin/ask", b"share/asker/x", site + "/asker_data/odd näme.txt".encode()} <= claimed


def test_distributions_survive_json(installed: tuple[str, bytes]) -> None:
    """What a manifest keeps is what was read."""
    tree, site = installed
    for place in dists.find_locations(tree, site):
        dist = dists.read_distribution(tree, place)
        assert dists.from_json(json.loads(json.dumps(dists.to_json(dist)))) == dist


# --- what is a distribution ------------------------------------------------------------------------------


def test_every_sort_of_distribution_is_found(site: Path) -> None:
    """And leftovers, plain packages and files called like a dist-info are not."""
    for directory in ("a-1.dist-info", "b-1.egg-info", "c-1-py3.11.egg", "~ip-23.dist-info", "~umpy", "pkg"):
        (site / directory).mkdir()
    for file in ("d.egg-link", "e-1.egg-info", "f-1-py3.11.egg", "g-1.dist-info", "dist-info", "x.py"):
        (site / file).touch()
    found = [os.path.basename(place).decode() for place in dists.find_locations(root(site), SITE)]
    assert found == ["a-1.dist-info", "b-1.egg-info", "c-1-py3.11.egg", "d.egg-link", "e-1.egg-info", "f-1-py3.11.egg"]
    assert dists.leftovers(root(site), SITE) == [SITE + b"/~ip-23.dist-info", SITE + b"/~umpy"]


def test_no_site_packages_is_no_distribution(tmp_path: Path) -> None:
    """After `rm -rf site-packages` there is nothing, and nothing fails."""
    assert dists.find_locations(str(tmp_path), SITE) == []
    assert dists.leftovers(str(tmp_path), SITE) == []


@pytest.mark.parametrize("written", ["Zope.Interface", "zope_interface", "zope--Interface", "ZOPE-._-interface"])
def test_names_are_canonical(written: str) -> None:
    """As packaging has it (PEP 503)."""
    from packaging.utils import canonicalize_name

    assert dists.canonical(written) == canonicalize_name(written) == "zope-interface"


def test_duplicates_are_told() -> None:
    """Two dist-infos of one name: pip uninstall would take one of them, which one nobody knows."""
    one, two = Distribution("demo", "1.0", b"a"), Distribution("demo", "2.0", b"b")
    assert dists.duplicates([two, Distribution("other", "1", b"c"), one]) == [("demo", [b"a", b"b"])]


# --- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "title", "version"),
    [
        (b"", "demo", "1.0"),
        (b"\xff\xfe\x00\x01" * 50, "demo", "1.0"),
        (b"Name: \nVersion: \n", "demo", "1.0"),
        (b"Name: ../../evil\nVersion: 2\n", "demo", "2"),
        (b"Name: a b\nVersion: \x1b[31mred\n", "demo", "1.0"),
        (b"Name: demo\nVersion: " + b"9" * 1000 + b"\n", "demo", "1.0"),
        (b"<<<<<<< HEAD\nName: other\n", "demo", "1.0"),
        (b"Name: Demo\r\nVersion: 3.0\r\n\r\nName: other\r\n", "Demo", "3.0"),
        (b"\xef\xbb\xbfName: Demo\nVersion: 3.0\n", "Demo", "3.0"),
        (b"name: Demo\nVERSION:3.0\nSummary: x\n  Name: y\n", "Demo", "3.0"),
        (b"Name: demo\nVersion: 3.0\nSummary: torn" + b"\0" * 4096, "demo", "3.0"),
        (b"Name: demo\nClassifier: x\n" + b"Classifier: y\n" * 3000 + b"Version: 3.0\n\n", "demo", "3.0"),
        (b"x" * (2 << 20), "demo", "1.0"),
    ],
)
def test_damaged_metadata(site: Path, metadata: bytes, title: str, version: str) -> None:
    """What makes sense is taken, for the rest the directory's name tells."""
    dist_info(site, METADATA=metadata)
    dist = only(site)
    assert (dist.name, dist.title, dist.version) == ("demo", title, version)


def test_a_dist_info_with_nothing_in_it(site: Path) -> None:
    """pip ignores it; we list it, or nobody would ever find it."""
    (site / "demo_pkg-1.0.dist-info").mkdir()
    dist = only(site)
    assert (dist.name, dist.version, dist.installer, dist.requested) == ("demo-pkg", "1.0", "", False)
    assert dists.claims(root(site), dist.location) == set()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("demo-1.0.dist-info", ("demo", "1.0")),
        ("demo_pkg-1.0+local.1.dist-info", ("demo-pkg", "1.0+local.1")),
        ("old-name-1.0-1.dist-info", ("old-name", "1.0-1")),
        ("demo.dist-info", ("demo", "")),
        ("demo-unknown.dist-info", ("demo", "unknown")),
        (".dist-info", ("", "")),
        ("demo-1.0-py3.11.egg-info", ("demo", "1.0")),
        ("demo-1.0-py3.11-linux-x86_64.egg", ("demo", "1.0")),
        ("d\x1b[31m-1.0.dist-info", ("d?[31m", "1.0")),
    ],
)
def test_what_a_directory_name_tells(site: Path, name: str, told: tuple[str, str]) -> None:
    """Also names no tool would write; none may reach the terminal as an escape sequence."""
    (site / name).mkdir()
    dist = only(site)
    assert (dist.name, dist.version) == told


def test_a_name_that_is_no_utf8(site: Path) -> None:
    """Paths are bytes; JSON keeps them too."""
    os.mkdir(os.path.join(os.fsencode(site), b"caf\xe9-1.0.dist-info"))
    dist = only(site)
    assert dist.location == SITE + b"/caf\xe9-1.0.dist-info"
    assert dist.version == "1.0"
    assert dists.from_json(json.loads(json.dumps(dists.to_json(dist)))) == dist


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"url": 3}', "[" * 5000, "\x00", '{"url": NaN}'])
def test_a_damaged_direct_url(site: Path, content: str) -> None:
    """Counts as none."""
    dist_info(site, direct_url_json=content)
    assert only(site).direct_url is None


def test_metadata_that_is_no_file(site: Path) -> None:
    """A directory, a fifo, a dangling link in its place: nothing waits, nothing fails."""
    info = site / "demo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").mkdir()
    os.mkfifo(info / "RECORD")
    (info / "INSTALLER").symlink_to("nowhere")
    dist = only(site)
    assert (dist.name, dist.version, dist.installer) == ("demo", "1.0", "")
    assert dists.claims(root(site), dist.location) == {dist.location + b"/RECORD", dist.location + b"/INSTALLER"}


def test_a_distribution_that_is_gone(site: Path) -> None:
    """Between the listing and the reading pip may have removed it."""
    place = SITE + b"/gone-1.0.dist-info"
    assert dists.read_distribution(root(site), place).version == "1.0"
    assert dists.claims(root(site), place) == {place}


# --- where it came from ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direct_url", "word"),
    [
        ({"url": "https://h/x.whl", "archive_info": {}}, "url"),
        ({"url": "file:///x/x.whl", "archive_info": {}}, "local"),
        ({"url": "file:///x", "dir_info": {}}, "local"),
        ({"url": "file:///x", "dir_info": {"editable": True}}, "editable"),
        ({"url": "https://h/r.git", "vcs_info": {"vcs": "git"}}, "vcs"),
        ({"url": "https://h/x", "dir_info": 3}, "url"),
    ],
)
def test_source_of_a_direct_url(site: Path, direct_url: dict[str, object], word: str) -> None:
    """PEP 610, whoever installed it."""
    dist_info(site, direct_url_json=json.dumps(direct_url), INSTALLER="uv\n")
    assert dists.source(only(site)) == word
    assert dists.source(only(site), "edit") == "edit"


def test_source_without_a_direct_url() -> None:
    """An index by pip; another installer by its name; else what the operation was."""
    dist = Distribution("demo", "1", b"x")
    assert dists.source(dist._replace(installer="pip")) == "index"
    assert dists.source(dist._replace(installer="uv")) == "uv"
    assert dists.source(dist, "conda") == "conda"
    assert dists.source(dist) == ""


def test_a_direct_url_is_kept_without_its_password(site: Path) -> None:
    """pip writes what was typed; a manifest must not."""
    dist_info(site, direct_url_json=json.dumps({"url": "https://u:secret@h/x.whl", "archive_info": {}}))
    assert only(site).direct_url == {"url": "https://****@h/x.whl", "archive_info": {}}


# --- claims ----------------------------------------------------------------------------------------------


def claimed(site: Path, record: str | bytes) -> set[bytes]:
    """What a RECORD claims besides the files of its own dist-info."""
    place = dist_info(site, RECORD=record)
    own = {place + b"/METADATA", place + b"/RECORD"}
    found = dists.claims(root(site), place)
    assert own <= found
    return found - own


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        ("demo.py,sha256=x,3\npkg/__init__.py,,\n", [b"/demo.py", b"/pkg/__init__.py"]),
        ("demo.py,sha256=x,3\r\npkg/__init__.py,,\r\n", [b"/demo.py", b"/pkg/__init__.py"]),
        ("demo.py,,", [b"/demo.py"]),
        ("demo.py", [b"/demo.py"]),
        ("\n\n,,\ndemo.py,,\n\n", [b"/demo.py"]),
        ('"odd, name.py",,\nplain.py,,\n', [b"/odd, name.py", b"/plain.py"]),
        ('"say ""hi"".py",,\n', [b'/say "hi".py']),
        ('"two\nlines.py",,\nplain.py,,\n', [b"/two\nlines.py", b"/plain.py"]),
        (b"caf\xe9.py,,\n", [b"/caf\xe9.py"]),
        (b'"caf\xe9,.py",,\r\n', [b"/caf\xe9,.py"]),
        ("pkg/.hidden/x,,\n.top,,\n", [b"/pkg/.hidden/x", b"/.top"]),
        (
            "./demo.py,,\npkg//m.py,,\npkg/./n.py,,\npkg/../o.py,,\n",
            [b"/demo.py", b"/pkg/m.py", b"/pkg/n.py", b"/o.py"],
        ),
        ("a..b/c...d,,\n", [b"/a..b/c...d"]),
        ("/etc/passwd,,\n//x,,\ndemo.py,,\n", [b"/demo.py"]),
        ("../../../../outside,,\n../../../../../etc/passwd,,\ndemo.py,,\n", [b"/demo.py"]),
        ("../../../../venv/bin/x,,\n../../..,,\n", []),
        ("pkg/../../../../../../etc/passwd,,\n", []),
        (b"nul\0.py,,\ndemo.py,,\n", [b"/demo.py"]),
        ('"never closed,,\ndemo.py,,\n', [b"/never closed,,\ndemo.py,,"]),
        (b"\xff\xfe" + "demo.py,,\n".encode("utf-16-le"), []),
    ],
)
def test_rows_of_a_record(site: Path, record: str | bytes, paths: list[bytes]) -> None:
    """Whatever a RECORD says: paths of the tree are claimed, all others dropped."""
    assert claimed(site, record) == {SITE + path for path in paths}


def test_scripts_and_data_outside_site_packages(site: Path) -> None:
    """They are relative to site-packages, and lib64 is another name of lib."""
    assert claimed(site, "../../../bin/demo,,\n../../../share/x/y,,\n") == {b"bin/demo", b"share/x/y"}


def test_lib64_is_lib_where_it_is_a_link(site: Path) -> None:
    """venv makes lib64 a link; the tree has each file once, by its real path."""
    os.symlink("lib", os.path.join(root(site), "lib64"))
    assert claimed(site, "../../../lib64/python3.11/site-packages/x.so,,\n") == {SITE + b"/x.so"}


def test_lib64_of_its_own_stays(site: Path) -> None:
    """A tree may have both."""
    os.mkdir(os.path.join(root(site), "lib64"))
    assert claimed(site, "../../../lib64/x.so,,\n") == {b"lib64/x.so"}


def test_no_record_claims_the_dist_info(site: Path) -> None:
    """Nothing else is known to be its own."""
    place = dist_info(site)
    (site / "demo-1.0.dist-info" / "licenses").mkdir()
    (site / "demo-1.0.dist-info" / "licenses" / "MIT").touch()
    (site / "demo.py").touch()
    assert dists.claims(root(site), place) == {place + b"/METADATA", place + b"/licenses/MIT"}


# Not \r: Python's csv writes it unquoted and then reads it as the end of a row.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1)


@given(names=st.lists(NAMES, max_size=8))
def test_any_record_csv_can_write_is_read(names: list[str]) -> None:
    """A RECORD as pip writes it, with any names, claims those that are paths of the tree, and no other."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows((name, "sha256=x", "1") for name in names)
    paths = list(records._record_paths(written.getvalue().encode()))
    inside = records._inside(paths, SITE, b"/nowhere")
    for name in names:
        raw = name.encode()
        if not raw.startswith(b"/") and b"\0" not in raw and b".." not in raw.split(b"/"):
            assert os.path.normpath(SITE + b"/" + raw) in inside
    for path in inside:
        assert not path.startswith(b"/")
        assert b".." not in path.split(b"/")


# --- older formats ---------------------------------------------------------------------------------------


def test_a_distutils_egg_info_file(site: Path) -> None:
    """Debian's way, and distutils': one file, which says nothing of the rest."""
    (site / "pyserial-3.5.egg-info").write_text("Metadata-Version: 1.0\nName: PySerial\nVersion: 3.5\n")
    dist = only(site)
    assert (dist.name, dist.version, dist.title) == ("pyserial", "3.5", "PySerial")
    assert dists.claims(root(site), dist.location) == {dist.location}


def egg_info(site: Path, **files: str) -> Distribution:
    info = site / "legacy-1.0-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: legacy\nVersion: 1.0\n")
    for file, content in files.items():
        (info / file.replace("_txt", ".txt").replace("installed_files", "installed-files")).write_text(content)
    for path in ("legacy/__init__.py", "legacy/data/x.json", "single.py", "shared/other.py"):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).touch()
    return only(site)


def test_an_egg_info_with_installed_files(site: Path) -> None:
    """setup.py install under pip: paths relative to the .egg-info."""
    dist = egg_info(
        site, installed_files_txt="../legacy/__init__.py\n../../../../bin/legacy\nPKG-INFO\n../../../../../x\n"
    )
    assert (dist.name, dist.version) == ("legacy", "1.0")
    others = dists.claims(root(site), dist.location) - {dist.location + b"/PKG-INFO"}
    assert others == {SITE + b"/legacy/__init__.py", b"bin/legacy", dist.location + b"/installed-files.txt"}


def test_an_egg_info_with_top_level(site: Path) -> None:
    """What it says it owns, but for namespaces, where others live too."""
    dist = egg_info(
        site,
        top_level_txt="legacy\nsingle\nshared\nmissing\n../up\n/abs\n\n..\n",
        namespace_packages_txt="shared\n",
    )
    claims = {path for path in dists.claims(root(site), dist.location) if not path.startswith(dist.location)}
    assert claims == {SITE + b"/legacy/__init__.py", SITE + b"/legacy/data/x.json", SITE + b"/single.py"}


def test_an_egg_directory_and_a_zipped_egg(site: Path) -> None:
    """easy_install's: everything is inside."""
    (site / "d-1.0-py3.11.egg" / "EGG-INFO").mkdir(parents=True)
    (site / "d-1.0-py3.11.egg" / "EGG-INFO" / "PKG-INFO").write_text("Name: D\nVersion: 1.0.post1\n")
    (site / "d-1.0-py3.11.egg" / "d.py").touch()
    (site / "z-2.0-py3.11.egg").write_bytes(b"PK")
    directory, zipped = [dists.read_distribution(root(site), place) for place in dists.find_locations(root(site), SITE)]
    assert (directory.name, directory.version) == ("d", "1.0.post1")
    assert dists.claims(root(site), directory.location) == {
        directory.location + b"/d.py",
        directory.location + b"/EGG-INFO/PKG-INFO",
    }
    assert (zipped.name, zipped.version) == ("z", "2.0")
    assert dists.claims(root(site), zipped.location) == {zipped.location}


@pytest.mark.parametrize("info", ["my_project.egg-info", None])
def test_a_develop_install(site: Path, tmp_path: Path, info: str | None) -> None:
    """`setup.py develop`: an editable install, with its version if the project is still there."""
    project = tmp_path / "project"
    if info:
        (project / info).mkdir(parents=True)
        (project / info / "PKG-INFO").write_text("Name: My.Project\nVersion: 0.1.dev0\n")
    (site / "my-project.egg-link").write_text(f"{project}\n.")
    (site / "easy-install.pth").write_text(f"{project}\n")
    dist = only(site)
    assert dist.name == "my-project"
    assert dist.version == ("0.1.dev0" if info else "")
    assert dist.direct_url == {"url": f"file://{project}", "dir_info": {"editable": True}}
    assert dists.source(dist) == "editable"
    assert dists.claims(root(site), dist.location) == {dist.location}


@pytest.mark.parametrize("content", ["", "\n", "relative/path\n", "\0\n", "/nowhere\n.\n"])
def test_a_damaged_egg_link(site: Path, content: str) -> None:
    """Still listed."""
    (site / "demo.egg-link").write_text(content)
    assert only(site).name == "demo"


# --- differences and JSON --------------------------------------------------------------------------------


def test_diff_of_two_states() -> None:
    """Added, removed, changed, the same version from elsewhere, duplicates; nothing for what stayed."""
    url = {"url": "https://h/same.whl", "archive_info": {}}
    old = [Distribution(name, "1.0", b"x") for name in ("gone", "kept", "same", "up")]
    new = [
        Distribution("kept", "1.0", b"y", installer="uv", requested=True),
        Distribution("new", "3.0", b"x"),
        Distribution("same", "1.0", b"x", direct_url=url),
        Distribution("up", "2.0", b"x"),
        Distribution("up", "1.0", b"z"),
    ]
    assert dists.diff(old, new) == [
        Change("gone", "1.0", None),
        Change("new", None, "3.0"),
        Change("same", "1.0", "1.0"),
        Change("up", "1.0", "1.0, 2.0"),
    ]
    assert dists.diff(old, old) == dists.diff([], []) == []


TEXT = st.text(max_size=10)
DISTRIBUTIONS = st.builds(
    Distribution,
    name=TEXT,
    version=TEXT,
    location=st.binary(max_size=20),
    installer=TEXT,
    requested=st.booleans(),
    direct_url=st.none() | st.dictionaries(TEXT, TEXT | st.booleans()),
    requires=st.lists(TEXT, max_size=3).map(tuple),
    title=TEXT,
)


@given(DISTRIBUTIONS)
def test_json_is_lossless(dist: Distribution) -> None:
    """from_json(to_json(d)) == d, through real JSON, encoded strictly."""
    text = json.dumps(dists.to_json(dist), ensure_ascii=False).encode("utf-8")
    assert dists.from_json(json.loads(text)) == dist


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"name": "x"},
        {"name": "x", "version": 3, "location": "y"},
        {"name": "x", "version": "1", "location": 3},
        {"name": "x", "version": "1", "location_hex": "zz"},
        {"name": "x", "version": "1", "location": "y", "requires": "abc"},
        {"name": "x", "version": "1", "location": "y", "requires": [1]},
        {"name": "x", "version": "1", "location": "y", "requested": "yes"},
        {"name": "x", "version": "1", "location": "y", "direct_url": "z"},
    ],
)
def test_json_of_something_else_is_refused(value: dict[str, object]) -> None:
    """A damaged manifest is an error one can name, not a distribution called 3."""
    with pytest.raises(ValueError, match="no distribution"):
        dists.from_json(value)


def test_a_large_environment_is_read_in_no_time(site: Path) -> None:
    """120 distributions with 24,000 rows: 60 ms here. The bound is loose; it is there to catch a quadratic step."""
    import time

    rows = "".join(f"pkg/sub{n % 40}/module_{n}.py,sha256=abcdefghijklmnopqrstuvwxyz,{n}\n" for n in range(1000))
    for number in range(24):
        dist_info(site, f"demo{number}-1.0", RECORD=rows, INSTALLER="pip\n", REQUESTED="")
    started = time.perf_counter()
    places = dists.find_locations(root(site), SITE)
    read = [dists.read_distribution(root(site), place) for place in places]
    claims = [dists.claims(root(site), place) for place in places]
    assert time.perf_counter() - started < 2
    assert len(read) == 24
    assert {len(claim) for claim in claims} == {1004}
