"""Running programs that hold a tree, from /proc. On systems without /proc every answer is empty."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple


class Program(NamedTuple):
    """A running program that holds a directory."""

    pid: int
    name: str
    """Short name, as `ps` shows it."""
    why: str
    """"runs from" (its program or script), "stands in" (its working directory) or "maps" (a loaded library)."""


def holding(prefixes: Sequence[str], exclude: Collection[int] = ()) -> list[Program]:
    """Programs of this user (of everybody for root) that hold something below one of `prefixes`, by pid."""
    raise NotImplementedError


def shell_stands_in(prefixes: Sequence[str], ppid: int) -> bool:
    """Whether the process `ppid` (the shell that called us) has its working directory below one of `prefixes`."""
    raise NotImplementedError


def boot_id() -> str:
    """Identity of this boot of the machine, or ""."""
    raise NotImplementedError


def start_time(pid: int) -> int:
    """When `pid` started, in clock ticks since boot; 0 if it does not run. With pid and boot id it is unique."""
    raise NotImplementedError
