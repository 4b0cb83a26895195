"""The tripwire: runs a command whose N-th call that changes a directory fails, or is the last thing before a kill.

ptrace(2) with a seccomp(2) filter, from the standard library: only calls that can change files stop, so all others
run at full speed. Every process the command starts is followed, those it leaves behind too; calls are counted over all
of them. Linux on x86-64; elsewhere the faults of tests/test_faults.py, which need none of this, must do.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import re
import signal
import struct
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, NoReturn

SECONDS = 120
"""A command that takes longer hangs."""

# Call: its number, and which arguments say what it changes: pN a path, dNpM a path below a directory's descriptor,
# fN a descriptor. asm/unistd_64.h, and the manual page of each.
_CALLS = {
    "write": (1, "f0"), "pwrite64": (18, "f0"), "writev": (20, "f0"), "pwritev": (296, "f0"),
    "sendfile": (40, "f0"), "copy_file_range": (326, "f2"), "fallocate": (285, "f0"),
    "fsync": (74, "f0"), "fdatasync": (75, "f0"), "syncfs": (306, "f0"),
    "truncate": (76, "p0"), "ftruncate": (77, "f0"),
    "rename": (82, "p0 p1"), "renameat": (264, "d0p1 d2p3"), "renameat2": (316, "d0p1 d2p3"),
    "mkdir": (83, "p0"), "mkdirat": (258, "d0p1"), "rmdir": (84, "p0"),
    "link": (86, "p0 p1"), "linkat": (265, "d0p1 d2p3"), "unlink": (87, "p0"), "unlinkat": (263, "d0p1"),
    "symlink": (88, "p1"), "symlinkat": (266, "d1p2"), "mknod": (133, "p0"), "mknodat": (259, "d0p1"),
    "chmod": (90, "p0"), "fchmod": (91, "f0"), "fchmodat": (268, "d0p1"), "fchmodat2": (452, "d0p1"),
    "chown": (92, "p0"), "fchown": (93, "f0"), "lchown": (94, "p0"), "fchownat": (260, "d0p1"),
    "utime": (132, "p0"), "utimes": (235, "p0"), "futimesat": (261, "d0p1"), "utimensat": (280, "d0p1"),
    "open": (2, "p0"), "openat": (257, "d0p1"), "creat": (85, "p0"), "ioctl": (16, "f0"),
}  # fmt: skip
_CONDITIONS = {"open": (1, os.O_CREAT | os.O_TRUNC), "openat": (2, os.O_CREAT | os.O_TRUNC)}
"""Those that only count with one of these bits in that argument."""
_FICLONE = 0x40049409

ALL = frozenset(_CALLS)
LINKING = frozenset({"link", "linkat"})
CROSSING = LINKING | {"rename", "renameat", "renameat2"}
GROWING = CROSSING | {
    "write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate", "fsync", "fdatasync",
    "syncfs", "mkdir", "mkdirat", "symlink", "symlinkat", "mknod", "mknodat", "open", "openat", "creat", "ioctl",
}  # fmt: skip
"""What may need space: a directory grows by a new name, and blocks may only be looked for by fsync."""

FLUSHING = frozenset({"fsync", "fdatasync", "syncfs"})
"""These are counted, may fail, and else do nothing: the machine stays up, so flushing would only cost time."""

KILL, KILL_ONE = "kill", "kill one"


class Wire(NamedTuple):
    """What is to go wrong, and when."""

    fault: str = ""
    """An errno by its name; KILL: the whole command; KILL_ONE: the process that makes the call. "": nothing."""
    at: int = 0
    """The call, counted from 1 among ``calls``."""
    calls: frozenset[str] = ALL
    lasting: bool = False
    """Whether every later one fails too."""


class Tripped(NamedTuple):
    """What became of the command."""

    code: int
    """Its exit code; negative: the signal that ended it."""
    calls: tuple[str, ...]
    """The calls that were counted, in their order: name and path."""
    output: str
    errors: str


class Hangs(Exception):
    """The command did not end."""


def missing() -> str:
    """Why there can be no tripwire here; "" if there can."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64" or sys.maxsize < 1 << 32:
        return "ptrace is spoken for Linux on x86-64 only"
    try:
        run([sys.executable, "-I", "-c", "pass"], "/nowhere", Wire(), os.environ)
    except (OSError, Hangs) as error:
        return f"this machine does not let processes be traced ({error})"
    return ""


