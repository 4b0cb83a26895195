"""The process beside a pip of a managed venv: has recorded what was there before, and what pip did.

Started by the hook in the venv (sysvenv/pip_hook.py describes the three processes and their pipes) as

    python -I -m sysvenv.supervise 1 READY STATUS LOCK STDERR REPORT HOME PID COMMAND...

1 is the version of this protocol. READY, STATUS, LOCK and STDERR are inherited descriptors: pipe to the hook,
pipe from it, the open environment lock, where messages go. REPORT is the file pip writes its installation
report to, or empty. PID is the process that asks, COMMAND its sys.orig_argv. Nothing is ever written to
stdout, which is pip's.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from store.lock import Holder
    from sysvenv.operations.record import Outcome, Recording

PROTOCOL = "1"
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


class Call(NamedTuple):
    """The arguments above, read."""

    ready: int
    status: int
    lock: int
    stderr: int
    report: str
    home: str
    pid: int
    command: list[str]


def main(arguments: list[str]) -> int:
    """Record the pip that `arguments` tell of. Returns the exit code.

    It is 0 where all there was to say has been said; of any other, the hook says that it came.
    """
    if arguments[:1] != [PROTOCOL]:
        return 2  # A hook from another version: plain pip; `sysvenv doctor --fix` lays the right one.
    ready, status, lock, stderr = map(int, arguments[1:5])
    call = Call(ready, status, lock, stderr, arguments[5], arguments[6], int(arguments[7]), arguments[8:])
    os.write(call.ready, b"s")
    os.dup2(call.stderr, 2)
    for descriptor in call[:4]:
        os.set_inheritable(descriptor, False)
    try:
        recording = _begin(call)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        return 130  # The terminal's Ctrl-C ended the hook's process too; pip has not run.
    except Exception as error:  # noqa: BLE001  whatever is wrong with us, pip is to run
        _say(f"{_sentence(error)}; this pip is not recorded")
        _answer(call.ready, b"x")
        return 0
    _answer(call.ready, b"g")
    outcome = _while_pip_runs(recording, call.status)
    signal.signal(signal.SIGINT, _saving)
    _finish(recording, outcome, call.report)
    return 0


def _begin(call: Call) -> Recording:
    from sysvenv import config, environ
    from sysvenv.home import Home
    from sysvenv.operations import record
    from sysvenv.operations.session import Context

    try:
        cwd = os.getcwd()
    except FileNotFoundError:
        cwd = ""  # pip runs in a directory that was deleted; most of it works there.
    home = Home.at(call.home)
    settings, _ = config.load(home.config)
    context = Context(home, settings, environ.tool_python(), on_wait=_waiting)
    return record.begin(context, call.lock, record.Command(call.command, cwd, call.pid), os.environ)


def _waiting(holder: Holder | None) -> None:
    who = f"process {holder.pid} ({holder.command})" if holder else "another sysvenv or pip"
    _say(f"waiting for {who} to finish")


def _while_pip_runs(recording: Recording, status: int) -> Outcome:
    """Wait for pip to start and to end, using the time between. Returns how it ended."""
    from sysvenv.operations.record import Outcome

    with open(status, "rb") as lines:
        started = lines.readline().split()
        if not started:
            # Ended in the last instant before pip: nothing has changed, so nothing will be recorded.
            return Outcome(exit_code=128 + signal.SIGINT, signal=signal.SIGINT)
        pip = _Process(int(started[1]))
        try:
            recording.meanwhile()
            import json  # noqa: F401  wanted after pip, when somebody waits for us

            import sysvenv.render  # noqa: F401
        except Exception as error:  # noqa: BLE001  nothing of it is needed to record what pip does
            trouble = _sentence(error)
        else:
            trouble = ""
        ended = lines.readline().split()
    if not ended:
        # The process the user started was killed, and with plain pip that process would have been pip.
        pip.kill()
        ended = [b"signal", b"%d" % signal.SIGKILL]
    if trouble:
        _say(f"could not get the spare tree ready: {trouble}")
    number = int(ended[1])
    if ended[0] == b"signal":
        return Outcome(exit_code=128 + number, signal=number)
    return Outcome(exit_code=number, signal=0)


def _finish(recording: Recording, outcome: Outcome, report: str) -> None:
    try:
        recorded = recording.finish(outcome, _read_report(report))
    except Exception as error:  # noqa: BLE001  pip is done; its exit code must not depend on us
        _say(f"{_sentence(error)}; the next sysvenv command records what this pip changed")
        return
    from sysvenv import render

    try:
        render.recorded(recorded, recording.session.context.config)
    except OSError:
        return  # stderr is a closed pipe or a full disk; what it would have told is in the history.


def _read_report(path: str) -> dict[str, Any] | None:
    """pip's installation report, which is then deleted. None where pip failed before it wrote one."""
    if not path:
        return None
    import json

    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
        os.unlink(path)
    except (OSError, ValueError):
        return None  # Left empty or half written: the hook deletes it.
    return report if isinstance(report, dict) else None


class _Process:
    """A process that is not our child, held so that its pid cannot come to mean another (Linux 5.3)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        try:
            self._descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self._descriptor = -1

    def kill(self) -> None:
        """Kill it and wait until it has ended."""
        import select

        try:
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
                select.select([self._descriptor], [], [])
                return
            while True:
                os.kill(self._pid, signal.SIGKILL)
                time.sleep(0.02)
        except ProcessLookupError:
            return


def _answer(ready: int, letter: bytes) -> None:
    try:
        os.write(ready, letter)
    except BrokenPipeError:
        return  # It has been killed; the status pipe's end tells us so.
    os.close(ready)


def _saving(number: int, frame: object) -> None:
    _say("pip has ended; saving what it changed, one moment")


def _sentence(error: Exception) -> str:
    """What went wrong. An error that is none of ours is a bug, so its type is named as well."""
    from store.errors import StoreError
    from sysvenv.errors import SysvenvError

    if isinstance(error, (SysvenvError, StoreError)):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return str(error) if isinstance(error, OSError) else f"internal error: {type(error).__name__}: {error}"


def _say(message: str) -> None:
    """One line on stderr. Not through render: this must work when click cannot be imported."""
    try:
        os.write(2, f"sysvenv: {message}\n".encode("utf-8", "replace"))
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
