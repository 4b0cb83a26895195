"""History: ``history/NNN_before.json``, ``NNN_after.json`` and ``HEAD``. Records are written once, never rewritten."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from store import disk
from store.index import RACY
from store.named import NamedTuple
from sysvenv.dists import Change
from sysvenv.errors import DamageFound, NotFound, SysvenvError
from sysvenv.home import Home

if TYPE_CHECKING:
    from sysvenv.pruned import Pruned

VERSION = 1
INIT = "init"
PIP = "pip"
EXTERNAL = "external"
RESTORE = "restore"
CLEAN = "clean"
PYTHON = "python"
SWITCHES = (RESTORE, CLEAN, PYTHON)
"""The kinds that go to a state the store has already."""
DONE = "done"
FAILED = "failed"
INTERRUPTED = "interrupted"
PENDING = "pending"
FAR = 1e11
"""Seconds since the epoch that no clock of ours will show: the year 5138."""
_STATE = re.compile(r"[0-9a-f]{32}")
_RECORD = re.compile(r"([0-9]{3,})_(before|after)\.json")


class Operation(NamedTuple):
    """One step of history, from its two records."""

    number: int
    kind: str
    """INIT, PIP, EXTERNAL, RESTORE, CLEAN or PYTHON."""
    parent: int
    """The operation this one was done on top of; -1 for the first."""
    command: tuple[str, ...]
    """As typed, secrets redacted; empty for external changes."""
    started: float
    """Seconds since the epoch."""
    manifest_before: str
    """The state it was done to."""
    pid: int = 0
    boot: str = ""
    status: str = PENDING
    """PENDING (no record of its end), DONE, FAILED or INTERRUPTED."""
    finished: float = 0.0
    exit_code: int = 0
    """pip's exit code; 128 + N when signal N ended it."""
    manifest: str = ""
    """The state it led to; "" while pending."""
    packages: tuple[Change, ...] = ()
    files: tuple[int, int, int] = (0, 0, 0)
    """How many files it added, removed, modified."""
    sources: dict[str, str] = {}  # noqa: RUF012 (a NamedTuple default is shared, and never written to)
    """Distribution name -> how it came: index, url, vcs, editable, local, uv; "external" by hand."""
    places: dict[str, str] = {}  # noqa: RUF012
    """Distribution name -> where from: an index's host, a URL with its commit, a path; as far as it is known."""
    origins: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    """Distribution name -> what pip reported of it: url, sha256, requested."""
    notices: dict[str, Any] = {}  # noqa: RUF012
    """What it did besides what was asked for, as :func:`sysvenv.notices.to_json` has it."""
    note: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether only its beginning is recorded."""
        return self.status == PENDING


class History:
    """The records of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.has_grown = False
        """Whether an operation was begun here."""
        self._listed: tuple[int, list[int]] | None = None
        """The directory's mtime, and the numbers there were then."""

    def numbers(self) -> list[int]:
        """The numbers of all operations, oldest first.

        With a thousand of them listing takes milliseconds, and one undo asks five times.
        """
        changed = os.stat(self.home.history).st_mtime_ns
        if self._listed is None or self._listed[0] != changed:
            found = self._list()
            if changed >= time.time_ns() - RACY:  # it may change again without a new mtime
                return found
            self._listed = changed, found
        return self._listed[1].copy()

    def _list(self) -> list[int]:
        names = os.listdir(self.home.history)
        found = {int(match[1]) for name in names if (match := _RECORD.fullmatch(name))}
        if os.path.basename(self.home.pruned) in names:
            pruned = self.pruned()
            found = {number for number in found if number not in pruned}
        return sorted(found)

    def pruned(self) -> Pruned:
        """What gc removed. A statement that cannot be read counts as none: verify tells of it."""
        from sysvenv import pruned

        try:
            return pruned.read(self.home)
        except SysvenvError:
            return pruned.Pruned()

    def sweep(self) -> None:
        """Delete what a kill left half-written. For who holds the lock."""
        for name in os.listdir(self.home.history):
            if name.endswith(".tmp"):
                disk.discard(os.fsencode(f"{self.home.history}/{name}"))

    def next_number(self) -> int:
        """The number the next operation gets."""
        numbers = [-1, *self.numbers()]
        if os.path.exists(self.home.pruned):
            numbers.append(self.pruned().last)
        return max(numbers) + 1

    def read(self, number: int) -> Operation:
        """One operation. Raises NotFound, or DamageFound naming the file that cannot be read.

        What gc pruned is not found, even where a kill has left its records.
        """
        if os.path.exists(self.home.pruned):
            self._refuse_pruned(number)
        return self._recorded(number)

    def _recorded(self, number: int) -> Operation:
        return self._operation(number, self._read(number, "after"))

    def read_beginning(self, number: int) -> Operation:
        """The same, as if there were no record of its end."""
        return self._operation(number, None)

    def _operation(self, number: int, after: dict[str, Any] | None) -> Operation:
        before = self._read(number, "before")
        if before is None:
            self._refuse_pruned(number)
            if after is None:
                raise NotFound(f"There is no operation @{number}.", "Run: sysvenv history")
            raise DamageFound(f"The record of how @{number} began is missing.", "Run: sysvenv doctor")
        try:
            found = _operation(before, after or {})
            _check(number, found)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DamageFound(
                f"The records of operation @{number} do not make sense ({error}).", "Run: sysvenv doctor"
            ) from None
        return found

    def _refuse_pruned(self, number: int) -> None:
        pruned = self.pruned()
        if number in pruned:
            raise NotFound(f"{pruned.told(number)}.", "Snapshots stay: sysvenv list-snapshots")

    def all(self) -> tuple[list[Operation], list[str]]:
        """Every operation that can be read, oldest first, and a sentence for each that cannot."""
        operations, broken = [], []
        for number in self.numbers():
            try:
                operation = self._recorded(number)
            except SysvenvError as error:
                if number not in self.pruned():  # gc may be at work
                    broken.append(error.message)
            else:
                if not operation.is_pending or number not in self.pruned():
                    operations.append(operation)
        return operations, broken

    def pending(self) -> Operation | None:
        """The newest operation if it has no end: it is running, or was interrupted."""
        numbers = self.numbers()
        if not numbers or os.path.exists(self.path(numbers[-1], "after")):
            return None
        return self.read(numbers[-1])

    def begin(self, operation: Operation) -> None:
        """Write the first record of an operation, durably."""
        value = {
            "version": VERSION,
            "number": operation.number,
            "kind": operation.kind,
            "parent": operation.parent,
            "command": list(operation.command),
            "started": operation.started,
            "manifest": operation.manifest_before,
            "pid": operation.pid,
            "boot": operation.boot,
        }
        self._write(operation.number, "before", value)
        self.has_grown = True

    def end(self, operation: Operation) -> None:
        """Write the second record of an operation, durably."""
        value = {
            "version": VERSION,
            "number": operation.number,
            "status": operation.status,
            "finished": operation.finished,
            "exit_code": operation.exit_code,
            "manifest": operation.manifest,
            "packages": [list(change) for change in operation.packages],
            "files": list(operation.files),
            "sources": operation.sources,
            "places": operation.places,
            "origins": operation.origins,
            "notices": operation.notices,
            "note": operation.note,
        }
        self._write(operation.number, "after", value)

    def forget_pending(self, number: int) -> None:
        """Drop the first record of an operation that changed nothing."""
        disk.discard(os.fsencode(self.path(number, "before")))

    def prune(self, numbers: Collection[int], when: float) -> None:
        """Remove the records of operations, for good, and what an earlier prune that was cut off left of others.

        Raises SysvenvError where the statement of what was pruned before cannot be read.
        """
        from sysvenv import pruned

        known = pruned.read(self.home)
        if numbers:
            known = pruned.joined(known, numbers, when)
            pruned.write(self.home, known)
        gone = False
        for name in os.listdir(self.home.history):
            match = _RECORD.fullmatch(name)
            if match and int(match[1]) in known:
                disk.discard(os.fsencode(os.path.join(self.home.history, name)))
                gone = True
        if gone:
            disk.sync_directory(os.fsencode(self.home.history))

    def path(self, number: int, half: str) -> str:
        """Where a record lies; ``half`` is "before" or "after"."""
        return _path(self.home, number, half)

    def _read(self, number: int, half: str) -> dict[str, Any] | None:
        path = self.path(number, half)
        try:
            return parse(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SysvenvError(f"{path} cannot be read: {error.strerror}.", "Run: sysvenv doctor") from None

    def _write(self, number: int, half: str, value: dict[str, Any]) -> None:
        import json

        content = json.dumps(value, indent=1, ensure_ascii=True).encode() + b"\n"
        disk.write_durably(os.fsencode(self.path(number, half)), content)


def is_known(home: Home, number: int) -> bool:
    """Whether there is a record of an operation, readable or not, or gc removed it."""
    recorded = any(os.path.lexists(_path(home, number, half)) for half in ("before", "after"))
    return recorded or number in History(home).pruned()


def _path(home: Home, number: int, half: str) -> str:
    return os.path.join(home.history, f"{number:03d}_{half}.json")


def parse(path: str) -> dict[str, Any]:
    """The JSON object in a file of history. Raises OSError, and SysvenvError for what cannot be one of ours."""
    import json

    try:
        value = json.loads(disk.read(os.fsencode(path)))
    except (ValueError, RecursionError) as error:
        raise DamageFound(f"{path} is damaged ({error}).", "Run: sysvenv doctor --fix") from None
    if not isinstance(value, dict) or not isinstance(value.get("version"), int):
        raise DamageFound(f"{path} is not a record of sysvenv.", "Run: sysvenv doctor --fix")
    if value["version"] != VERSION:
        raise SysvenvError(
            f"{path} has format version {value['version']}; this sysvenv reads version {VERSION}.",
            "It was written by a newer sysvenv: install that one again.",
        )
    return value


def _operation(before: dict[str, Any], after: dict[str, Any]) -> Operation:
    return Operation(
        number=int(before["number"]),
        kind=str(before["kind"]),
        parent=int(before["parent"]),
        command=tuple(str(word) for word in before["command"]),
        started=float(before["started"]),
        manifest_before=str(before["manifest"]),
        pid=int(before["pid"]),
        boot=str(before["boot"]),
        status=str(after.get("status", PENDING)),
        finished=float(after.get("finished", 0.0)),
        exit_code=int(after.get("exit_code", 0)),
        manifest=str(after.get("manifest", "")),
        packages=tuple(Change(*change) for change in after.get("packages", [])),
        files=_three(after.get("files", [0, 0, 0])),
        sources=dict(after.get("sources", {})),
        places=dict(after.get("places", {})),
        origins=dict(after.get("origins", {})),
        notices=dict(after.get("notices", {})),
        note=str(after.get("note", "")),
    )


def _check(number: int, operation: Operation) -> None:
    """Raises ValueError for what :class:`History` cannot have written."""
    if operation.number != number:
        raise ValueError(f"it calls itself @{operation.number}")
    if not -1 <= operation.parent < number:
        raise ValueError(f"it follows @{operation.parent}, which is not before it")
    if operation.kind not in (INIT, PIP, EXTERNAL, *SWITCHES):
        raise ValueError(f"its kind is {operation.kind!r}")
    if operation.status not in (PENDING, DONE, FAILED, INTERRUPTED):
        raise ValueError(f"its status is {operation.status!r}")
    if not all(0 <= moment < FAR for moment in (operation.started, operation.finished)):
        raise ValueError("its times are none")
    if not all(not name or _STATE.fullmatch(name) for name in (operation.manifest_before, operation.manifest)):
        raise ValueError("it names no state")
    if not all(isinstance(word, str | None) for change in operation.packages for word in change):
        raise ValueError("its packages are none")
    if not all(isinstance(place, str) for place in operation.places.values()):
        raise ValueError("its places are none")
    if not all(isinstance(origin, dict) for origin in operation.origins.values()):
        raise ValueError("its origins are none")
    if operation.notices:
        from sysvenv import notices  # few operations have any

        notices.from_json(operation.notices)


def _three(numbers: list[int]) -> tuple[int, int, int]:
    added, removed, modified = numbers
    return int(added), int(removed), int(modified)
