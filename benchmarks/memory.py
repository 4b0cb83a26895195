"""Peak memory of a command and everything it starts, added up."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence

from benchmarks.pairs import CommandFailed, spawn

_EVERY = 0.001
"""Seconds between two looks. A shorter peak may be missed, so the processes' own high-water marks count too."""


def peak(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Bytes: the most that the command's processes had at one time, shared pages shared out (PSS, Linux).

    At least the high-water mark (VmHWM) of its largest process; `ru_maxrss` would not do, as it counts the process
    that spawned it too. Raises CommandFailed.
    """
    most = 0
    with tempfile.TemporaryFile() as output:
        pid = spawn(command, environ, output.fileno())
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            family = _family(pid)
            most = max(most, sum(_proportional(each) for each in family), *(_high_water(each) for each in family))
            time.sleep(_EVERY)
        if code := os.waitstatus_to_exitcode(status):
            output.seek(0)
            raise CommandFailed(f"exit code {code}: {' '.join(command)}\n{output.read()[-2000:].decode()}")
    return most


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as children:
                found += [int(child) for child in children.read().split()]
        except OSError:
            continue  # it has ended
    return found


def _proportional(pid: int) -> int:
    """Bytes of one process, each page divided by the number of processes that share it."""
    return _told(f"/proc/{pid}/smaps_rollup", "Pss:")


def _high_water(pid: int) -> int:
    """Bytes: the most one process ever had."""
    return _told(f"/proc/{pid}/status", "VmHWM:")


def _told(path: str, name: str) -> int:
    """A number of kilobytes in a file of /proc, as bytes; 0 when the process has ended."""
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
    except OSError:
        return 0
