"""A long history: a thousand operations cost undo nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tally import Count
from tiny import Tiny, begun

from sysvenv.head import Position, read_head, write_head
from sysvenv.history import History
from sysvenv.operations import rewind

MANY = 1000
ALLOWED = 1.1
"""More than that many times the calls of a short history would be felt."""


@pytest.fixture
def home(tmp_path: Path, unflushed: None) -> Tiny:
    """@1 has demo 1, @2 has demo 2."""
    return begun(tmp_path / "packages", 2)


def lengthen(home: Tiny) -> None:
    """As if the two versions had been installed in turn a thousand times more."""
    records = History(home.home)
    one, two = records.read(1), records.read(2)
    number = 2
    while number < MANY:
        for each in (two._replace(manifest_before=two.manifest, manifest=two.manifest_before), two):
            number += 1
            made = each._replace(number=number, parent=number - 1)
            records.begin(made)
            records.end(made)
    head = read_head(home.home)
    assert head is not None and one.manifest == two.manifest_before
    write_head(home.home, Position(head.sequence + 1, number, head.manifest))


def opened(work: Callable[[], object]) -> Counter[str]:
    """What Python tells of itself (PEP 578): files opened, directories listed, trees walked."""
    found: Counter[str] = Counter()
    listening = [True]

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event in ("open", "os.listdir", "os.scandir", "os.rename", "os.link", "os.remove"):
            found[event] += 1

    sys.addaudithook(hear)  # it can never be removed
    work()
    listening.clear()
    return found


def test_a_thousand_operations_do_not_slow_undo_down(home: Tiny, count: Count) -> None:
    """undo and redo look at where they stand and where they go, not at all that ever was."""
    short = opened(lambda: rewind.undo(home.context)) + opened(lambda: rewind.redo(home.context))
    lengthen(home)
    rewind.undo(home.context)  # the marker still told the old position
    rewind.redo(home.context)
    long = opened(lambda: rewind.undo(home.context)) + opened(lambda: rewind.redo(home.context))
    assert short["open"] > 10
    slower = sum(long.values()) > ALLOWED * sum(short.values())
    count(f"undo after {MANY} operations", "calls", sum(long.values()), slower)
    assert not slower, (short, long)


def test_many_steps_at_once_are_one_swap(home: Tiny) -> None:
    """undo --to @1 over a thousand operations reads their records, and lays out nothing in between."""
    lengthen(home)
    found = opened(lambda: rewind.undo(home.context, to=1))
    assert found["open"] < 5 * MANY
    assert found["os.link"] < 20
