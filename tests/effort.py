"""How much the tests that break things try: a sample in the plain run, everything for ``tests/run --faults``."""

from __future__ import annotations

from typing import NamedTuple

import pytest


class Effort(NamedTuple):
    """What one run tries."""

    calls: int
    """Of an operation's system calls with each kind of fault; 0: all of them."""
    seeds: int
    steps: int
    """Of the model, each seed so many."""
    seconds: int
    """Of races."""

    @property
    def is_plain(self) -> bool:
        """Whether it must be quick: what takes ten seconds a point is tried with the commonest faults alone."""
        return self.calls == PLAIN.calls

    def chosen(self, total: int, salt: str, most: int = 0) -> list[int]:
        """Which of ``total`` calls are tried: spread over the operation, others for another ``salt``."""
        limit = min(filter(None, (self.calls, most)), default=total)
        if limit >= total:
            return list(range(1, total + 1))
        step = total / limit
        first = sum(salt.encode()) % max(int(step), 1)
        return sorted({min(int(first + step * number) + 1, total) for number in range(limit - 1)} | {total})


PLAIN = Effort(calls=2, seeds=1, steps=150, seconds=8)
SHORT = Effort(calls=20, seeds=4, steps=500, seconds=30)
FULL = Effort(calls=0, seeds=20, steps=2000, seconds=60)


def of(config: pytest.Config) -> Effort:
    """What this run was asked to try."""
    if config.getoption("--faults"):
        return SHORT if config.getoption("--short") else FULL
    return PLAIN._replace(calls=0) if config.getoption("--every-call") else PLAIN
