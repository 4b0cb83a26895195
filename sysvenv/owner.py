"""Whose home it is: sysvenv works on homes of its own user only.

Who can write to a store can give its owner other programs to run, so git's rule holds (safe.directory, CVE-2022-24765).
"""

from __future__ import annotations

import os
import stat

from sysvenv.errors import SysvenvError
from sysvenv.home import Home

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def refuse_strangers(home: Home, *, guests: bool = False) -> None:
    """Raise SysvenvError where somebody else owns the home, its history or its store, or may write to them.

    Of the home itself, a group may: with a umask of 002, as many systems have it, it is the user's own group. The
    system's home is root's; ``guests``, who only read, are let in.
    """
    for place, forbidden in ((home.root, stat.S_IWOTH), (home.history, _OTHERS), (home.store, _OTHERS)):
        try:
            found = os.stat(place)
        except FileNotFoundError:
            continue  # whoever needs it says that it is missing
        if found.st_uid != os.geteuid():
            if home.is_system and found.st_uid == 0:
                if guests and not found.st_mode & forbidden:
                    continue
                raise roots_alone(home)
            raise SysvenvError(f"{place} belongs to {_name(found.st_uid)}, not to you.", _remedy(home, found.st_uid))
        if found.st_mode & forbidden:
            mode = stat.S_IMODE(found.st_mode)
            closed = mode & ~forbidden if place == home.root else home.mode
            raise SysvenvError(
                f"Others may write to {place} (mode {mode:04o}).",
                f"Run: chmod {closed:o} {place}, and sysvenv verify if somebody may have done so.",
            )


def roots_alone(home: Home) -> SysvenvError:
    """The error for a user who would change the system's environment."""
    return SysvenvError(
        f"{home.venv} is root's: you may look at it, not change it.",
        "Run: sudo sysvenv ...; without --system or SYSVENV_HOME you work on your own.",
    )


def is_trusted(path: str) -> bool:
    """Whether what lies at `path` is the user's own or root's, and not for everybody to write to."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & stat.S_IWOTH


def closed_to_others(path: str) -> str:
    """The topmost of `path` and the directories it lies in that only some users may use; "" where everybody may."""
    place, closed = os.path.realpath(path), ""
    while place != "/":
        if not os.stat(place).st_mode & stat.S_IXOTH:
            closed = place
        place = os.path.dirname(place)
    return closed


def of_other(path: str) -> os.stat_result | None:
    """The status of `path`, or of what of it is there; None where that is root's or cannot be told. For root to ask."""
    while True:
        try:
            found = os.stat(path)
            return found if found.st_uid else None
        except FileNotFoundError:
            if path == os.path.dirname(path):
                return None
            path = os.path.dirname(path)
        except OSError:
            return None


def _remedy(home: Home, owner: int) -> str:
    if os.geteuid() == 0:
        return f"Run it as that user: sudo -u {_name(owner)} sysvenv ..., with a sysvenv that user can run."
    mine = f"sudo chown -R {os.geteuid()} {home.root}"
    return f"If it should be yours: {mine}; else set SYSVENV_HOME to a directory of your own."


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
