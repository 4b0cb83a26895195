"""Injected faults: an operation in a forked process, one of whose calls into the system goes wrong.

Works wherever Python does; what happens outside Python's own calls, tests/tripwire.py breaks.
"""

from __future__ import annotations

import errno
import functools
import os
import traceback
import warnings
from collections.abc import Callable

from tiny import Tiny

from store import disk
from store.errors import StoreError
from sysvenv.errors import SysvenvError

CALLS = ["open", "link", "rename", "mkdir", "rmdir", "unlink", "symlink", "write", "fsync", "utime", "chmod", "fchmod"]
GROWING = {"open", "link", "mkdir", "symlink", "write", "sync_filesystem"}
"""What fails on a full disk; names can still be renamed and removed."""
DONE, TOLD, KILLED, SURPRISED = 0, 1, 137, 99


class Faults:
    """Counts the calls that change something, and lets the one numbered ``at`` go wrong."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind = kind
        self.at = at
        self.count = 0
        self.armed = False

    def install(self) -> None:
        """Wrap the calls, for good: this is for a forked process. Nothing is flushed, as the machine stays up."""
        for name in CALLS:
            real = (lambda *_, **__: None) if name == "fsync" else getattr(os, name)
            setattr(os, name, functools.partial(self._call, name, real))
        disk.exchange = functools.partial(self._call, "exchange", disk.exchange)
        disk.sync_filesystem = functools.partial(self._call, "sync_filesystem", lambda path: None)
        self.armed = True

    def _call(self, name: str, real: Callable[..., object], *arguments: object, **options: object) -> object:
        if not self.armed or (name == "open" and not int(arguments[1]) & os.O_CREAT):  # type: ignore[call-overload]
            return real(*arguments, **options)
        self.count += 1
        if self.kind == "kill" and self.count == self.at:
            os._exit(KILLED)
        if self.kind == "bad disk" and self.count == self.at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.kind == "full disk" and self.count >= self.at > 0 and name in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **options)


Operation = Callable[[Tiny, Faults], object]


def run(home: Tiny, operation: Operation, kind: str, at: int) -> tuple[int, int]:
    """Run an operation in a process of its own with one fault; its exit code, and how many calls were counted."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # xdist has threads; the child uses none of them
        pid = os.fork()
    if not pid:
        os.close(reader)
        code = SURPRISED
        faults = Faults(kind, at)
        real_write = os.write
        try:
            faults.install()
            operation(home, faults)
            code = DONE
        except (OSError, StoreError, SysvenvError):
            code = TOLD
        except BaseException:  # noqa: BLE001 (told as SURPRISED, with its traceback)
            faults.armed = False
            traceback.print_exc()
        finally:
            real_write(writer, b"%d" % faults.count)
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        counted = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), int(counted or 0)
