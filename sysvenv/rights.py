"""Root in somebody else's home works there as that somebody: `sudo sysvenv`, and sysvenv around a `sudo pip`.

What root left in a home could neither be changed nor, where fs.protected_hardlinks is set (proc(5)), be linked by the
user it belongs to.
"""

from __future__ import annotations

import os
import stat
import sys

from sysvenv import owner
from sysvenv.home import Home


def step_down(home: Home) -> None:
    """As root, become for good the user whose home it is, or who owns the place it will be made in.

    Where that user could not run this sysvenv all stays as it is, and `owner.refuse_strangers` says so.
    """
    rights = Rights(home)
    if rights.lay_down():
        rights.give_up()


class Rights:
    """Root's rights while it works in the home of somebody else; for other users, and in root's own home, nothing."""

    def __init__(self, home: Home) -> None:
        self._home = home
        found = owner.of_other(home.root) if os.geteuid() == 0 else None
        self._uid, self._gid = (found.st_uid, found.st_gid) if found is not None else (0, 0)
        self._laid_down = False

    @property
    def are_another_s(self) -> bool:
        """Whether this is root's work in the home of somebody else."""
        return bool(self._uid)

    def lay_down(self) -> bool:
        """Act as the owner from now on; whether that is somebody else, who can run this sysvenv."""
        if not self._uid:
            return False
        groups = os.getgroups()
        try:
            os.setgroups(_groups(self._uid, self._gid))
        except OSError:
            return False  # root of a user namespace (user_namespaces(7)), which has no such user
        try:
            os.setegid(self._gid)
            os.seteuid(self._uid)
            self._laid_down = _can_be_run()
        except OSError:
            self._laid_down = False
        if not self._laid_down:
            self._be_root(groups)
        return self._laid_down

    def take_up(self) -> None:
        """Act as root again, until they are laid down the next time."""
        if self._laid_down:
            self._be_root([])

    def give_up(self) -> None:
        """Lay them down for good."""
        os.seteuid(0)
        os.setgid(self._gid)
        os.setuid(self._uid)  # as root: the real and the saved one too (setuid(2))

    def hand_over(self) -> None:
        """Give the owner what root, that is a pip run with sudo, made in the environment. The rights stay laid down."""
        if not self._laid_down:
            return
        self._be_root([])
        try:
            for _, directories, files, place in os.fwalk(self._home.venv, onerror=None, follow_symlinks=False):
                for name in (*directories, *files):
                    _give(name, place, self._uid, self._gid)
        finally:
            self.lay_down()

    def _be_root(self, groups: list[int]) -> None:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        self._laid_down = False


def _groups(uid: int, gid: int) -> list[int]:
    import pwd

    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]  # a container often has no name for the owner of a mounted home


def _can_be_run() -> bool:
    """Whether everything Python will import is open to the user we act as: /root and what is in it mostly is not."""
    for place in (sys.executable, __file__, *sys.path):
        try:
            os.close(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
        except (FileNotFoundError, NotADirectoryError):
            continue  # python311.zip
        except OSError:
            return False
    return True


def _give(name: str, place: int, uid: int, gid: int) -> None:
    """Change the owner of what is root's in the directory open as `place`. What has another name may lie elsewhere
    too, and is let be."""
    try:
        found = os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return
    if found.st_uid != 0:
        return
    if stat.S_ISLNK(found.st_mode):
        os.chown(name, uid, gid, dir_fd=place, follow_symlinks=False)
    elif stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        try:
            same = os.fstat(opened)
            if (same.st_ino, same.st_nlink, same.st_mode) == (found.st_ino, found.st_nlink, found.st_mode):
                os.fchown(opened, uid, gid)
        finally:
            os.close(opened)
