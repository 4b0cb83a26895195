"""The processes around a pip that changes packages, and the gate that pip passes when its audit has ended.

Laid beside the hook (sysvenv/pip_hook.py) as ``_sysvenv_gate.py``; standard library only, late imports, as there.

Three processes share the terminal, the process group and the open environment lock:

    W   the process the user started: waits for the others and ends as pip ended
    S   ``TOOL_PYTHON -I -m sysvenv.supervise``: audits before pip, records after it
    P   forked from W at once: simply goes on being pip, but passes the gate before its main work

The gate stands where pip has imported its command's module and has not looked at its options yet: until then it
only reads, and while it does, S audits. Where that place cannot be counted on (`_Gate.find_spec`), where its
imports would write bytecode, or where somebody holds the lock and may be about to exchange the very tree they
come from, P waits before it imports anything.

Four pipes, each closed by all but its two ends; end of file means that the writer died, unless it is said to end
a message:

    ready   S to W   ``s`` (started); then ``g`` and the path pip is to write its installation report to, if any; or
                     ``x`` (cannot record, and has said why itself); end of file
    gate    W to P   ``g`` and that path, or ``x``: go on unrecorded; end of file. Without a letter: W died, and with
                     plain pip that process would have been pip, so P ends
    status  W to S   ``pid N`` when the gate opens, ``exit N`` or ``signal N`` when pip ended
    done    P to S   ``d`` when pip's work is done and only its interpreter is still to be taken down
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from importlib.machinery import ModuleSpec
    from typing import Any

TOOL_PYTHON = ""  # BAKED IN by sysvenv.hook.files: the interpreter sysvenv is installed in.
PROTOCOL = "2"  # Of the arguments and pipes below. sysvenv.supervise refuses any other.
START_SECONDS = 20.0  # How long S may take to say that it started. Then it may wait for a lock for ever.


def surround(home: str, command_line: "list[str]", last: str, variables: "dict[str, str]") -> None:
    """Start S, fork P, stay behind as W. Returns in P, and where plain pip is to run. OSError: no process to be had.

    `last` is the module at whose end the gate stands, "" where it stands right here; `variables` are set in the
    environment of a P that is recorded.
    """
    import signal

    if not os.path.isabs(TOOL_PYTHON) or not os.access(TOOL_PYTHON, os.X_OK):
        say(f"cannot run {TOOL_PYTHON}; this pip is not recorded. Run install.sh again; nothing is lost")
        return

    interrupt, child = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD)
    pid = -1
    try:
        if interrupt is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the gate just ends it: no traceback.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # An inherited SIG_IGN would lose pip's exit code.
        recorder = _Recorder(home, command_line)
        gate, opener = _pipe()
        pid = recorder.fork()
        if pid > 0:
            os.close(gate)
            _stay_behind(recorder, opener, pid)  # Never returns.
    finally:
        signal.signal(signal.SIGCHLD, child)
        if pid < 0:
            signal.signal(signal.SIGINT, interrupt)
    if pid == 0:
        os.close(opener)  # Or the end of file that tells of W's death would wait for P itself.
        _Gate(gate, recorder.done, last if recorder.is_alone else "", variables, interrupt).stand()


class _Gate:
    """What keeps P from its work until W opens: a finder that sees pip import its command's module."""

    def __init__(self, gate: int, done: int, last: str, variables: "dict[str, str]", interrupt: "Any") -> None:
        self._gate, self._done, self._last = gate, done, last
        self._variables, self._interrupt = variables, interrupt
        self._writes_none = sys.dont_write_bytecode
        self._pid = os.getpid()
        self._is_known = self._is_open = False

    def stand(self) -> None:
        """Be in the way of all that pip will import; at once, where `last` is not known to be among it."""
        import atexit

        atexit.register(self._tell)  # As the first of all, so that it is called as the last.
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, self)
        if not self._last:
            self._wait()

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "ModuleSpec | None":
        """Of pip's first module: see whether this pip is as expected. Of `last`: wait when it has been executed."""
        if not self._is_known and name.partition(".")[0] == "pip":
            self._is_known = True
            spec = self._found(name, path)
            if not self._will_come(path or (spec and spec.submodule_search_locations)):
                self._wait()
            return spec
        if name != self._last:
            return None
        spec = self._found(name, path)
        if spec is None or not hasattr(spec.loader, "__dict__"):
            self._wait()
        else:
            self._hang_on(spec.loader)
        return spec

    def _found(self, name: str, path: "Any") -> "ModuleSpec | None":
        """What Python would find without us."""
        for finder in [each for each in sys.meta_path if each is not self]:
            spec = finder.find_spec(name, path)
            if spec is not None:
                return spec
        return None

    def _will_come(self, package: "Any") -> bool:
        """Whether the pip in that place has `last`, where bytecode of it is ready or not wanted."""
        if not package:
            return False
        spec = self._found(self._last, [os.path.join(next(iter(package)), "_internal", "commands")])
        return spec is not None and bool(spec.cached) and (self._writes_none or os.path.exists(str(spec.cached)))

    def _hang_on(self, loader: "Any") -> None:
        execute = loader.exec_module

        def exec_module(module: "types.ModuleType") -> None:
            del loader.exec_module
            try:
                execute(module)
            finally:
                self._wait()

        loader.exec_module = exec_module

    def _wait(self) -> None:
        """Until W opens; then be pip without any difference but the environment variables."""
        import signal

        sys.meta_path[:] = [each for each in sys.meta_path if each is not self]
        if self._is_open:
            return
        words = _read_all(self._gate)
        if not words:
            os._exit(1)
        os.close(self._gate)
        self._is_open = True
        sys.dont_write_bytecode = self._writes_none
        signal.signal(signal.SIGINT, self._interrupt)
        if words[:1] == b"g":
            os.environ.update(self._variables)
            if words[1:]:
                os.environ["PIP_REPORT"] = os.fsdecode(words[1:])

    def _tell(self) -> None:
        if not self._is_open or os.getpid() != self._pid:
            return
        try:
            os.write(self._done, b"d")
        except OSError:
            return  # S is gone, or has not recorded this pip.


