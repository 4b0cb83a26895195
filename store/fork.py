"""Two halves of one work, the second in a forked process.

Reading, compressing and making names take both cores this way; threads do not get there, the interpreter's lock sees
to that (measured: lstat loops get slower).
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from store.errors import StoreError
from store.second import processors

Mine = TypeVar("Mine")
Theirs = TypeVar("Theirs")

_DONE, _FAILED = b"+", b"-"


def worth_it() -> bool:
    """Whether this process may use a second core."""
    return processors() > 1


class Turns:
    """The numbers from 0 to ``count``, at most MOST, for both processes to take turns at: each gets the next one that
    the other did not have, so neither waits for long. One pipe, filled before the fork, does it.
    """

    MOST = 1024  # of four bytes each: what every pipe holds and takes in one write (PIPE_BUF)

    def __init__(self, count: int) -> None:
        self._reader, writer = os.pipe()
        os.write(writer, b"".join(number.to_bytes(4, "little") for number in range(min(count, self.MOST))))
        os.close(writer)

    def __iter__(self) -> Iterator[int]:
        while token := os.read(self._reader, 4):
            yield int.from_bytes(token, "little")

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._reader)


@contextmanager
def in_turns(weights: Sequence[int]) -> Iterator[Iterator[int]]:
    """The numbers of things that weigh so much, the heaviest first, each for whichever process asks next."""
    heaviest_first = sorted(range(len(weights)), key=lambda number: -weights[number])
    turns = Turns(len(weights))
    try:
        yield (number for turn in turns for number in heaviest_first[turn :: turns.MOST])
    finally:
        turns.close()


def both(mine: Callable[[], Mine], theirs: Callable[[], Theirs]) -> tuple[Mine, Theirs]:
    """What ``mine`` returns here and ``theirs``, run meanwhile in a forked process, returns there: plain values that
    marshal knows. What either raises is raised here, once both have ended.
    """
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no more processes, or no memory for one: it takes longer alone
        os.close(reader)
        os.close(writer)
        return mine(), theirs()
    if not child:
        os.close(reader)
        _answer(theirs, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        try:
            ours = mine()
        finally:
            answer = pipe.read()
            _, status = os.waitpid(child, 0)
    if answer[:1] == _FAILED:
        import pickle

        raise pickle.loads(answer[1:])
    if status or answer[:1] != _DONE:
        raise StoreError("A process that did half of the work was killed.", "Try again.")
    return ours, marshal.loads(answer[1:])


def _answer(work: Callable[[], Any], writer: int) -> NoReturn:
    """In the forked process: work, tell, and end without running anything of the parent's."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets the terminal's Ctrl-C too, and waits for us
    try:
        try:
            answer = _DONE + marshal.dumps(work())
        except Exception as error:  # noqa: BLE001  raised again in the parent
            import pickle

            answer = _FAILED + pickle.dumps(error)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)
