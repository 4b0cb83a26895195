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

    At least the high-water mark (`ru_maxrss`) of its largest process. Raises CommandFailed.
    """
    most = 0
    with tempfile.TemporaryFile() as output:
        pid = spawn(command, environ, output.fileno())
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            most = max(most, sum(_proportional(each) for each in _family(pid)))
            time.sleep(_EVERY)
        if code := os.waitstatus_to_exitcode(status):
            output.seek(0)
            raise CommandFailed(f"exit code {code}: {' '.join(command)}\n{output.read()[-2000:].decode()}")
    return max(most, usage.ru_maxrss * 1024)


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
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended
    return 0
