"""Which Python is meant, told by interpreters that are scripts; and how what was asked for is asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysvenv import fresh, interpreters
from sysvenv.dists import Distribution
from sysvenv.environ import Pythons
from sysvenv.errors import SysvenvError
from sysvenv.requested import requests


def fake(directory: Path, version: str, runs: bool = True) -> str:
    """A python3.N that says what `sysvenv.fresh` asks for, or as a shim of pyenv's that there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"python{'.'.join(version.split('.')[:2])}"
    path.write_text(f"#!/bin/sh\necho {version} pip {path}\n" if runs else "#!/bin/sh\necho none; exit 127\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pythons:
    """PATH with a broken shim, two versions of pyenv's and one of uv's; nothing of this machine's."""
    monkeypatch.setattr(interpreters, "_FIXED", (str(tmp_path / "fixed"),))
    fake(tmp_path / "shims", "3.12.0", runs=False)
    fake(tmp_path / "shims", "3.13.0", runs=False)
    fake(tmp_path / "path", "3.11.2")
    fake(tmp_path / "pyenv/versions/3.12.9/bin", "3.12.9")
    fake(tmp_path / "pyenv/versions/3.12.10/bin", "3.12.10")
    fake(tmp_path / "pyenv/versions/3.11.9/bin", "3.11.9")
    fake(tmp_path / "uv/cpython-3.12.11-linux-x86_64-gnu/bin", "3.12.11")
    fake(tmp_path / "fixed", "3.14.0")
    path = f"{tmp_path}/shims:relative:{tmp_path}/path"
    return Pythons(path, str(tmp_path / "pyenv"), str(tmp_path / "uv"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("3.11", "path/python3.11"),  # PATH goes first, ...
        ("3.11.9", "pyenv/versions/3.11.9/bin/python3.11"),  # unless what it has is not meant
        ("3.12", "pyenv/versions/3.12.10/bin/python3.12"),  # the newest, by number
        ("python3.12", "pyenv/versions/3.12.10/bin/python3.12"),
        ("3.12.11", "uv/cpython-3.12.11-linux-x86_64-gnu/bin/python3.12"),
        ("3.14", "fixed/python3.14"),
    ],
)
def test_a_version_is_looked_for(places: Pythons, tmp_path: Path, asked: str, found: str) -> None:
    """On PATH, in pyenv's versions, in uv's, where systems put theirs; what does not run is passed over."""
    assert interpreters.find(asked, places).path == str(tmp_path / found)


def test_what_is_not_there_is_refused_with_what_is(places: Pythons, tmp_path: Path) -> None:
    """One sentence with the versions there are; too old is said as such; a path is taken as it is."""
    with pytest.raises(SysvenvError) as caught:
        interpreters.find("3.13", places)
    assert caught.value.message == "There is no Python 3.13 here; found: 3.11.2, 3.12.10, 3.14.0."
    with pytest.raises(SysvenvError, match=r"Python 3\.7 is too old: 3\.\d+ or later"):
        interpreters.find("3.7", places)
    with pytest.raises(SysvenvError, match=r"found: 3\.14\.0"):
        interpreters.find("3.13", Pythons("", "", str(tmp_path / "gone")))
    assert interpreters.find(fake(tmp_path / "mine", "3.12.1"), places).version == "3.12.1"


def test_a_version_means_what_is_of_it() -> None:
    """3.1 is not 3.11."""
    assert interpreters.is_of("3.12.1", "3.12")
    assert interpreters.is_of("3.12.1", "3.12.1")
    assert not interpreters.is_of("3.12.10", "3.12.1")
    assert not interpreters.is_of("3.11.7", "3.1")
    assert not fresh.is_too_old("3.12")
    assert fresh.is_too_old("3.7.16")


def installed(name: str, url: dict[str, object] | None = None, suffix: str = "dist-info") -> Distribution:
    return Distribution(name, "1.0", f"x.{suffix}".encode(), requested=suffix == "dist-info", direct_url=url)


def test_how_it_is_asked_for_again(tmp_path: Path) -> None:
    """Index, archive with its digest, checkout at its commit, directory, directory edited in; what is gone says so."""
    here = tmp_path.as_uri()
    git = {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}
    wanted = [
        installed("indexed"),
        installed("archive", {"url": "https://x/a-1.0.zip", "archive_info": {"hashes": {"sha256": "12"}}}),
        installed("checkout", {"url": "https://x/y", "vcs_info": git, "subdirectory": "sub"}),
        installed("directory", {"url": here, "dir_info": {}}),
        installed("edited", {"url": here, "dir_info": {"editable": True}}),
        installed("developed", {"url": here, "dir_info": {"editable": True}}, "egg-link"),
        installed("gone", {"url": "file:///no/such%20place", "dir_info": {"editable": True}}),
        installed("secret", {"url": "https://****@x/a-1.0.zip"}),
        installed("needed", suffix="other"),
    ]
    found = {request.name: request for request in requests(wanted, {})}
    assert {name: request.arguments for name, request in found.items() if not request.missing} == {
        "indexed": ("indexed==1.0",),
        "archive": ("archive @ https://x/a-1.0.zip#sha256=12",),
        "checkout": ("git+https://x/y@abc#subdirectory=sub&egg=checkout",),
        "directory": (f"directory @ {here}",),
        "edited": ("-e", str(tmp_path)),
        "developed": ("-e", str(tmp_path)),
    }
    assert found["gone"].missing == "/no/such place is gone"
    assert "secret" in found["secret"].missing


def test_what_every_environment_has_is_not_carried() -> None:
    """pip never; setuptools and wheel only where pip told that somebody asked for them."""
    own = [installed("pip"), installed("setuptools"), installed("wheel")]
    origins = {"setuptools": {"requested": True}, "wheel": {"requested": False}, "pip": {"requested": True}}
    assert requests(own, {}) == []
    assert [request.name for request in requests(own, origins)] == ["setuptools"]
