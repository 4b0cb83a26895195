"""Background: work nobody waits for, in a process of its own that outlives the command."""

from __future__ import annotations

import os
from collections.abc import Callable

_POLITE = 19
"""The niceness that gives way to everybody; on Linux it lowers the priority of disk access too (ionice(1))."""


def start(work: Callable[[], object]) -> None:
    """Begin ``work`` and return at once. Its process holds no lock and no file of ours; whatever goes wrong in it ends
    it and nothing else, so it must be such that it may be killed at any time."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # it ends at once; the grandchild belongs to init and leaves no zombie with us
        return
    try:
        os.setsid()
        _let_go()  # before we are waited for, or a lock would still be held for an instant after we return
        if not os.fork():
            os.nice(_POLITE)
            work()
    finally:
        os._exit(0)


def _let_go() -> None:
    """Of everything inherited, the lock above all."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    try:
        last = max(map(int, os.listdir("/dev/fd")))
    except (OSError, ValueError):
        last = os.sysconf("SC_OPEN_MAX")  # it may be a million, and each is tried where close_range(2) is missing
    os.closerange(3, last + 1)
    os.chdir("/")
