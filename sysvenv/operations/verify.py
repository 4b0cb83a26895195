"""Verify: history, labels, the store and its trees compared with what they say of themselves. Never writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from store.errors import StoreError
from sysvenv import config
from sysvenv.errors import SysvenvError
from sysvenv.operations import checks_history, checks_home, checks_ready, damage, look
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.problems import FIX, many
from sysvenv.operations.session import Context, Session


def verify(context: Context, progress: Callable[[int, int], None] | None = None, *, quick: bool = False) -> Checkup:
    """Read all of history and everything the store holds, and audit the live tree and those that stand ready.

    ``quick`` reads no contents: lstat tells. Damage is an "error"; what the next operation will see to by itself, or
    what only differs, a "warning". Raises SysvenvError or StoreError where there is nothing that could be verified.
    """
    started = time.perf_counter()
    session = look.glance(context)
    findings = [problem.finding for problem in checks_history.examine(session.home)]
    report = damage.look(session, quick=quick, progress=progress)
    findings += [group.finding for group in report.groups]
    findings += damage.sound(report.verified, quick=quick)
    findings += damage.oddities(session)
    findings += [problem.finding for problem in checks_home.modes(session.home)]
    findings += _configuration(session)
    findings += [problem.finding for problem in checks_ready.examine(session)]
    live, files = _live(session)
    findings.append(live)
    return Checkup(tuple(findings), report.verified.objects, files, time.perf_counter() - started)


def _configuration(session: Session) -> Iterator[Finding]:
    try:
        config.load(session.home.config)
    except SysvenvError as error:
        yield Finding("warning", "config", f"{error.message}; the defaults hold.", error.hint)


def _live(session: Session) -> tuple[Finding, int]:
    """How the live tree differs from its record, which is no damage; and how many files were looked at."""
    if odd := session.odd_place():
        return Finding("error", "environment", odd, FIX), 0
    try:
        drift = session.audit()
        files = sum(block.count for block in session.index.blocks.values())
        counts = look.count(session, drift) if session.drifted(drift) else None
    except (StoreError, SysvenvError) as error:
        return Finding("error", "environment", f"It cannot be compared with its record: {error.message}", FIX), 0
    except FileNotFoundError:
        return Finding("warning", "environment", look.changing().message, "Run sysvenv verify when that is done."), 0
    if counts is None:
        return Finding("ok", "environment", f"{many(files, 'file')} checked: all as recorded."), files
    sentence = (
        f"It differs from what is recorded: {counts.added} files added, {counts.removed} removed, "
        f"{counts.modified} modified. That is no damage."
    )
    return Finding("warning", "environment", sentence, "Run: sysvenv diff live"), files
