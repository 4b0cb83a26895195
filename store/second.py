"""The second process: it audits while the first one still starts, and then beside it until all is looked at.

Both take the portions of the audits from one pipe, a byte each, so they end together whatever else each has to do.
What the second one finds is a help, never a condition: without it, or when it dies, the first looks at everything.
"""

from __future__ import annotations

import os

from store import index as indexes
from store.audit import PORTIONS, Audit, unproven
from store.index import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO, NoReturn

    from store.audit import Looked
    from store.index import Block, Index

ROUNDS = 256 // PORTIONS
"""How many audits it can share, a portion being a byte: of the live tree, and of the one that is to replace it."""
WORTH_IT = 3000 * 120
"""Bytes of an index, of about 3,000 rows, below which forking costs more than it saves."""

_SIGKILL = 9  # the signal module would cost more than all that is imported here


class Second:
    """A forked process that shares audits with this one."""

    def __init__(self, path: bytes, index: Index | None, closing: Sequence[int] = ()) -> None:
        """Fork it. Both processes share the memory of ``index``, which was read from ``path``; ``closing`` are open
        files it has no business with (locks). Raises OSError."""
        self.path = path
        self.index = index
        """What was read from ``path``; None where that cannot be believed."""
        pipes: list[int] = []
        try:
            for _ in range(3):
                pipes += os.pipe()
            os.set_blocking(pipes[0], False)
            pid = os.fork()
        except OSError:
            _close(pipes)
            raise
        portions, more, ordered, orders, answers, answer = pipes
        if not pid:
            _be_second(_Found(path, index), (portions, ordered, answer), [more, orders, answers, *closing])
        _close([ordered, answer])
        self.pid = pid
        self._pipes = {"portions": portions, "more": more, "orders": orders, "answers": answers}
        self._rounds = 0

    def begin(self, root: bytes, index: bytes, *, rows: bool = True) -> None:
        """Let it start to audit the tree at ``root`` by the index file ``index``; without ``rows``, its directories.

        In the second round these are the rows that the first round's index does not prove (:func:`unproven`).
        """
        first = self._rounds * PORTIONS
        self._rounds += 1
        os.write(self._pipes["more"], bytes(range(first, first + PORTIONS)))
        self._order(b"%d %d %d\n%s%s" % (rows, len(root), len(index), root, index))

    def finish(self, audits: Sequence[Audit]) -> list[Looked]:
        """Share the rounds begun, which are ``audits``, until all is looked at. Then it ends.

        Where it did not do its part, or went by another index, this process looks at that round alone.
        """
        found: list[Looked] = [([], []) for _ in audits]
        for portion in _take(self._pipes["portions"]):
            number = portion // PORTIONS
            if number < len(audits):
                _add(found[number], audits[number].look([portion % PORTIONS]))
        self._order(b"\n")
        with os.fdopen(self._pipes.pop("answers"), "rb") as pipe:
            answers = list(_answers(pipe))
        for number, audit in enumerate(audits):
            digest, looked = answers[number] if number < len(answers) else (b"", ([], []))
            if digest and digest == audit.index.digest:
                _add(found[number], looked)
            else:
                found[number] = audit.look()
        return found

    def close(self) -> None:
        """See that it has ended, in the middle of its work if need be; once or more."""
        if not self._pipes:
            return
        if "answers" in self._pipes:
            os.kill(self.pid, _SIGKILL)
        _close(self._pipes.values())
        self._pipes = {}
        os.waitpid(self.pid, 0)

    def _order(self, words: bytes) -> None:
        try:
            view = memoryview(words)
            while view:
                view = view[os.write(self._pipes["orders"], view) :]
        except BrokenPipeError:
            return  # it is dead: its answer will be missing


def start(
    path: bytes, index: Index | None = None, others: Iterable[bytes] = (), closing: Sequence[int] = ()
) -> Second | None:
    """A second process for an audit by the index file ``path``, and perhaps by one of the ``others``.

    ``index`` is what is in that file, if it was read already. None where it would not pay or cannot be had.
    """
    try:
        if max(os.stat(each).st_size for each in (path, *others)) < WORTH_IT or processors() < 2:
            return None
        return Second(path, index or indexes.load(path), closing)
    except OSError:  # no index; no more processes, or no memory for one: it takes longer alone
        return None


def processors() -> int:
    """How many this process may use (macOS has no affinity)."""
    asked = getattr(os, "sched_getaffinity", None)
    return len(asked(0)) if asked else os.cpu_count() or 1


def _be_second(found: _Found, pipes: tuple[int, int, int], closing: Iterable[int]) -> NoReturn:
    """In the forked process: do as ordered, and end without running anything of the first one's."""
    status = 1
    try:
        _close(closing)
        portions, ordered, answer = pipes
        orders = os.fdopen(ordered, "rb")
        while found.hear(orders):
            for portion in _take(portions):
                while portion // PORTIONS >= len(found.audits):
                    if not found.hear(orders):
                        raise EOFError("whoever ordered this has ended")
                found.look(portion)
        with os.fdopen(answer, "wb") as pipe:
            found.tell(pipe)
        status = 0
    finally:
        os._exit(status)


class _Found:
    """What the second process works on: one audit a round, None where its index cannot be read, and the results."""

    def __init__(self, path: bytes, index: Index | None) -> None:
        self._known = {path: index}
        self.audits: list[Audit | None] = []
        self.looked: list[Looked] = []

    def hear(self, orders: BinaryIO) -> bool:
        """Wait for the next order; False when it is to tell what was found, or there is nobody left to order."""
        numbers = [int(number) for number in orders.readline().split()]
        if not numbers:
            return False
        rows, *lengths = numbers
        root, path = map(orders.read, lengths)
        index = self._known[path] if path in self._known else indexes.load(path)
        blocks: list[Block] | None = None if rows else []
        if index is not None and self.audits and self.audits[0] is not None:
            blocks = unproven(index, self.audits[0].index)
        self.audits.append(Audit(root, index, blocks) if index is not None else None)
        self.looked.append(([], []))
        return True

    def look(self, portion: int) -> None:
        """Look at one portion."""
        audit = self.audits[portion // PORTIONS]
        if audit is not None:
            _add(self.looked[portion // PORTIONS], audit.look([portion % PORTIONS]))

    def tell(self, pipe: BinaryIO) -> None:
        """Write a round as a line, the digest of the index it went by and two lengths, and two joined lists."""
        for audit, looked in zip(self.audits, self.looked, strict=True):
            joined = [b"\0".join(paths) for paths in looked]
            digest = audit.index.digest if audit is not None else b"-"
            numbers = " ".join(str(len(each)) for each in (*looked, *joined))
            pipe.write(digest + b" " + numbers.encode() + b"\n" + b"".join(joined))


def _answers(pipe: BinaryIO) -> Iterator[tuple[bytes, Looked]]:
    """What :meth:`_Found.tell` wrote, as far as it came whole."""
    while heading := pipe.readline():
        digest, *numbers = heading.split()
        touched, moved, *lengths = map(int, numbers)
        joined = [pipe.read(length) for length in lengths]
        if [len(part) for part in joined] != lengths:
            return
        yield digest, (names(joined[0], touched), names(joined[1], moved))


def _take(portions: int) -> Iterator[int]:
    """Portions, as long as there are any; each is had by one of the two processes."""
    while True:
        try:
            portion = os.read(portions, 1)
        except BlockingIOError:
            return
        if not portion:
            return
        yield portion[0]


def _add(found: Looked, more: Looked) -> None:
    for paths, others in zip(found, more, strict=True):
        paths += others


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
