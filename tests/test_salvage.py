"""Salvage: a content the store lost is taken from elsewhere on this machine, or downloaded if that is agreed to."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from recorded import Environment

from sysvenv import manifest
from sysvenv.history import History
from sysvenv.operations import doctor, rewind
from sysvenv.operations.elsewhere import Elsewhere
from sysvenv.operations.verify import verify

pytest_plugins = ["homes"]
PATH = "demo/__init__.py"


@pytest.fixture
def lost(upgraded: Environment) -> Environment:
    """A home in which demo 1.0's code is nowhere any more: neither its object nor a copy."""
    from store.store import Store

    store = Store(os.fsencode(upgraded.home.store))
    state = store.manifests.read(History(upgraded.home).read(1).manifest)
    site = os.path.relpath(upgraded.site, upgraded.venv)
    entry = manifest.tree(store, state)[f"{site}/{PATH}".encode()]
    os.unlink(store.objects.path(entry))
    for tree in os.listdir(store.trees):
        shutil.rmtree(os.path.join(store.trees, tree))
    for archive in list(store.pristine.archives()):
        if entry.digest in store.pristine.members(archive):
            os.unlink(archive)
    return upgraded


def fix(environment: Environment, places: Elsewhere) -> bool:
    """doctor --fix; whether @1 can be had again."""
    doctor.doctor(environment.context, f"{environment.bin}:/usr/bin", True, places)
    found = verify(environment.context)
    if found.damaged:
        return False
    rewind.restore(environment.context, "@1")
    assert (environment.site / PATH).read_text() == "one = 1\ntwo = 2\n"
    return True


def wheel(environment: Environment) -> Path:
    return environment.wheels / "demo-1.0-py3-none-any.whl"


def hide(environment: Environment) -> Path:
    """The wheel, where nobody would look for it."""
    hidden = environment.wheels.parent / "hidden"
    hidden.mkdir()
    return Path(shutil.move(wheel(environment), hidden))


def test_nowhere(lost: Environment) -> None:
    """Without another copy it stays lost, and what needs it is told."""
    hide(lost)
    (found,) = [each for each in verify(lost.context).findings if each.fences]
    assert PATH in found.message and found.states == ("@1",) and found.distributions == ("demo 1.0",)
    assert not fix(lost, Elsewhere())


def test_in_other_site_packages(lost: Environment, tmp_path: Path) -> None:
    """The same version in the user's site-packages, if the RECORD there agrees."""
    minor = lost.site.parent.name
    site = tmp_path / "base/lib" / minor / "site-packages"
    with zipfile.ZipFile(hide(lost)) as archive:
        archive.extractall(site)
    record = site / "demo-1.0.dist-info/RECORD"
    right = record.read_text()
    record.write_text(right.replace("sha256=", "sha256=x"))
    assert not fix(lost, Elsewhere(user_base=str(tmp_path / "base")))
    record.write_text(right)
    assert fix(lost, Elsewhere(user_base=str(tmp_path / "base")))


def test_in_uvs_cache(lost: Environment, tmp_path: Path) -> None:
    """uv keeps wheels unpacked; another version's file of that name is not taken for it."""
    cache = tmp_path / "uv/archive-v0"
    (cache / "wrong/demo").mkdir(parents=True)
    (cache / "wrong" / PATH).write_text("one = 1\ntwo = 3\n")
    with zipfile.ZipFile(hide(lost)) as archive:
        archive.extractall(cache / "right")
    assert fix(lost, Elsewhere(uv_cache=str(tmp_path / "uv")))


@pytest.mark.parametrize("place", ["http-v2/a/b/c/d/e/abcde.body", "wheels/aa/bb/demo-1.0-py3-none-any.whl"])
def test_in_pips_cache(lost: Environment, tmp_path: Path, place: str) -> None:
    """pip keeps what it downloaded and what it built; what is no wheel is passed over."""
    cached = tmp_path / "pip" / place
    cached.parent.mkdir(parents=True)
    (cached.parent / "other.body").write_bytes(b"<html>")
    (cached.parent / "torn.body").write_bytes(wheel(lost).read_bytes()[:200])
    shutil.move(hide(lost), cached)
    assert fix(lost, Elsewhere(pip_cache=str(tmp_path / "pip")))


def originate(environment: Environment, url: str, sha256: str) -> None:
    """What pip's report would have said."""
    record = Path(History(environment.home).path(1, "after"))
    value = json.loads(record.read_text())
    value["origins"] = {"demo": {"url": url, "sha256": sha256, "requested": True}}
    record.write_text(json.dumps(value))


def test_in_the_wheel_it_was_installed_from(lost: Environment) -> None:
    """A local wheel that is still there."""
    originate(lost, wheel(lost).as_uri(), "")
    assert fix(lost, Elsewhere())


def test_downloaded(lost: Environment) -> None:
    """Only after it was agreed to, and only with the recorded SHA-256."""
    hidden = hide(lost)
    right = hashlib.sha256(hidden.read_bytes()).hexdigest()
    index = {**os.environ, "PIP_FIND_LINKS": str(hidden.parent), "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    asked: list[list[str]] = []

    def answer(yes: bool) -> Elsewhere:
        def agree(names: list[str]) -> bool:
            asked.append(names)
            return yes

        return Elsewhere(environ=index, agree=agree)

    assert not fix(lost, answer(True)) and asked == []  # no SHA-256 is known
    originate(lost, "https://example.invalid/demo-1.0-py3-none-any.whl", right)
    assert not fix(lost, answer(False)) and asked == [["demo 1.0"]]
    originate(lost, "https://example.invalid/demo-1.0-py3-none-any.whl", "0" * 64)
    assert not fix(lost, answer(True))
    originate(lost, "https://example.invalid/demo-1.0-py3-none-any.whl", right)
    assert fix(lost, answer(True))
