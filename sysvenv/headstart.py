"""The head start: the audit of the live tree begins before click, json and typing are imported.

An undo is looking at every file, and starting Python with what it needs takes as long as looking at half of them. So
the locks are taken, if they are free, and a second process begins; whoever opens the session goes on from there.
"""

from __future__ import annotations

import fcntl
import os

from store import second as processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.second import Second
    from sysvenv.home import Home

COMMANDS = frozenset({"undo", "redo", "restore", "clean"})
"""Those that look at every file of the live tree first ..."""
READERS = frozenset({"status"})
"""... and those that look at its directories, and take no lock."""
UV_LOCK = b".lock"
"""uv takes flock(2) on this file of a venv; one inode for ever, or two uvs would hold two locks."""
_MARKER = b'{"version": 1, "checkout": "'
"""How the marker of a tree begins, up to the name of its index. Should it not, there is no head start."""


class HeadStart:
    """What was begun. Whoever is given it goes on with it, or lets it end with the process."""

    __slots__ = ("checkout", "home", "lock", "second", "uv_lock")

    def __init__(
        self,
        home: Home | None = None,
        lock: int | None = None,
        uv_lock: int | None = None,
        checkout: str = "",
        second: Second | None = None,
    ) -> None:
        self.home = home
        """Of the environment the command line speaks of; None where that is still to be told."""
        self.lock = lock
        """The environment's lock, open and held; None where it is still to be taken, or the caller's own."""
        self.uv_lock = uv_lock
        """uv's lock, likewise."""
        self.checkout = checkout
        """The checkout that is being audited as the live one."""
        self.second = second


NONE = HeadStart()


def for_command(arguments: Sequence[str], home: Home | None) -> HeadStart:
    """Begin for a command line that speaks of the environment of ``home``, if it will look at every file."""
    looks = bool(arguments) and arguments[0] in COMMANDS | READERS and {"-h", "--help"}.isdisjoint(arguments)
    if home is None or not looks:
        return HeadStart(home)
    return begin(home) if arguments[0] in COMMANDS else begin_reading(home)


def begin(home: Home, lock: int | None = None) -> HeadStart:
    """Begin to audit the live tree of ``home``, if that can be done at once and pays.

    ``lock`` is the environment's lock if it is open already.
    """
    live = os.fsencode(home.venv)
    opened: list[int] = []
    try:
        for path in (os.fsencode(home.lock), live + b"/" + UV_LOCK)[lock is not None :]:
            opened.append(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        held = opened if lock is None else [lock, *opened]
        for each in held:
            fcntl.flock(each, fcntl.LOCK_EX | fcntl.LOCK_NB)
        checkout, index = _checkout(home)
        # Of the trees that stand ready one will be looked at too, and it may be much larger than the live one.
        indexes = os.path.dirname(index)
        others = [os.path.join(indexes, name) for name in os.listdir(indexes)]
        second = processes.start(index, others=others, closing=held)
    except OSError:  # somebody is at work, or something is missing: the session finds out what, and says so
        second = None
    if second is None:
        for each in opened:
            os.close(each)
        return HeadStart(home)
    second.begin(live, index)
    return HeadStart(home, held[0] if lock is None else None, held[1], checkout, second)


def begin_reading(home: Home) -> HeadStart:
    """Begin to look at the directories of the live tree of ``home``, without a lock."""
    try:
        checkout, index = _checkout(home)
        second = processes.start(index)
    except OSError:
        second = None
    if second is None:
        return HeadStart(home)
    second.begin(os.fsencode(home.venv), index, rows=False)
    return HeadStart(home, checkout=checkout, second=second)


def _checkout(home: Home) -> tuple[str, bytes]:
    """The name in the live tree's marker and its index. A guess until the session has read the marker as JSON."""
    marker = os.open(home.venv + "/.sysvenv", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        start = os.read(marker, len(_MARKER) + 16)
    finally:
        os.close(marker)
    name = start[len(_MARKER) :] if start.startswith(_MARKER) else b""
    if len(name) != 16 or not name.isalnum():
        raise FileNotFoundError
    return name.decode(), b"%s/index/%s" % (os.fsencode(home.area), name)
