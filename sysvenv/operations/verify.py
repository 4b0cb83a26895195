"""Verify: everything kept is read again; the live tree is compared with its record. Never writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from store import verify as kept
from store.errors import StoreError
from store.verify import Fault
from sysvenv import pruned, snapshots
from sysvenv.errors import SysvenvError
from sysvenv.operations import look
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.session import Context, Session

EXAMPLES = 3
"""So many names of one group are told."""
FIX = "Run: sysvenv doctor --fix"


def verify(context: Context, progress: Callable[[int, int], None] | None = None) -> Checkup:
    """Re-hash what the store holds, read all of history, and audit the live tree.

    Damage is an "error"; what the next operation will see to by itself, or what only differs, a "warning".
    Raises SysvenvError or StoreError where there is nothing that could be verified.
    """
    started = time.perf_counter()
    session = look.glance(context)
    findings, manifests = _records(session)
    found = kept.verify(session.store, manifests, progress)
    findings += _grouped(found.faults)
    findings += _sound(found)
    live, files = _live(session)
    findings.append(live)
    return Checkup(tuple(findings), found.objects, files, time.perf_counter() - started)


def _records(session: Session) -> tuple[list[Finding], set[str]]:
    """What is wrong with history and labels, and the manifests they name."""
    findings = list(_head(session))
    names = {session.position.manifest, *(undone.manifest for undone in session.position.undone)}
    operations, broken = session.history.all()
    findings += [Finding("error", "history", sentence, FIX) for sentence in broken]
    try:
        known = pruned.read(session.home)
    except SysvenvError as error:
        known = pruned.Pruned()
        findings.append(Finding("error", "history", error.message, error.hint))
    numbers = set(session.history.numbers())
    for operation in operations:
        names |= {operation.manifest_before, operation.manifest}
        if operation.parent >= 0 and operation.parent not in numbers and operation.parent not in known:
            sentence = f"@{operation.number} follows @{operation.parent}, of which there is no record."
            findings.append(Finding("error", "history", sentence, "Run: sysvenv history"))
    if not findings:
        findings.append(Finding("ok", "history", f"{_many(len(operations), 'operation')} can be read."))
    for name in snapshots.names(session.home):
        try:
            names.add(snapshots.read(session.home, name).manifest)
        except SysvenvError as error:
            findings.append(Finding("error", "snapshot", error.message, error.hint))
    return findings, names - {""}


def _head(session: Session) -> Iterator[Finding]:
    found = look.whereabouts(session.home)
    if found.trouble:
        yield Finding("error", "history", found.trouble, FIX)


def _sound(found: kept.Verified) -> list[Finding]:
    """A sentence for each part of the store in which nothing is wrong."""
    parts = {
        kept.MANIFEST: f"{_many(found.manifests, 'manifest')} can be read.",
        kept.SEGMENT: f"{_many(found.segments, 'segment')} can be read.",
        kept.OBJECT: f"{_many(found.objects, 'object')} checked: the content is what the name says.",
        kept.PRISTINE: f"{_many(found.copies, 'pristine file')} intact.",
    }
    faulty = {fault.subject for fault in found.faults}
    return [Finding("ok", subject, sentence) for subject, sentence in parts.items() if subject not in faulty]


def _grouped(faults: tuple[Fault, ...]) -> list[Finding]:
    """One finding for all faults of a kind."""
    groups: dict[tuple[str, str, bool, bool], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.subject, fault.what, fault.guarded, fault.copied), []).append(fault)
    return [_finding(group) for _, group in sorted(groups.items())]


def _finding(group: list[Fault]) -> Finding:
    fault = group[0]
    if fault.subject != kept.OBJECT:
        detail = f" ({fault.detail})" if fault.detail else ""
        sentence = f"{_count(group, fault.subject)} {fault.what}: {_names(group)}{detail}."
        return Finding("error", fault.subject, sentence, _remedy(fault))
    if not fault.guarded:
        sentence = f"{_count(group, 'bytecode file')} {fault.what} in the store; Python will build it anew: "
        return Finding("warning", "bytecode", sentence + _names(group) + ".", FIX)
    if fault.what == kept.UNGUARDED:
        sentence = f"{_count(group, 'object')} without a second copy, so an edit in place could not be undone: "
        return Finding("warning", kept.OBJECT, sentence + _names(group) + ".", "")
    if fault.what == kept.EDITED and fault.copied:
        sentence = f"{_count(group, 'object')} changed in place; a copy is kept: "
        return Finding("warning", kept.OBJECT, sentence + _names(group) + ".", FIX)
    rest = "a copy is kept" if fault.copied else "no copy is kept"
    verb = "changed in place" if fault.what == kept.EDITED else fault.what
    return Finding("error", kept.OBJECT, f"{_count(group, 'object')} {verb}, {rest}: {_names(group)}.", _remedy(fault))


def _remedy(fault: Fault) -> str:
    """What can be done. What is lost is lost for the states that name it; the live tree is not touched by that."""
    if fault.subject == kept.OBJECT and fault.copied:
        return FIX
    if fault.subject == kept.PRISTINE:
        return "The files themselves are not concerned. Run: sysvenv doctor"
    return "States that need it cannot be restored. Bring it back from a backup of the store, if there is one."


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def _count(group: list[Fault], noun: str) -> str:
    return f"{_many(len(group), noun)} {'is' if len(group) == 1 else 'are'}"


def _names(group: list[Fault]) -> str:
    shown = [fault.path.decode("utf-8", "replace") if fault.path else fault.name for fault in group[:EXAMPLES]]
    more = len(group) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _live(session: Session) -> tuple[Finding, int]:
    """How the live tree differs from its record, which is no damage; and how many files were looked at."""
    try:
        drift = session.audit()
        files = sum(block.count for block in session.index.blocks.values())
        counts = look.count(session, drift) if session.drifted(drift) else None
    except (StoreError, SysvenvError) as error:
        return Finding("error", "environment", f"It cannot be compared with its record: {error.message}", FIX), 0
    except FileNotFoundError:
        return Finding("warning", "environment", look.changing().message, "Run sysvenv verify when that is done."), 0
    if counts is None:
        return Finding("ok", "environment", f"{_many(files, 'file')} checked: all as recorded."), files
    sentence = (
        f"It differs from what is recorded: {counts.added} files added, {counts.removed} removed, "
        f"{counts.modified} modified. That is no damage."
    )
    return Finding("warning", "environment", sentence, "Run: sysvenv diff live"), files