class _Recorder:
    """S as W sees it: a process, three pipes, and the environment lock all have open."""

    def __init__(self, home: str, command_line: "list[str]") -> None:
        """Start S. OSError where there is no lock file, process or file descriptor to be had."""
        # W and P never close this one: the lock that is taken on it lasts as long as anybody changes the venv.
        lock = _open_lock(home)
        self.is_alone = _take(lock)
        self._ready, ready = _pipe()
        status, self._status = _pipe()
        done, self.done = _pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_recorder((ready, status, done, lock), [home, str(os.getppid()), *command_line])
            finally:
                os._exit(127)
        for descriptor in (ready, status, done):
            os.close(descriptor)

    def fork(self) -> int:
        """0 in P, P's pid in W. Where there is no process to be had, OSError, and S has been sent away."""
        try:
            pid = os.fork()
        except OSError:
            self._close()
            os.waitpid(self.pid, 0)
            raise
        if pid == 0:
            self._close()  # The end of file that tells S of W's death must not wait for P.
        else:
            os.close(self.done)
        return pid

    def answer(self) -> bytes:
        """Wait until S can say how to go on: the message for the gate. If it cannot, somebody has said why."""
        import select
        import signal

        late = not select.select([self._ready], [], [], START_SECONDS)[0]
        if late:
            os.kill(self.pid, signal.SIGKILL)  # It has not even started, so there is nothing to interrupt.
        words = _read_all(self._ready)
        if words[:2] == b"sg":
            return words[1:]
        code = self.end()
        if words[:2] != b"sx":
            why = f"did not start within {START_SECONDS:g} seconds" if late else _in_words(code)
            say(f"{TOOL_PYTHON} -m sysvenv.supervise {why}; this pip is not recorded")
        return b"x"

    def tell(self, line: str) -> None:
        """Say it to S."""
        try:
            os.write(self._status, line.encode() + b"\n")
        except OSError:
            return  # S died; W says so once pip has ended.

    def end(self) -> int:
        """Wait until S, which is told that nothing more will come, has ended; its exit code."""
        self._close()
        return _exit_code(os.waitpid(self.pid, 0)[1])

    def _close(self) -> None:
        os.close(self._ready)
        os.close(self._status)


