"""Runs first in every pip of a managed venv, and puts sysvenv around those that change packages.

`sysvenv.hook` lays this file into site-packages as ``_sysvenv.py``, next to the ``.pth`` line that calls
`start` when the command line mentions pip. It runs in the venv's own Python (3.8 or later), so it is
standard library only and imports late. Whatever goes wrong here, plain pip runs and one line says so.

Three processes share the terminal, the process group and the open environment lock:

    W   the process the user started: waits for the others and ends as pip ended
    S   ``TOOL_PYTHON -I -m sysvenv.supervise``: audits before pip, records after it
    P   forked from W once S is ready: simply goes on being pip

S says on the ready pipe ``s`` (started), then ``g`` (go) or ``x`` (cannot, and said why itself). W says on
the status pipe ``pid N`` when pip starts and ``exit N`` or ``signal N`` when it ended. End of file on either
pipe means that its writer died. Until W has forked P there is no second process to get wrong: if S
fails, W itself goes on as plain pip.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types

TOOL_PYTHON = ""  # BAKED IN by sysvenv.hook.files: the interpreter sysvenv is installed in.
PROTOCOL = "1"  # Of the arguments and pipes below. sysvenv.supervise refuses any other.
START_SECONDS = 20.0  # How long S may take to say that it started. Then it may wait for a lock for ever.

ACTIVE = "SYSVENV_ACTIVE"  # In the environment of P and all below it: the prefix that is being recorded.
REPORT_PREFIX = "sysvenv-report-"  # Tells our PIP_REPORT from a user's own.

# pip's options that may stand before the subcommand (pip/_internal/cli/cmdoptions.py, general_group and
# what older pips had). optparse also takes any unambiguous beginning of them.
# fmt: off
VALUED = (
    "--cache-dir", "--cert", "--client-cert", "--default-timeout", "--exists-action", "--keyring-provider",
    "--local-log", "--log", "--log-file", "--proxy", "--python", "--resume-retries", "--retries", "--timeout",
    "--trusted-host", "--use-deprecated", "--use-feature",
)
FLAGS = (
    "--debug", "--disable-pip-version-check", "--help", "--isolated", "--no-cache-dir", "--no-color",
    "--no-input", "--no-python-version-warning", "--quiet", "--require-venv", "--require-virtualenv",
    "--verbose", "--version",
)
# fmt: on

_started = False


def start() -> None:
    """Put sysvenv around this process if it is a pip that changes this venv; else return at once.

    Called once or twice a start: `.pth` lines run twice before Python 3.15 (cpython #75723), and from
    3.15 on the ``.start`` file calls it as well. Never raises.
    """
    global _started
    if _started:
        return
    _started = True
    try:
        command_line = _command_line()
        script, arguments = pip_call(command_line)
        if not script or not hasattr(os, "fork"):
            return
        home = managed_home(sys.prefix)
        if home:
            _decide(home, command_line, script, arguments)
    except Exception as error:  # noqa: BLE001  pip must run whatever is wrong with us
        _say(f"{type(error).__name__}: {error}; this pip is not recorded")


def pip_call(command_line: "list[str]") -> "tuple[str, list[str]]":
    """What an interpreter's command line runs: (the script, or "pip" for ``-m pip``; pip's arguments).

    The script is "" where no pip is run. Options as in CPython's Python/getopt.c, also clusters like ``-Im``.
    """
    rest = list(command_line[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            word = rest.pop(0) if rest else ""
            return (word, rest) if _is_pip(word) else ("", [])
        if not word.startswith("-") or word == "-":
            return (word, rest) if _is_pip(word) else ("", [])
        if word == "--check-hash-based-pycs":
            del rest[:1]
        if word.startswith("--"):
            continue
        for place, letter in enumerate(word):
            if letter not in "cmWX":
                continue
            value = word[place + 1 :] or (rest.pop(0) if rest else "")
            if letter == "c" or (letter == "m" and value not in ("pip", "pip.__main__")):
                return "", []
            if letter == "m":
                return "pip", rest
            break
    return "", []


def _is_pip(script: str) -> bool:
    """pip, pip3, pip3.11, pip.pyz, a directory pip, pip/__main__.py, pip/__pip-runner__.py."""
    parent, name = os.path.split(script.rstrip("/"))
    if name in ("__main__.py", "__pip-runner__.py"):
        return os.path.basename(parent) == "pip"
    return name == "pip.pyz" or (name.startswith("pip") and not name[3:].strip("0123456789."))


def subcommand(arguments: "list[str]") -> str:
    """pip's subcommand, or "" where it is missing or only help or the version is asked for."""
    if "-h" in arguments or "--help" in arguments:
        return ""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            return word
        if word in ("-V", "--version"):
            return ""
        if word.startswith("--") and "=" not in word and word not in FLAGS:
            could_be = [option for option in VALUED + FLAGS if option.startswith(word)]
            if word in VALUED or (could_be and could_be[0] in VALUED):
                del rest[:1]
    return ""


