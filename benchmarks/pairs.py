"""Timing whole processes in turn: A B A B ..., so that what the machine does meanwhile meets all sides alike."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


class CommandFailed(Exception):
    """A command that was measured or prepared something ended with an error; the text holds what it printed."""


class Sample(NamedTuple):
    """One run of one side. All in seconds."""

    wall: float
    cpu: float
    """User and system time of the commands and of all children they waited for."""
    behind: float = 0.0
    """Processor time of what they left running behind them; not part of `wall`, and waited for before the next run."""


class Side(NamedTuple):
    """One of the things compared."""

    name: str
    commands: Sequence[Sequence[str]]
    """Run one after the other, timed together."""
    environ: Mapping[str, str]
    before: Callable[[], object] | None = None
    """Run before each timed run, untimed: it puts back what the last one changed."""
    most: int = 0
    """At most so many runs, and no warm-up; 0 for as many as the others. For peers that take half a minute."""


Series = dict[str, list[Sample]]
"""The samples of each side, by its name."""


class Spread(NamedTuple):
    """What is told of a list of numbers."""

    middle: float
    low: float
    high: float
    runs: int


def spread(numbers: Sequence[float]) -> Spread:
    """Median, extremes and count. Raises ValueError for no numbers."""
    return Spread(median(numbers), min(numbers), max(numbers), len(numbers))


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of each pair where both sides ran equally often, else the ratio of the medians."""
    if len(above) == len(below):
        return median(one / other for one, other in zip(above, below, strict=True))
    return median(above) / median(below)


def alternate(sides: Sequence[Side], runs: int, warm: int = 1, sync: bool = False) -> Series:
    """Run all sides in turn, `warm` rounds uncounted and `runs` counted. `sync` writes everything out before each run.

    Raises CommandFailed.
    """
    series: Series = {side.name: [] for side in sides}
    for turn in range(-warm, runs):
        for side in sides:
            if side.most and not 0 <= turn < side.most:
                continue
            if side.before:
                side.before()
            if sync:
                os.sync()
            sample = run(side.commands, side.environ)
            if turn >= 0:
                series[side.name].append(sample)
    return series


def run(commands: Sequence[Sequence[str]], environ: Mapping[str, str]) -> Sample:
    """Run commands one after the other and wait until they are gone, after `adopt_orphans` with all they started.

    Raises CommandFailed.
    """
    _wait_for_orphans()  # of what ran untimed before
    with tempfile.TemporaryFile() as output:
        wall = cpu = 0.0
        for command in commands:
            start = time.perf_counter()
            pid = spawn(command, environ, output.fileno())
            _, status, usage = os.wait4(pid, 0)
            wall += time.perf_counter() - start
            cpu += usage.ru_utime + usage.ru_stime
            if code := os.waitstatus_to_exitcode(status):
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise CommandFailed(f"exit code {code}: {' '.join(command)}\n{said[-2000:]}")
    return Sample(wall, cpu, _wait_for_orphans())


def spawn(command: Sequence[str], environ: Mapping[str, str], output: int) -> int:
    """Start a program that reads nothing and prints into `output`; its pid. Raises CommandFailed."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    try:
        return os.posix_spawnp(command[0], list(command), environ, file_actions=actions)
    except OSError as error:
        raise CommandFailed(f"{command[0]} cannot be started: {error.strerror}") from error


@contextmanager
def one_core() -> Iterator[None]:
    """Whatever is started within runs on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def adopt_orphans(adopt: bool = True) -> None:
    """Linux: processes whose parents end become ours, so that `run` waits for them; a purge goes on behind `undo`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def _wait_for_orphans() -> float:
    """Wait until we have no child left; the processor time they took."""
    cpu = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime
