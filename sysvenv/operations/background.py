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
        if not os.fork():
            _let_go()
            work()
    finally:
        os._exit(0)


def _let_go() -> None:
    """Of everything inherited, the lock above all."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.nice(_POLITE)