def elsewhere(arguments: "list[str]") -> bool:
    """Whether pip will run itself again in the interpreter of ``--python``: its hook, if any, decides."""
    if "_PIP_RUNNING_IN_SUBPROCESS" in os.environ:
        return False
    named = any(word.split("=", 1)[0] in ("--python", "--pytho", "--pyth") for word in arguments)
    return named or bool(os.environ.get("PIP_PYTHON"))


def managed_home(prefix: str) -> str:
    """The sysvenv home whose live venv `prefix` is, or "". Never told from $HOME: ``sudo venv/bin/pip``."""
    for path in (prefix, os.path.realpath(prefix)):
        home, name = os.path.split(path)
        if name == "venv" and os.path.isdir(os.path.join(home, "history")):
            return home
    return ""


def _command_line() -> "list[str]":
    given = getattr(sys, "orig_argv", None)
    if given is None:  # Before Python 3.10; where there is no /proc either, such a pip goes unrecorded.
        try:
            with open("/proc/self/cmdline", "rb") as stream:
                given = [os.fsdecode(word) for word in stream.read().split(b"\0")[:-1]]
        except OSError:
            given = []
    return list(given)


def _decide(home: str, command_line: "list[str]", script: str, arguments: "list[str]") -> None:
    if os.environ.get("SYSVENV") == "0":
        return
    prefix = os.path.realpath(sys.prefix)
    if os.environ.get(ACTIVE) == prefix:
        # A pip below a recorded one (an isolated build): it must not write over the outer one's report.
        if os.path.basename(os.environ.get("PIP_REPORT", "")).startswith(REPORT_PREFIX):
            del os.environ["PIP_REPORT"]
        return
    verb = subcommand(arguments)
    if verb in ("wheel", "download", "lock"):
        os.environ[ACTIVE] = prefix  # They change nothing, but build wheels with a `pip install --prefix`.
    if verb not in ("install", "uninstall") or elsewhere(arguments):
        return
    if not os.access(TOOL_PYTHON, os.X_OK):
        _say(f"cannot run {TOOL_PYTHON}; this pip is not recorded. Run install.sh again; nothing is lost")
        return
    report = _report_file(script, arguments) if verb == "install" else ""
    _surround(home, command_line, report, prefix)


def _report_file(script: str, arguments: "list[str]") -> str:
    """A private empty file for pip's installation report, or "" where pip has none or the user wants one.

    pip 22.2 called --report experimental and warned; 23.0 is the first without the warning.
    """
    if any(word.startswith("--rep") for word in arguments) or "PIP_REPORT" in os.environ:
        return ""
    package = os.path.dirname(script)
    if os.path.basename(package) != "pip":  # else `pip --python`: the version of the pip that called counts
        package = os.path.abspath(__file__)
    site = os.path.dirname(package)
    if _pip_major(site) < 23 or _configured(b"report"):
        return ""
    name = f"{REPORT_PREFIX}{os.getpid()}-{os.urandom(8).hex()}.json"
    path = os.path.join(os.environ.get("TMPDIR") or "/tmp", name)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        return ""  # Full or read-only: the wheels' URLs and digests stay unknown, all else is recorded.
    return os.path.abspath(path)


def _pip_major(site: str) -> int:
    for name in os.listdir(site):
        if name.startswith("pip-") and name.endswith(".dist-info"):
            major = name[4:].split(".")[0]
            return int(major) if major.isdigit() else 0
    return 0


def _configured(word: bytes) -> bool:
    """Whether one of pip's configuration files holds `word`: our variable would outrank what it sets."""
    home = os.path.expanduser("~")
    folders = [f"{folder}/pip" for folder in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    folders += ["/etc", f"{home}/.pip", f"{home}/Library/Application Support/pip", sys.prefix]
    folders.append(f"{os.environ.get('XDG_CONFIG_HOME') or home + '/.config'}/pip")
    paths = [f"{folder}/pip.conf" for folder in folders]
    for path in [*paths, os.environ.get("PIP_CONFIG_FILE") or os.devnull]:
        try:
            with open(path, "rb") as stream:
                if word in stream.read():
                    return True
        except OSError:
            continue  # Not there, or pip cannot read it either.
    return False


def _surround(home: str, command_line: "list[str]", report: str, prefix: str) -> None:
    """Start S, wait for its go, fork P, stay behind as W. Returns in P, and where W has to be plain pip."""
    import signal

    interrupt, child = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    pid = -1
    try:
        if interrupt is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before pip runs just ends it: no traceback.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # An inherited SIG_IGN would lose pip's exit code.
        recorder = _Recorder(home, command_line, report)
        if recorder.ready():
            held = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP}
            signal.pthread_sigmask(signal.SIG_BLOCK, held)  # Until W and P each have their own handlers.
            pid = recorder.fork()
        if pid > 0:
            recorder.watch(pid, report, mask)  # Never returns.
        if pid == 0:
            os.environ[ACTIVE] = prefix
        if pid == 0 and report:
            os.environ["PIP_REPORT"] = report
    finally:
        if pid < 0 and report:
            os.unlink(report)
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGCHLD, child)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Recorder:
    """S as W sees it: a process, two pipes, and the environment lock both have open."""

    def __init__(self, home: str, command_line: "list[str]", report: str) -> None:
        """Start S. OSError where there is no lock file, process or file descriptor to be had."""
        # W and P never close this one: the lock that S takes on it lasts as long as anybody changes the venv.
        lock = _open_lock(home)
        self._ready, ready = _pipe()
        status, self._status = _pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_recorder(ready, status, lock, [report, home, str(os.getppid()), *command_line])
            finally:
                os._exit(127)
        os.close(ready)
        os.close(status)

    def ready(self) -> bool:
        """Wait until S says go. If it cannot: see that it has ended and that somebody said why; False."""
        import select
        import signal

        late = not select.select([self._ready], [], [], START_SECONDS)[0]
        if late:
            os.kill(self.pid, signal.SIGKILL)  # It has not even started, so there is nothing to interrupt.
        word = os.read(self._ready, 1)
        if word == b"s":
            word = os.read(self._ready, 1)
        if word == b"g":
            return True
        self._close()
        code = _exit_code(os.waitpid(self.pid, 0)[1])
        if word != b"x":
            why = f"did not start within {START_SECONDS:g} seconds" if late else _in_words(code)
            _say(f"{TOOL_PYTHON} -m sysvenv.supervise {why}; this pip is not recorded")
        return False

    def fork(self) -> int:
        """0 in P, P's pid in W; -1 where there is no process to be had and S has been sent away."""
        try:
            pid = os.fork()
        except OSError as error:
            self._close()
            os.waitpid(self.pid, 0)
            _say(f"{error}; this pip is not recorded")
            return -1
        if pid == 0:
            self._close()  # The end of file that tells S of W's death must not wait for P.
        return pid

    def watch(self, pid: int, report: str, mask: "set[int]") -> None:
        """Be W: wait for P, tell S, wait for S, end as P did. Imports nothing: pip may be removing itself."""
        code = 1
        try:
            code = self._follow(pid, mask)
            saved = _exit_code(os.waitpid(self.pid, 0)[1])
            if saved:
                _say(f"recording {_in_words(saved)}; the next sysvenv command records what this pip changed")
            if report and os.path.exists(report):
                os.unlink(report)
        finally:
            _end_as(code)

    def _follow(self, pid: int, mask: "set[int]") -> int:
        """How P ended. Terminal signals reach P by themselves; those sent to W alone are passed on."""
        import signal

        def forward(number: int, frame: object) -> None:
            os.kill(pid, number)

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup: P ignores it as well
                signal.signal(number, forward)
        self._tell(f"pid {pid}")
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = _exit_code(os.waitpid(pid, 0)[1])
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._tell(f"exit {code}" if code >= 0 else f"signal {-code}")
        self._close()
        return code

    def _tell(self, line: str) -> None:
        try:
            os.write(self._status, line.encode() + b"\n")
        except BrokenPipeError:
            return  # S died; `watch` says so once pip has ended.

    def _close(self) -> None:
        os.close(self._ready)
        os.close(self._status)


def _open_lock(home: str) -> int:
    """The environment lock, open but not taken. Under sudo it stays the owner's of the home."""
    import fcntl

    path = os.path.join(home, "lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        owner = os.stat(home)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(lock, owner.st_uid, owner.st_gid)
    return _out_of_the_way(fcntl, lock)


def _pipe() -> "tuple[int, int]":
    import fcntl

    reader, writer = os.pipe()
    return _out_of_the_way(fcntl, reader), _out_of_the_way(fcntl, writer)


def _out_of_the_way(fcntl: "types.ModuleType", descriptor: int) -> int:
    """The same, closed on exec, and numbered well above 0 to 2, which may be free (``pip <&-``)."""
    moved: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return moved


def _become_recorder(ready: int, status: int, lock: int, rest: "list[str]") -> None:
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
    pipes = (ready, status, lock, stderr)
    for descriptor in pipes:
        os.set_inheritable(descriptor, True)
    words = [TOOL_PYTHON, "-I", "-m", "sysvenv.supervise", PROTOCOL, *map(str, pipes)]
    os.execv(TOOL_PYTHON, words + rest)


def _exit_code(status: int) -> int:
    """Of a wait status; negative: the signal (os.waitstatus_to_exitcode came with Python 3.9)."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _in_words(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _end_as(code: int) -> None:
    """End this process without running anything else, by the same signal if it was one."""
    import signal

    if code < 0:
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # P has left its core; not a second one of W.
        except (ImportError, OSError, ValueError):
            pass  # A core file too many, at worst.
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _say(message: str) -> None:
    try:
        os.write(2, f"sysvenv: {message}\n".encode("utf-8", "replace"))
    except OSError:
        return  # Nobody listens.
