"""Retention: which operations history may let go, by number, age, and what the store takes. Plain values, no disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from store.named import NamedTuple
from sysvenv.config import Config
from sysvenv.history import Operation
from sysvenv.quantities import age, size


class Limits(NamedTuple):
    """How much is kept. 0 is no limit."""

    entries: int = 0
    """Operations in history."""
    age: float = 0.0
    """Seconds since an operation ended."""
    size: int = 0
    """Bytes the store takes beyond the live environment."""

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return any(self)


class Choice(NamedTuple):
    """What becomes of history; both oldest first."""

    prune: tuple[int, ...]
    """Too many, or too old: these go."""
    spare: tuple[int, ...]
    """These may go too, in this order, if the store takes too much."""


def limits(config: Config) -> Limits:
    """Those of the settings."""
    return Limits(config.history.max_entries, age(config.history.max_age), size(config.store.max_size))


def choose(operations: Sequence[Operation], needed: Collection[int], most: Limits, now: float) -> Choice:
    """Choose among the operations, oldest first, those that go. ``needed`` ones never do."""
    loose = [operation for operation in operations if operation.number not in needed]
    excess = max(0, len(operations) - most.entries) if most.entries else 0
    prune = {operation.number for operation in loose[:excess]}
    if most.age:
        prune |= {each.number for each in loose if max(each.started, each.finished) < now - most.age}
    left = [operation.number for operation in loose if operation.number not in prune]
    return Choice(tuple(sorted(prune)), tuple(left) if most.size else ())
