"""A store of version 1, written once and never made again: today's code must read it, lay it out, and mend it.

``golden/home`` holds its files as they were written. Objects are not among them, as git keeps no times: they are made
from ``objects.json`` (name -> content) by nothing but system calls. ``expected.json`` is what its trees look like.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import pytest
from fingerprint import Fingerprint, fingerprint

from store import layout, manifests, segments, trees
from store import store as stores
from store.store import Store
from store.verify import UNGUARDED, verify
from sysvenv import manifest, snapshots
from sysvenv.head import Undone, read_head
from sysvenv.history import History
from sysvenv.home import Home

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
OPERATIONS = range(4)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The golden home, with its objects."""
    shutil.copytree(GOLDEN / "home", tmp_path / "packages")
    for name, content in json.loads((GOLDEN / "objects.json").read_text()).items():
        _, mode, mtime, *_ = name.split(".")
        path = tmp_path / "packages/store/objects" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
        path.chmod(int(mode, 8))
        os.utime(path, ns=(int(mtime), int(mtime)))
    return Home.at(str(tmp_path / "packages"))


@pytest.fixture
def store(home: Home) -> Store:
    stores.create(os.fsencode(home.store))
    return stores.open_store(os.fsencode(home.store))


def expected(number: int) -> Fingerprint:
    """What the tree of an operation looks like."""
    found: Fingerprint = {}
    for path, (*facts, last) in EXPECTED[str(number)].items():
        found[os.fsencode(path)] = (*facts, base64.b64decode(last) if isinstance(last, str) else last)
    return found


def state(home: Home, store: Store, number: int) -> tuple[str, manifests.Manifest]:
    name = History(home).read(number).manifest
    return name, store.manifests.read(name)


@pytest.mark.parametrize("number", OPERATIONS)
def test_each_state_is_laid_out_exactly(home: Home, store: Store, number: int) -> None:
    """Bytes, modes, times, links, odd names, twins, empty files, closed directories: as on the day they were kept."""
    checkout = layout.lay_out(store, *state(home, store, number))
    assert fingerprint(checkout.path) == expected(number)


def test_one_tree_is_led_through_all_states(home: Home, store: Store) -> None:
    """Transforms work on segments of old, too."""
    checkout = layout.lay_out(store, *state(home, store, 0))
    for number in (1, 2, 3, 1, 0, 3):
        checkout = layout.transform(store, checkout, *state(home, store, number))
        assert fingerprint(checkout.path) == expected(number)


@pytest.mark.parametrize("number", OPERATIONS)
def test_every_object_is_rebuilt_from_the_archives(home: Home, store: Store, number: int) -> None:
    """All objects lost: what is guarded comes back from its pristine copy, bytecode is left out."""
    shutil.rmtree(os.path.join(home.store, "objects"))
    os.mkdir(os.path.join(home.store, "objects"))
    checkout = layout.lay_out(store, *state(home, store, number))
    assert fingerprint(checkout.path) == {path: seen for path, seen in expected(number).items() if path[-4:] != b".pyc"}


def test_nothing_in_it_is_damaged(home: Home, store: Store) -> None:
    """verify reads all of it and finds no fault."""
    found = verify(store, [History(home).read(number).manifest for number in OPERATIONS])
    assert [fault for fault in found.faults if fault.what != UNGUARDED] == []
    assert found.manifests == len(OPERATIONS)


def test_today_s_encoding_is_the_same(home: Home, store: Store) -> None:
    """A state kept today has the name it would have had then, so old and new segments are shared."""
    for name in store.manifests.names():
        content = Path(os.fsdecode(store.manifests.path(name))).read_bytes()
        assert manifests.encode(manifests.decode(content)) == content
        for segment in store.manifests.read(name).segments:
            content = Path(os.fsdecode(store.segments.path(segment))).read_bytes()
            assert segments.encode(segments.decode(content)) == content


def test_its_history_is_read(home: Home, store: Store) -> None:
    """Operations, where it stands, labels, and what each state says of its distributions and interpreter."""
    operations, broken = History(home).all()
    assert broken == []
    assert [(o.number, o.kind, o.parent, o.status, o.exit_code) for o in operations] == [
        (0, "init", -1, "done", 0),
        (1, "pip", 0, "done", 0),
        (2, "pip", 1, "failed", 1),
        (3, "external", 2, "done", 0),
    ]
    assert operations[1].command == ("pip", "install", "demo")
    assert [tuple(change) for change in operations[2].packages] == [("demo", "1.0", "2.0")]
    assert all((o.places, o.notices) == ({}, {}) for o in operations)  # there were none yet
    head = read_head(home)
    assert head is not None
    assert (head.operation, head.manifest) == (2, operations[2].manifest)
    assert head.undone == (Undone(3, operations[3].manifest),)
    assert snapshots.names(home) == ["baseline", "edited", "first"]
    assert snapshots.read(home, "first").manifest == operations[1].manifest
    two = store.manifests.read(operations[2].manifest)
    (demo,) = manifest.distributions(two)
    assert (demo.name, demo.version, demo.installer, demo.requested) == ("demo", "2.0", "pip", True)
    python = manifest.interpreter(two)
    assert python is not None and (python.version, python.base) == ("3.11.7", "/usr/bin/python3.11")


def test_a_newer_store_is_refused(home: Home, store: Store) -> None:
    """The version is looked at before anything else is."""
    Path(home.store, "VERSION").write_text("sysvenv store 2\n")
    with pytest.raises(stores.StoreError, match="reads 'sysvenv store 1'"):
        stores.open_store(os.fsencode(home.store))
    assert trees.ready(store) == []
