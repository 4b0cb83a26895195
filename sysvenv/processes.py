"""Running programs that hold a tree, from /proc. On systems without /proc every answer is empty.

A swap of trees does not reach into programs that run: who imported from the old tree goes on with it. They
are told by name; nothing is ever done to them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from store.named import NamedTuple


class Program(NamedTuple):
    """A running program that holds a directory."""

    pid: int
    name: str
    """Short name, as `ps` shows it."""
    why: str
    """"runs from" (its program or script), "maps" (a loaded library), "stands in" (its working directory)."""


# Parts of the names of programs that run Python or embed it. Others are not asked for their maps: a browser
# has a hundred processes whose maps take the kernel a millisecond each.
_RUN_PYTHON = (b"py", b"uwsgi", b"httpd", b"apache", b"unitd")

# A command line longer than this is cut: what it runs stands at its start.
_MOST_ARGUMENTS = 1 << 13


def holding(prefixes: Sequence[str], exclude: Collection[int] = ()) -> list[Program]:
    """Programs of this user (of everybody for root) that hold something below one of `prefixes`, by pid.

    A program in several ways is told once, by the first of "runs from", "maps", "stands in". Those whose
    /proc may not be read are left out.
    """
    below = _both_ways(prefixes)
    user = os.geteuid()
    found = []
    try:
        entries = os.scandir("/proc")
    except OSError:
        return []
    with entries:
        for entry in entries:
            if not entry.name.isdecimal() or int(entry.name) in exclude:
                continue
            try:
                if user and entry.stat().st_uid != user:
                    continue
                why = _hold(entry.path, below)
            except OSError:
                continue  # it ended while we looked, or it is not ours to look at
            if why:
                found.append(Program(int(entry.name), _name(entry.path), why))
    return sorted(found)


def shell_stands_in(prefixes: Sequence[str], ppid: int) -> bool:
    """Whether `ppid` (the shell that called us) has its working directory in one of `prefixes`."""
    try:
        return _is_below(os.fsencode(os.readlink(f"/proc/{ppid}/cwd")), _both_ways(prefixes))
    except OSError:
        return False


def boot_id() -> str:
    """Identity of this boot of the machine, or "" where the system tells none."""
    return _read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def start_time(pid: int) -> int:
    """When `pid` started, in clock ticks since boot; 0 if it does not run. Tells a pid from its reuse."""
    # The name, second field, is in parentheses and may hold any byte; the start is field 22 (man 5
    # proc_pid_stat).
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def age(pid: int) -> float:
    """For how many seconds `pid` has been running; 0.0 if it does not, or where the system does not tell."""
    began, uptime = start_time(pid), _read("/proc/uptime").split()
    return max(0.0, float(uptime[0]) - began / os.sysconf("SC_CLK_TCK")) if began and uptime else 0.0


def user(pid: int) -> int:
    """The effective user of `pid`; -1 if it does not run. The owner of /proc/PID may be root instead (proc(5))."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[2])
    return -1


def command_line(pid: int) -> list[str]:
    """The words `pid` was started with; none if they cannot be had."""
    return [os.fsdecode(word) for word in _read(f"/proc/{pid}/cmdline", _MOST_ARGUMENTS).split(b"\0")[:-1]]


def variable(pid: int, name: str) -> str:
    """A variable of the environment `pid` was started with; "" if it has none, or that cannot be had."""
    start = os.fsencode(name) + b"="
    found = [each for each in _read(f"/proc/{pid}/environ").split(b"\0") if each.startswith(start)]
    return os.fsdecode(found[0][len(start) :]) if found else ""


def has_open(pid: int, path: str) -> bool:
    """Whether `pid` has that file open; False if it cannot be told."""
    place, wanted = f"/proc/{pid}/fd", os.path.realpath(path)
    try:
        return any(os.readlink(f"{place}/{number}") == wanted for number in os.listdir(place))
    except OSError:
        return False


def _both_ways(prefixes: Sequence[str]) -> tuple[bytes, ...]:
    """Each directory as it is written in command lines, and as the kernel resolves it."""
    named = [*map(os.path.abspath, prefixes), *map(os.path.realpath, prefixes)]
    ways = {os.fsencode(path).rstrip(b"/") for path in named}
    return tuple(sorted(way for way in ways if way))


def _is_below(path: bytes, directories: Sequence[bytes]) -> bool:
    return any(path == directory or path.startswith(directory + b"/") for directory in directories)


def _hold(process: str, below: Sequence[bytes]) -> str:
    """How the process with the /proc directory `process` holds one of the directories; "" if it does not."""
    command = _read(process + "/cmdline", _MOST_ARGUMENTS)
    if not command:
        return ""  # a kernel thread, or a zombie
    cwd = os.fsencode(os.readlink(process + "/cwd"))
    program = os.fsencode(os.readlink(process + "/exe"))
    # The script of an interpreter is its first argument: `python -I venv/bin/flask` is as good as it gets.
    named = [part for part in command.split(b"\0")[:4] if b"/" in part and not part.startswith(b"-")]
    if _is_below(program, below) or any(_is_below(_absolute(part, cwd), below) for part in named):
        return "runs from"
    if any(part in os.path.basename(program) for part in _RUN_PYTHON):
        typed = command.partition(b"\0")[0]
        if b"/" not in typed and _is_below(_found_on_path(typed, process), below):
            return "runs from"
        maps = _read(process + "/maps")
        if any(b" " + directory + b"/" in maps for directory in below):
            return "maps"
    return "stands in" if _is_below(cwd, below) else ""


def _absolute(path: bytes, cwd: bytes) -> bytes:
    return os.path.normpath(os.path.join(cwd, path))


def _found_on_path(name: bytes, process: str) -> bytes:
    """Where a program called without a directory (`python app.py`) was found: on the PATH it was started
    with.

    Python of a virtual environment is a link to its base, so /proc/PID/exe does not tell.
    """
    for variable in _read(process + "/environ").split(b"\0"):
        if variable.startswith(b"PATH="):
            for directory in variable[5:].split(b":"):
                candidate = os.path.join(directory, name)
                if directory and os.access(candidate, os.X_OK):
                    return candidate
    return b""


def _name(process: str) -> str:
    name = _read(process + "/comm").decode("utf-8", "replace").rstrip("\n")
    return "".join(c if c.isprintable() else "?" for c in name)


def _read(path: str, limit: int = 1 << 22) -> bytes:
    """Up to `limit` bytes; b"" if they cannot be had. Files of /proc know no size and come in pieces."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while limit > 0 and (part := os.read(fd, min(limit, 1 << 16))):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(fd)
