"""Retention: which operations go, and in which words people say how much is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysvenv import pruned, quantities
from sysvenv.config import Config, HistoryConfig, StoreConfig
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.history import Operation
from sysvenv.home import Home
from sysvenv.pruned import Pruned
from sysvenv.retention import Choice, Limits, choose, limits

DAY = 86400.0
NOW = 100 * DAY


def operations(count: int) -> list[Operation]:
    """One a day, the last one today."""
    return [
        Operation(n, "pip", n - 1, (), NOW - (count - 1 - n) * DAY, "", finished=NOW - (count - 1 - n) * DAY)
        for n in range(count)
    ]


def test_without_limits_nothing_goes() -> None:
    """History is kept for ever unless its owner says otherwise."""
    assert choose(operations(300), {299}, Limits(), NOW) == Choice((), ())
    assert not limits(Config()).is_set


def test_the_oldest_go_first() -> None:
    """By number and by age; what is needed stays, and counts."""
    ten = operations(10)
    assert choose(ten, {9}, Limits(entries=3), NOW).prune == (0, 1, 2, 3, 4, 5, 6)
    assert choose(ten, {9, 2}, Limits(entries=3), NOW).prune == (0, 1, 3, 4, 5, 6, 7)
    assert choose(ten, set(range(10)), Limits(entries=3), NOW).prune == ()
    assert choose(ten, {9}, Limits(age=2.5 * DAY), NOW).prune == (0, 1, 2, 3, 4, 5, 6)
    assert choose(ten, {9}, Limits(entries=8, age=5.5 * DAY), NOW).prune == (0, 1, 2, 3)
    assert choose(ten, {9}, Limits(entries=100, age=100 * DAY), NOW).prune == ()


def test_what_may_go_for_the_sake_of_size() -> None:
    """All that is left and not needed, in order; how many of them is for the store to say."""
    assert choose(operations(5), {4, 1}, Limits(size=1), NOW) == Choice((), (0, 2, 3))
    assert choose(operations(5), {4}, Limits(entries=3, size=1), NOW) == Choice((0, 1), (2, 3))


def test_limits_come_from_the_settings() -> None:
    """In the units people write."""
    config = Config(HistoryConfig(max_entries=50, max_age="2w"), StoreConfig(max_size="5GB"))
    assert limits(config) == Limits(50, 14 * DAY, 5_000_000_000)


@pytest.mark.parametrize(
    ("read", "written", "meant"),
    [
        (quantities.age, 0, 0),
        (quantities.age, 90, 90 * DAY),
        (quantities.age, "90", 90 * DAY),
        (quantities.age, "90d", 90 * DAY),
        (quantities.age, " 12 W ", 84 * DAY),
        (quantities.age, "36h", 1.5 * DAY),
        (quantities.age, "1y", 365 * DAY),
        (quantities.size, 0, 0),
        (quantities.size, 4096, 4096),
        (quantities.size, "5GB", 5 * 10**9),
        (quantities.size, "1.5 gib", 3 << 29),
        (quantities.size, "500M", 5 * 10**8),
        (quantities.size, "1TB", 10**12),
    ],
)
def test_quantities(read, written, meant) -> None:  # type: ignore[no-untyped-def]
    """Capitals and blanks do not matter."""
    assert read(written) == meant


@pytest.mark.parametrize("written", ["", "d", "-1d", "1 fortnight", "5 GB!", "1e9", "٣d", "9" * 30, "5\nGB", "GB5"])
def test_no_quantities(written: str) -> None:
    """Nothing is guessed."""
    for read in (quantities.age, quantities.size):
        with pytest.raises(ValueError):
            read(written)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_pruned_numbers_are_remembered(first: set[int], second: set[int]) -> None:
    """All of them, and no other, in as few runs as there are."""
    found = pruned.joined(pruned.joined(Pruned(), first, 1.0), second, 2.0)
    assert {number for number in range(-2, 50) if number in found} == first | second
    assert found.last == max(first | second, default=-1)
    assert all(one[1] + 1 < other[0] for one, other in zip(found.ranges, found.ranges[1:], strict=False))
    assert "0" not in found


def test_what_is_said_of_them() -> None:
    """One clause, with the day."""
    found = Pruned(((0, 3), (7, 7)), 1_800_000_000.0)
    assert found.told(3).startswith("@3 and before were pruned by gc (last on 2027-01-1")
    assert found.told(7).startswith("@7 was pruned by gc")
    assert Pruned(((0, 0), (2, 3))).told(3).startswith("@2 to @3 were pruned by gc")


def test_the_statement_on_disk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Comes back as it was; what makes no sense, and another version, is refused with what to type."""
    home = Home.at(str(tmp_path))
    (tmp_path / "history").mkdir()
    assert pruned.read(home) == Pruned()
    pruned.write(home, Pruned(((0, 3), (7, 7)), 5.0))
    assert pruned.read(home) == Pruned(((0, 3), (7, 7)), 5.0)
    place = tmp_path / "history/PRUNED"
    wrong = [f'{{"version": 1, "pruned": {ranges}, "when": 0}}' for ranges in ("[[3, 1]]", "[[-3, 1]]", "5", "[5]")]
    for content in ("", "[]", '{"version": 1}', "\0", "3", *wrong):
        place.write_text(content)
        with pytest.raises(DamageFound) as caught:
            pruned.read(home)
        assert "doctor --fix" in caught.value.hint
    place.write_text('{"version": 2}')
    with pytest.raises(SysvenvError, match="format version 2"):
        pruned.read(home)
