"""Capture, on a whole environment: what was only looked at changes nothing, and is not doubted again."""

from __future__ import annotations

import os
import time

import pytest
from tiny import ONE, TWO, Tiny

from store import trees
from store.index import ANY, RACY, block
from store.row import rows as rows_in
from sysvenv.operations import keep, recover


@pytest.fixture
def tiny(tmp_path):
    made = Tiny(tmp_path / "home")
    made.begin()
    made.pip("1", ONE)
    return made


def doubt(session):
    """Let the live tree's index doubt every file and directory, as if all had been written while we looked."""
    index = session.index
    blocks = {}
    for name, each in index.blocks.items():
        rows = dict(rows_in([each]))
        entries = session.store.segments.read(name)
        blocks[name] = block(name, entries, {path: row.ino for path, row in rows.items()}, frozenset(rows))
    directories = {path: (mode, ANY) for path, (mode, _) in index.directories.items()}
    session.set_index(index.replace(blocks=blocks, directories=directories))


def doubted(session):
    """What the index on disk doubts."""
    index = trees.load_index(session.store, session.name)
    rows = [path for path, row in rows_in(index.blocks.values()) if row.size == ANY]
    return rows + [path for path, (_, mtime) in index.directories.items() if mtime == ANY]


def test_what_is_only_doubted_is_settled_by_one_look(tiny):
    """Files and directories too young to be believed are read once, by whichever command comes next: it finds no
    operation in it, the state stays the one that was recorded, and no later audit looks at them again."""
    with recover.enter(tiny.context, "test") as session:
        doubt(session)
        assert doubted(session)
        before = session.position
        assert keep.settle(session, session.audit()) is None
        assert session.position == before
        assert doubted(session) == []
        drift = session.audit()
        assert not drift and not drift.stated


def test_nothing_a_pip_wrote_stays_doubted(tiny):
    """However shortly after the last write a capture begins: the files are looked at once more at its end, or by the
    next command."""
    tiny.pip("2", TWO)
    time.sleep(2 * RACY / 1e9)
    with recover.enter(tiny.context, "test") as session:
        keep.settle(session, session.audit())
        assert doubted(session) == []


def test_files_counted_are_the_environment_s(tiny):
    """Added, removed and modified as a person counts them: bytecode never, what only got another inode neither."""
    recorded = tiny.pip("2", TWO)
    assert recorded.operation is not None
    # demo/deep/new.py and the new dist-info came; only_in_one.py and the old dist-info went; __init__.py is another
    assert recorded.operation.files == (4, 4, 1)


def test_a_path_that_two_claim_stays_with_the_first_when_the_other_goes(tiny):
    """The segment of a file that is gone needs no RECORD but its own; one that is still there finds its next owner."""
    site = tiny.site
    info = site / "another-1.dist-info"

    def bring():
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
        (info / "RECORD").write_text(
            "demo/__init__.py,,\nanother-1.dist-info/METADATA,,\nanother-1.dist-info/RECORD,,\n"
        )

    def take():
        for name in os.listdir(info):
            (info / name).unlink()
        info.rmdir()

    for change, owner in ((bring, "another"), (take, "demo")):
        change()
        with recover.enter(tiny.context, "test") as session:
            keep.settle(session, session.audit())
            parts = {(part.owner, part.kind): part.segment for part in session.recorded.parts}
            entries = session.store.segments.read(parts[owner, "files"])
            assert os.path.relpath(site / "demo/__init__.py", tiny.venv).encode() in entries
