"""Recording: one pip run, from the audit before it to the record of what it did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from store.named import NamedTuple
from sysvenv import dists, history, redact, selection, standards
from sysvenv.history import Operation
from sysvenv.operations import keep, recover, spare
from sysvenv.operations.arrivals import Arrivals
from sysvenv.operations.capture import Captured
from sysvenv.operations.results import Recorded
from sysvenv.operations.session import Context, Session
from sysvenv.pip_hook import pip_call


class Command(NamedTuple):
    """What is about to run."""

    argv: list[str]
    """As typed."""
    cwd: str
    pid: int


class Outcome(NamedTuple):
    """How it ended."""

    exit_code: int
    signal: int = 0
    """The signal that ended it, 0 if none did."""

    @property
    def shell_code(self) -> int:
        """As a shell would show it."""
        return 128 + self.signal if self.signal else self.exit_code


class Recording:
    """A pip run being recorded. The session's lock is held from begin to finish."""

    def __init__(self, session: Session, operation: Operation, external: Operation | None, hint: str = "") -> None:
        self.session = session
        self._hint = hint
        self.operation = operation
        self.external = external
        self._ahead: Captured | None = None
        self._arrivals = Arrivals(session)

    def meanwhile(self) -> None:
        """While pip runs: bring the spare tree to the state before this operation, so that undo finds it ready."""
        spare.prepare(self.session, self.operation.manifest_before)
        if "uninstall" in self.operation.command:
            standards.get_ready()  # to tell who needs what is left

    def take_in_arrivals(self) -> None:
        """While pip still runs: take in what it has finished."""
        self._arrivals.look()

    def look_ahead(self) -> None:
        """When pip has done its work, but not ended: capture what it did, in the time its interpreter takes to go."""
        self._ahead = self._capture(unfinished=False)
        self.session.save_ahead(self._ahead.found)

    def finish(self, outcome: Outcome, report: dict[str, Any] | None) -> Recorded:
        """Record what pip did; without a change there is no operation."""
        session = self.session
        try:
            if not outcome.signal and outcome.exit_code == 0:
                status = history.DONE
            else:
                status = history.INTERRUPTED if outcome.signal else history.FAILED
            captured = self._ahead
            if captured is None or status != history.DONE:  # what was not finished is looked at more closely
                captured = self._capture(unfinished=status != history.DONE)
            ended = self.operation._replace(status=status, exit_code=outcome.shell_code, origins=origins_of(report))
            told = session.context.config.history.notices
            operation = keep.conclude(session, ended, captured, notices=told)
            rolled_back = operation is not None and self._roll_back(status)
        finally:
            session.leave()
        notes = [*session.notes, self._hint] if operation is not None and self._hint else session.notes
        return Recorded(operation, self.external, rolled_back, tuple(notes))

    def _capture(self, *, unfinished: bool) -> Captured:
        drift = self.session.rescan(unfinished=unfinished)
        return keep.capture_live(self.session, drift, self._arrivals.taken)

    def _roll_back(self, status: str) -> bool:
        """Take a failed or interrupted pip back at once, if the configuration says so."""
        if status == history.DONE or self.session.context.config.history.on_failure != "rollback":
            return False
        from sysvenv.operations import rewind

        rewind.take_back(self.session)
        return True


def begin(context: Context, lock_fd: int | None, command: Command, environ: Mapping[str, str]) -> Recording:
    """Take the lock, record what changed without pip, and write the first record of this operation."""
    _, arguments = pip_call(command.argv)
    words = redact.redact_argv(["pip", *arguments], environ)
    session = recover.enter(context, " ".join(words), lock_fd)
    try:
        external = keep.settle(session, session.audit())
        operation = keep.new_operation(session, history.PIP, words, command.pid)
        session.history.begin(operation)
    except BaseException:
        session.leave()
        raise
    return Recording(session, operation, external, _hint(session, command.cwd, environ))


def _hint(session: Session, cwd: str, environ: Mapping[str, str]) -> str:
    """For who stands in a project and takes its environment for the active one."""
    if session.home.is_tracked or environ.get("VIRTUAL_ENV") or not cwd:
        return ""
    for place in selection.candidates(cwd)[1:]:
        if os.path.lexists(place + "/pyvenv.cfg") and os.path.realpath(place) != os.path.realpath(session.home.venv):
            return f"This went into your own environment: {os.path.relpath(place, cwd)} of this project is not active."
    return ""


def origins_of(report: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Of pip's installation report: URL, sha256 and the requested flag of each wheel, secrets redacted."""
    origins: dict[str, dict[str, Any]] = {}
    entries = report.get("install", []) if report else []
    for entry in entries if isinstance(entries, list) else []:
        try:
            info = entry["download_info"]
            name = dists.canonical(entry["metadata"]["name"])
            hashes = info.get("archive_info", {}).get("hashes", {})
            origins[name] = {
                "url": redact.redact_text(str(info["url"])),
                "sha256": str(hashes.get("sha256", "")),
                "requested": bool(entry.get("requested", False)),
            }
        except (KeyError, TypeError, AttributeError):
            continue  # a report of another shape: what it does not say is not known
    return origins