def _stay_behind(recorder: _Recorder, opener: int, pid: int) -> None:
    """Be W: open the gate when S says so, wait for P, then for S, end as P did. Imports nothing but the standard
    library, and early: pip may be removing itself."""
    code = 1
    try:
        try:
            words = recorder.answer()
        except Exception as error:  # noqa: BLE001  pip must run whatever is wrong with us
            say(f"{type(error).__name__}: {error}; this pip is not recorded")
            words = b"x"
        code = _follow(recorder, opener, pid, words)
        report = words[1:]
        if words[:1] == b"g":
            saved = recorder.end()
            if saved:
                say(f"recording {_in_words(saved)}; the next sysvenv command records what this pip changed")
        if report and os.path.exists(report):
            os.unlink(report)
    finally:
        _end_as(code)


def _follow(recorder: _Recorder, opener: int, pid: int, words: bytes) -> int:
    """Let P through; how it ended. Terminal signals reach P by themselves; those sent to W alone are passed on."""
    import signal

    def forward(number: int, frame: object) -> None:
        os.kill(pid, number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup: P ignores it as well
            signal.signal(number, forward)
    if words[:1] == b"g":
        recorder.tell(f"pid {pid}")
    try:
        os.write(opener, words)
    except BrokenPipeError:
        pass  # pip did not come as far as the gate: it did not like its options, say.
    os.close(opener)
    code = _exit_code(os.waitpid(pid, 0)[1])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if words[:1] == b"g":
        recorder.tell(f"exit {code}" if code >= 0 else f"signal {-code}")
    return code


def _open_lock(home: str) -> int:
    """The environment lock, open. Under sudo it stays the owner's of the home."""
    import fcntl

    path = os.path.join(home, "lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        owner = os.stat(home)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(lock, owner.st_uid, owner.st_gid)
    return _out_of_the_way(fcntl, lock)


def _take(lock: int) -> bool:
    """Whether nobody else is at work here: the lock, on the open file we and S share, is ours then."""
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # S waits for it, and says so.
    os.ftruncate(lock, 0)  # Whoever held it last holds it no more; S signs it.
    return True


def _read_all(descriptor: int) -> bytes:
    words = b""
    while True:
        block = os.read(descriptor, 4096)
        if not block:
            return words
        words += block


def _pipe() -> "tuple[int, int]":
    import fcntl

    reader, writer = os.pipe()
    return _out_of_the_way(fcntl, reader), _out_of_the_way(fcntl, writer)


def _out_of_the_way(fcntl: "types.ModuleType", descriptor: int) -> int:
    """The same, closed on exec, and numbered well above 0 to 2, which may be free (``pip <&-``)."""
    moved: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return moved


def _become_recorder(inherited: "tuple[int, ...]", rest: "list[str]") -> None:
    """In the child that will be S: exec, with no terminal but what it is told it may write to.

    That is stderr under another number: a Python that cannot even start prints more than our one line.
    """
    import fcntl

    null = os.open(os.devnull, os.O_RDWR)
    try:
        stderr = fcntl.fcntl(2, fcntl.F_DUPFD, 20)
    except OSError:  # pip 2>&-
        stderr = null
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    inherited += (stderr,)
    for descriptor in inherited:
        os.set_inheritable(descriptor, True)
    words = [TOOL_PYTHON, "-I", "-m", "sysvenv.supervise", PROTOCOL, *map(str, inherited)]
    os.execv(TOOL_PYTHON, words + rest)


def _exit_code(status: int) -> int:
    """Of a wait status; negative: the signal (os.waitstatus_to_exitcode came with Python 3.9)."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _in_words(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _end_as(code: int) -> None:
    """End this process without running anything else, by the same signal if it was one. Never returns."""
    try:
        if code < 0:
            _die_of(-code)
    finally:
        os._exit(code if code >= 0 else 128 - code)


def _die_of(number: int) -> None:
    import signal

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # P has left its core; not a second one of W.
    except (ImportError, OSError, ValueError):
        pass  # A core file too many, at worst.
    if number != signal.SIGKILL:  # whose handler cannot be set
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def say(message: str) -> None:
    try:
        os.write(2, f"sysvenv: {message}\n".encode("utf-8", "replace"))
    except OSError:
        return  # Nobody listens.
