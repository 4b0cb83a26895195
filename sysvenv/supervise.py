"""The process beside a pip of a managed venv: has recorded what was there before, and what pip did.

Started by the hook in the venv (sysvenv/pip_gate.py describes the three processes and their pipes) as

    python -I -m sysvenv.supervise 2 READY STATUS DONE LOCK STDERR HOME PID COMMAND...

2 is the version of this protocol. The next five are inherited descriptors: three of the pipes, the open environment
lock, where messages go. PID is the process that asks, COMMAND its sys.orig_argv. Nothing is ever written to stdout,
which is pip's.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from store.named import NamedTuple
from sysvenv.home import Home
from sysvenv.rights import Rights

if TYPE_CHECKING:
    from store.lock import Holder
    from sysvenv.operations.record import Outcome, Recording

PROTOCOL = "2"
_BETWEEN_LOOKS = 0.25
"""Seconds: a distribution of any size takes pip longer."""
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


class Call(NamedTuple):
    """The arguments above, read."""

    ready: int
    status: int
    done: int
    lock: int
    stderr: int
    home: str
    pid: int
    command: list[str]


def main(arguments: list[str]) -> int:
    """Record the pip that `arguments` tell of. Returns the exit code.

    It is 0 where all there was to say has been said; of any other, the hook says that it came.
    """
    if arguments[:1] != [PROTOCOL]:
        return 2  # A hook from another version: plain pip; `sysvenv doctor --fix` lays the right one.
    ready, status, done, lock, stderr = map(int, arguments[1:6])
    call = Call(ready, status, done, lock, stderr, arguments[6], int(arguments[7]), arguments[8:])
    os.write(call.ready, b"s")
    os.dup2(call.stderr, 2)
    for descriptor in call[:5]:
        os.set_inheritable(descriptor, False)
    home = Home.at(call.home)
    if home.is_system:
        os.umask(0o022)  # whatever root's: everybody reads there
    rights = Rights(home)
    try:
        rights.lay_down()
        rights.hand_over()
        recording = _begin(call)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        return 130  # The terminal's Ctrl-C ended the hook's process too; pip has not run.
    except Exception as error:  # noqa: BLE001  whatever is wrong with us, pip is to run
        _say(f"{_sentence(error)}; this pip is not recorded")
        _answer(call.ready, b"x")
        return 0
    from sysvenv import report

    rights.take_up()  # root's pip could not write into a file that somebody else made in /tmp (fs.protected_regular)
    path = report.prepare(call.command, recording.session.home.venv, os.environ)
    rights.lay_down()
    _answer(call.ready, b"g" + os.fsencode(path))
    outcome = _while_pip_runs(recording, call, rights)
    signal.signal(signal.SIGINT, _saving)
    rights.take_up()
    told = report.read(path)
    rights.lay_down()
    _finish(recording, outcome, told, rights)
    return 0


def _begin(call: Call) -> Recording:
    from sysvenv import config, environ
    from sysvenv.operations import record
    from sysvenv.operations.session import Context

    try:
        cwd = os.getcwd()
    except FileNotFoundError:
        cwd = ""  # pip runs in a directory that was deleted; most of it works there.
    home = Home.at(call.home)
    settings, _ = config.load_if_sound(home.config)
    context = Context(home, settings, environ.tool_python(), on_wait=_waiting)
    return record.begin(context, call.lock, record.Command(call.command, cwd, call.pid), os.environ)


def _waiting(holder: Holder | None, waited: float) -> None:
    who = f"process {holder.pid} ({holder.command})" if holder else "another sysvenv or pip"
    if holder and holder.since:
        who += f", at work for {max(0, round(time.time() - holder.since))} s,"
    so_far = f" ({waited:.0f} s so far)" if waited >= 1 else ""
    _say(f"waiting for {who} to finish{so_far}")


def _while_pip_runs(recording: Recording, call: Call, rights: Rights) -> Outcome:
    """Wait for pip to start and to end, using the time between. Returns how it ended."""
    from sysvenv.operations.record import Outcome

    started = _line(call.status)
    if not started:
        # Ended in the last instant before pip: nothing has changed, so nothing will be recorded.
        return Outcome(exit_code=128 + signal.SIGINT, signal=signal.SIGINT)
    pip = _Process(int(started[1]))
    trouble = _meanwhile(recording)
    if not rights.are_another_s:
        _take_in_arrivals(recording, call)
    if _is_done(call):
        signal.signal(signal.SIGINT, _saving)
        try:
            rights.hand_over()
            recording.look_ahead()
        except Exception as error:  # noqa: BLE001  pip is still to end by itself
            _say(f"{_sentence(error)}; trying again when pip has ended")
    ended = _line(call.status)
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


def _meanwhile(recording: Recording) -> str:
    """What can be done while pip works; what went wrong."""
    try:
        recording.meanwhile()
        import sysvenv.operations.notice
        import sysvenv.render.after_pip  # noqa: F401  both wanted after pip, when somebody waits for us
    except Exception as error:  # noqa: BLE001  nothing of it is needed to record what pip does
        return _sentence(error)
    return ""


def _take_in_arrivals(recording: Recording, call: Call) -> None:
    """Until we hear of pip, take in what it has finished: the second processor has nothing else to do."""
    from store.second import processors

    try:
        while processors() > 1 and not select.select([call.status, call.done], [], [], _BETWEEN_LOOKS)[0]:
            recording.take_in_arrivals()
    except Exception as error:  # noqa: BLE001  it will all be looked at in the end
        _say(f"{_sentence(error)}; trying again when pip has ended")


def _is_done(call: Call) -> bool:
    """Wait; whether pip says that it has done its work, before we hear that it has ended."""
    heard, _, _ = select.select([call.status, call.done], [], [])
    if call.status not in heard and not os.read(call.done, 1):
        select.select([call.status], [], [])  # It was killed, or has become another program.
        return False
    return call.status not in heard


def _line(status: int) -> list[bytes]:
    """The words of the hook's next line; none where it has died."""
    line = b""
    while not line.endswith(b"\n"):
        letter = os.read(status, 1)
        if not letter:
            return []
        line += letter
    return line.split()


def _finish(recording: Recording, outcome: Outcome, report: dict[str, Any] | None, rights: Rights) -> None:
    try:
        rights.hand_over()
        recorded = recording.finish(outcome, report)
    except Exception as error:  # noqa: BLE001  pip is done; its exit code must not depend on us
        _say(f"{_sentence(error)}; the next sysvenv command records what this pip changed")
        return
    from sysvenv.render import after_pip

    try:
        after_pip.recorded(recorded, recording.session.context.config)
    except OSError:
        return  # stderr is a closed pipe or a full disk; what it would have told is in the history.


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


def _answer(ready: int, words: bytes) -> None:
    try:
        os.write(ready, words)
    except BrokenPipeError:
        return  # It has been killed; the status pipe's end tells us so.
    finally:
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
    gc.disable()  # As in sysvenv.__main__: neither the collector nor taking the interpreter down is of use to us.
    os._exit(main(sys.argv[1:]))
