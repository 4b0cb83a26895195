"""Foreign writers: who changes the environment without our lock, noticed right before trees are exchanged.

uv and a pip with the hook hold a lock, so they are waited for. A pip whose hook is switched off holds none; in the
middle of its work the tree it writes to must not be taken from under it.
"""

import os
from collections.abc import Iterable

from store.index import ANY
from store.scan import Drift
from sysvenv import processes
from sysvenv.errors import Busy
from sysvenv.operations.session import Session
from sysvenv.processes import Program

SECONDS = 2.0
"""A pip older than this that has not opened our lock has passed its hook by."""
_ELSEWHERE = ("--prefix", "--target", "-t", "--root", "--dry-run")
"""Options with which pip changes another place, or nothing: so do the pips that pip itself starts to build a wheel."""


def refuse(session: Session, drift: Drift, running: Iterable[Program]) -> None:
    """Raise Busy if somebody is at work in the live tree, or has been since it was looked at.

    ``drift`` is that look, ``running`` are the programs that use the tree. A few lstat: not every file again.
    """
    writers = {0, os.stat(session.home.root).st_uid}
    for program in running:
        if processes.user(program.pid) not in writers:
            continue  # a guest of the system's environment, who cannot be changing it, whatever its words are
        words = processes.command_line(program.pid)
        if _changes_packages(words) and _has_no_lock(session, program.pid):
            raise Busy(
                f"Process {program.pid} ({' '.join(words)}) is changing the environment, and sysvenv does not record "
                "it. Nothing was changed.",
                "Run it again when that has ended.",
            )
    for directory in _telling(session, drift):
        if _moved(session.live, directory, drift):
            raise Busy(
                f"Somebody changed {os.fsdecode(os.path.join(session.live, directory))} in the last instant. "
                "Nothing was changed.",
                "Run it again; sysvenv status shows what came.",
            )


def _changes_packages(words: list[str]) -> bool:
    from sysvenv import pip_hook

    script, arguments = pip_hook.pip_call(words)
    if not script or pip_hook.subcommand(arguments) not in ("install", "uninstall"):
        return False
    return not any(word.partition("=")[0] in _ELSEWHERE for word in arguments)


def _has_no_lock(session: Session, pid: int) -> bool:
    """Whether a pip goes unrecorded. One that has only just started may still come to its hook, and wait for us."""
    if processes.has_open(pid, session.home.lock):
        return False
    return processes.variable(pid, "SYSVENV") == "0" or processes.age(pid) > SECONDS


def _telling(session: Session, drift: Drift) -> set[bytes]:
    """The directories in which an installation shows, and those in which something has changed already."""
    return {session.site, b"bin", *(path[: max(path.rfind(b"/"), 0)] for path in drift.changed)}


def _moved(live: bytes, directory: bytes, drift: Drift) -> bool:
    known = drift.found.directory(directory)
    if known is None or known[1] == ANY:
        return False
    try:
        return os.lstat(os.path.join(live, directory)).st_mtime_ns != known[1]
    except FileNotFoundError:
        return True
