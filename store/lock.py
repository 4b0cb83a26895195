"""Locks: flock(2) on a file that is never unlinked and whose content says who holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from types import TracebackType

from store import disk
from store.errors import Busy, Damaged
from store.named import NamedTuple

POLL = 0.05
"""Seconds between two tries while waiting."""
REMIND = 30.0
"""Seconds after which whoever waits is told again for whom, and for how long already."""


class Holder(NamedTuple):
    """Who holds a lock, as far as the file or the kernel tells."""

    pid: int
    command: str
    since: float
    """Seconds since the epoch; 0.0 where only the kernel tells."""


OnWait = Callable[[Holder | None, float], None]
"""Is told whom we wait for, and for how many seconds already: at once, when another has the lock, every REMIND."""


class Lock:
    """An exclusive lock, for a ``with`` block.

    ``fd`` may be given when the file is open already: inherited from whoever goes on holding it, or else ``ours``.
    Without ``sign`` the file, which is somebody else's, is left as it is.
    """

    def __init__(
        self,
        path: bytes,
        command: str,
        *,
        wait: bool = True,
        on_wait: OnWait | None = None,
        fd: int | None = None,
        ours: bool = False,
        sign: bool = True,
    ) -> None:
        self.path = path
        self.command = command
        self.wait = wait
        self.on_wait = on_wait
        self.fd = -1 if fd is None else fd
        self.sign = sign
        self._inherited = fd is not None and not ours

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock; waits, and tells ``on_wait``, or raises Busy."""
        if self.fd < 0:
            self.fd = _open(self.path)
        try:
            if not self._try():
                self._wait()
            if self.sign:
                self._sign()
        except BaseException:
            self._close()  # or the next try of this very process would wait for it
            raise

    def _wait(self) -> None:
        began = time.monotonic()
        told: tuple[int, float] | None = None
        while True:
            holder = self._holder()
            if not self.wait:
                raise busy(holder)
            waited, pid = time.monotonic() - began, holder.pid if holder else 0
            if self.on_wait is not None and (told is None or told[0] != pid or waited - told[1] >= REMIND):
                self.on_wait(holder, waited)
                told = (pid, waited)
            time.sleep(POLL)
            if self._try():
                return

    def _holder(self) -> Holder | None:
        """Who signed the file; or who locked it, where nobody has (uv never does, we have not yet at first)."""
        signed = read_holder(self.path) if self.sign else None
        return signed or _locked_by(self.fd)

    def release(self) -> None:
        """Let go. An inherited file stays open: whoever else has it keeps the lock until they end."""
        self._close()

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True

    def _sign(self) -> None:
        holder = {"pid": os.getpid(), "command": self.command, "since": time.time()}
        try:
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, json.dumps(holder).encode(), 0)
        except OSError:
            return  # the name is a courtesy: on a full or failing disk the lock works without

    def _close(self) -> None:
        if self.fd >= 0 and not self._inherited:
            os.close(self.fd)
        self.fd = -1


def _open(path: bytes) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ELOOP):
            raise
        raise Damaged(
            f"{os.fsdecode(path)} is no file, so the lock cannot be taken.", "Run: sysvenv doctor --fix"
        ) from None


def busy(holder: Holder | None) -> Busy:
    """The error that names the holder."""
    if holder is None:
        return Busy("Another sysvenv or pip is at work here.", "Try again when it is done.")
    lasted = (
        f"has been at work here for {max(0, round(time.time() - holder.since))} s" if holder.since else "is at work"
    )
    return Busy(
        f"Process {holder.pid} ({holder.command}) {lasted}.",
        "Try again when it is done, or leave out --no-wait to wait for it.",
    )


def read_holder(path: bytes) -> Holder | None:
    """Who signed the lock file last; None when nobody did readably."""
    try:
        found = json.loads(disk.read(path))
        return Holder(int(found["pid"]), str(found["command"]), float(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _locked_by(fd: int) -> Holder | None:
    """Who has locked that file by flock(2), as Linux tells (proc_locks(5)); None where it does not."""
    found = os.fstat(fd)
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        for line in disk.read(b"/proc/locks").decode().splitlines():
            _, kind, *rest = line.split()
            if kind == "FLOCK" and wanted in rest:
                pid = int(rest[rest.index(wanted) - 1])
                words = disk.read(b"/proc/%d/cmdline" % pid).split(b"\0")[:-1]
                return Holder(pid, " ".join(os.fsdecode(word) for word in words), 0.0) if words else None
    except (OSError, ValueError):
        return None  # no such system, or it has just ended
    return None


def is_free(path: bytes) -> bool:
    """Whether nobody holds the lock right now (a look, not a promise)."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
