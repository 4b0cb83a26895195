"""Pruned: ``history/PRUNED``, the statement of which records gc removed. Without it their absence would be damage.

It is written before they go, so whatever is left of them after a crash counts as gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable

from store import disk
from store.named import NamedTuple
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.home import Home

VERSION = 1


class Pruned(NamedTuple):
    """Numbers of operations whose records were removed."""

    ranges: tuple[tuple[int, int], ...] = ()
    """First and last number of each run of them, in order, with a gap between any two."""
    when: float = 0.0
    """When the last of them were; seconds since the epoch."""

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and any(first <= number <= last for first, last in self.ranges)

    @property
    def last(self) -> int:
        """The largest number; -1 where there is none."""
        return self.ranges[-1][1] if self.ranges else -1

    def told(self, number: int) -> str:
        """The clause for somebody who wants operation ``number``, or what lies before it: "@3 and before were ..." """
        first = next((first for first, last in self.ranges if first <= number <= last), number)
        day = time.strftime("%Y-%m-%d", time.localtime(self.when))
        if first == number:
            subject = f"@{number} was"
        elif first == 0:
            subject = f"@{number} and before were"
        else:  # before these, one that was kept
            subject = f"@{first} to @{number} were"
        return f"{subject} pruned by gc (last on {day})"


def read(home: Home) -> Pruned:
    """What is stated; nothing where there is no statement. Raises DamageFound for one that makes no sense."""
    import json

    try:
        value = json.loads(disk.read(os.fsencode(home.pruned)))
        version = value["version"]
        if version == VERSION:
            return _checked(tuple((int(first), int(last)) for first, last in value["pruned"]), float(value["when"]))
    except FileNotFoundError:
        return Pruned()
    except (ValueError, KeyError, TypeError) as error:
        raise DamageFound(f"{home.pruned} does not make sense ({error}).", "Run: sysvenv doctor --fix") from None
    raise SysvenvError(
        f"{home.pruned} has format version {version}; this sysvenv reads version {VERSION}.",
        "It was written by a newer sysvenv: install that one again.",
    )


def write(home: Home, pruned: Pruned) -> None:
    """Replace the statement, durably."""
    import json

    value = {"version": VERSION, "pruned": pruned.ranges, "when": pruned.when}
    disk.write_durably(os.fsencode(home.pruned), json.dumps(value, indent=1).encode() + b"\n")


def joined(pruned: Pruned, numbers: Collection[int], when: float) -> Pruned:
    """``pruned`` and more numbers, removed at ``when``."""
    every = {number for first, last in pruned.ranges for number in range(first, last + 1)}.union(numbers)
    return Pruned(tuple(_runs(sorted(every))), when)


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _checked(ranges: tuple[tuple[int, int], ...], when: float) -> Pruned:
    edges = [edge for each in ranges for edge in each]
    if edges != sorted(edges) or (edges and edges[0] < 0):
        raise ValueError("its numbers are not in order")
    return Pruned(ranges, when)