def run(command: Sequence[str], root: str, wire: Wire, environ: Mapping[str, str], cwd: str = "/") -> Tripped:
    """Run a command to the end of all its processes. What it changes below ``root`` counts. OSError: no tracing."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a test runner has threads; the child uses none
            tracer = os.fork()
        if not tracer:
            _be_tracer(command, os.fsencode(root), wire, environ, cwd, (output.fileno(), errors.fileno()), result)
        status = os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1])
        if status == -signal.SIGALRM:
            raise Hangs(f"{' '.join(command)} was still running after {SECONDS} s")
        if status:
            raise OSError(status, os.strerror(status))
        for file in (output, errors, result):
            file.seek(0)
        code, calls = json.load(result)
        texts = (file.read().decode(errors="replace") for file in (output, errors))
        return Tripped(code, tuple(calls), *texts)


def _be_tracer(command, root, wire, environ, cwd, streams, result) -> NoReturn:  # type: ignore[no-untyped-def]
    """In a process of its own, as it waits for children of any kind. Should it end, the kernel kills the traced."""
    status = errno.EIO
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        first = _start(command, environ, cwd, streams)
        found = _Watch(root, wire).follow(first)
        result.write(json.dumps(found).encode())
        result.flush()
        status = 0
    except OSError as error:
        status = error.errno or errno.EIO
    finally:
        os._exit(status)


# --- the kernel's side

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
# sys/ptrace.h
_CONT, _POKEUSER, _SEIZE, _LISTEN, _GET_SYSCALL_INFO = 7, 6, 0x4206, 0x4208, 0x420E
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_OPTIONS = 2 | 4 | 8 | 0x80 | 0x100000  # TRACEFORK, TRACEVFORK, TRACECLONE, TRACESECCOMP, EXITKILL
_RAX, _ORIG_RAX = 10 * 8, 15 * 8  # sys/user.h: where they stand in struct user_regs_struct
_WALL = 0x40000000  # bits/waitflags.h: threads too


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _start(command: Sequence[str], environ: Mapping[str, str], cwd: str, streams: Sequence[int]) -> int:
    """The command's process, traced from its first instruction on."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reader)
        _ptrace(_SEIZE, pid, 0, _OPTIONS)
        os.close(writer)
        return pid
    try:
        os.close(writer)
        os.read(reader, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((null, *streams)):
            os.dup2(descriptor, number)
        os.closerange(3, 4096)
        os.chdir(cwd)
        os.setsid()
        signal.alarm(0)
        _filter()
        os.execve(command[0], list(command), dict(environ))
    finally:
        os._exit(126)


def _filter() -> None:
    """Let the kernel stop this process, and all it starts, at the calls above. linux/filter.h, linux/seccomp.h."""
    load, equal, any_bit, leave = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET
    trace, allow = 0x7FF00000, 0x7FFF0000
    program = [(load, 0, 0, 0)]  # the number of the call
    for name, (number, _) in _CALLS.items():
        if name in _CONDITIONS or name == "ioctl":
            argument, bits = _CONDITIONS.get(name, (1, _FICLONE))
            test = equal if name == "ioctl" else any_bit
            program += [(equal, 0, 4, number), (load, 0, 0, 16 + 8 * argument), (test, 0, 1, bits)]
            program += [(leave, 0, 0, trace), (leave, 0, 0, allow)]
        else:
            program += [(equal, 0, 1, number), (leave, 0, 0, trace)]
    program.append((leave, 0, 0, allow))
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    memory = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(memory))
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2  # linux/prctl.h
    if _libc.prctl(no_new_privileges, 1, 0, 0, 0) or _libc.prctl(set_seccomp, by_filter, header, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _Watch:
    """The processes of one command, and the calls counted so far."""

    def __init__(self, root: bytes, wire: Wire) -> None:
        self.root = os.path.realpath(root)
        self.wire = wire
        self.calls: list[str] = []
        self.running: set[int] = set()
        self.killed = False
        self.names = {number: name for name, (number, _) in _CALLS.items()}

    def follow(self, first: int) -> tuple[int, list[str]]:
        """Until nothing of it runs any more; how the first process ended, and the calls."""
        code = 0
        self.running.add(first)
        while True:
            try:
                pid, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                return code, self.calls
            if os.WIFSTOPPED(status):
                self.running.add(pid)
                self._go_on(pid, os.WSTOPSIG(status), status >> 16)
            else:
                self.running.discard(pid)
                if pid == first:
                    code = os.waitstatus_to_exitcode(status)

    def _go_on(self, pid: int, number: int, event: int) -> None:
        if self.killed:
            os.kill(pid, signal.SIGKILL)
            return
        try:
            if event == _EVENT_SECCOMP:
                self._call(pid)
            elif event == _EVENT_STOP and number != signal.SIGTRAP:
                _ptrace(_LISTEN, pid)
                return
            _ptrace(_CONT, pid, 0, 0 if event else number)
        except ProcessLookupError:
            return  # it was killed meanwhile, and is waited for

    def _call(self, pid: int) -> None:
        """It is about to make one of the calls; let it happen, or not."""
        info = ctypes.create_string_buffer(88)  # struct ptrace_syscall_info
        _ptrace(_GET_SYSCALL_INFO, pid, 88, ctypes.addressof(info))
        number, *arguments = struct.unpack_from("=7Q", info.raw, 24)
        name = self.names.get(number, "")
        if name not in self.wire.calls:
            return
        paths = list(_paths(pid, _CALLS[name][1], arguments))
        inside = [path for path in paths if path == self.root or path.startswith(self.root + b"/")]
        if not inside:
            return
        shown = (os.fsdecode(os.path.relpath(path, self.root)) for path in inside)
        self.calls.append(" ".join((name, *shown)))
        count, wire = len(self.calls), self.wire
        if not wire.fault or not (count == wire.at or (wire.lasting and count > wire.at)):
            if name in FLUSHING:
                _answer(pid, 0)
            return
        if wire.fault == KILL:
            self.killed = True
            for each in self.running:
                os.kill(each, signal.SIGKILL)
        elif wire.fault == KILL_ONE:
            os.kill(pid, signal.SIGKILL)
        else:
            _answer(pid, -getattr(errno, wire.fault))


def _answer(pid: int, value: int) -> None:
    """Let the call return that, and the kernel do nothing: there is no call of the number -1."""
    _ptrace(_POKEUSER, pid, _ORIG_RAX, (1 << 64) - 1)
    _ptrace(_POKEUSER, pid, _RAX, value % (1 << 64))


def _paths(pid: int, where: str, arguments: Sequence[int]) -> Iterable[bytes]:
    """What a call changes, as absolute paths."""
    for directory, path, descriptor in re.findall(r"(?:d(\d))?p(\d)|f(\d)", where):
        try:
            if descriptor or (directory and not arguments[int(path)]):  # utimensat(fd, NULL, ...)
                yield os.readlink(b"/proc/%d/fd/%d" % (pid, arguments[int(descriptor or directory)] & 0xFFFFFFFF))
                continue
            text = _text(pid, arguments[int(path)])
            at = ctypes.c_int(arguments[int(directory)] & 0xFFFFFFFF).value if directory else -100
            base = b"/proc/%d/cwd" % pid if at == -100 else b"/proc/%d/fd/%d" % (pid, at)  # AT_FDCWD
            yield os.path.normpath(text if text.startswith(b"/") else os.path.join(os.readlink(base), text))
        except OSError:
            continue  # a descriptor or an address that does not exist: the call will say so itself


def _text(pid: int, address: int) -> bytes:
    """The string at an address of a stopped process."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(memory, 4096, address).partition(b"\0")[0]
    finally:
        os.close(memory)
