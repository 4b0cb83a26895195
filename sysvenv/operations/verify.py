"""Verify: history, labels, the store and its trees compared with what they say of themselves. Never writes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from store import audit, trees
from store.errors import StoreError
from store.trees import Checkout
from sysvenv import config
from sysvenv.errors import SysvenvError
from sysvenv.operations import checks_history, damage, look
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.problems import FIX, many, some
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
    findings += _private(session)
    findings += _configuration(session)
    findings += _ready(session)
    live, files = _live(session)
    findings.append(live)
    return Checkup(tuple(findings), report.verified.objects, files, time.perf_counter() - started)


def _private(session: Session) -> Iterator[Finding]:
    """Of what lies beside the store, which ``damage.oddities`` looks into."""
    for place in (session.home.history, session.home.snapshots):
        if os.path.isdir(place) and os.stat(place).st_mode & 0o777 != 0o700:
            yield Finding("warning", "permissions", f"{place} can be entered by others: its mode is not 0700.", FIX)


def _configuration(session: Session) -> Iterator[Finding]:
    try:
        config.load(session.home.config)
    except SysvenvError as error:
        yield Finding("warning", "config", f"{error.message}; the defaults hold.", error.hint)


def _ready(session: Session) -> Iterator[Finding]:
    """Trees that stand ready. They are derived: audited before they go live, and laid anew where they are lost."""
    store = session.store
    differing = 0
    useless: list[bytes] = []
    pinned = {undone.checkout for undone in session.position.undone if undone.checkout}
    there: set[str] = set()
    for name in sorted(_listed(store.trees)):
        path = os.path.join(store.trees, name)
        marker = trees.read_marker(path) if name.isdigit() else None
        expected = trees.load_index(store, marker.checkout) if marker is not None else None
        if marker is not None:
            there.add(marker.checkout)
        if marker is None or expected is None:
            useless += [name] if marker is None or marker.checkout not in pinned else []
            continue
        if marker.checkout not in pinned:
            differing += _differs(session, Checkout(path, marker.checkout, expected))
    if useless:
        sentence = f"Trees that cannot be used, and will be cleared away: {some(useless)}."
        yield Finding("warning", "trees", sentence, FIX)
    if differing:
        sentence = f"{many(differing, 'tree')} that stands ready is not what its index says."
        yield Finding("warning", "trees", sentence, "It is put right before it is used.")
    if lost := sorted(pinned - there):
        sentence = f"The tree that alone held what an undone operation left is gone: {some(lost)}."
        yield Finding("error", "trees", sentence, "redo cannot bring that back; everything else can be had.")


def _differs(session: Session, checkout: Checkout) -> bool:
    """Whether its files differ, not only the times of its directories."""
    try:
        if not any(audit.look(checkout.path, checkout.expected)):
            return False
        drift = session.audit_checkout(checkout)
    except (StoreError, SysvenvError, OSError):
        return True
    return bool(drift.changed or drift.data.keys() - checkout.expected.data.keys())


def _listed(directory: bytes) -> list[bytes]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


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
