"""Doctor: everything checked, and with ``fix`` put right what can be. Without it, nothing is written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from store import verify
from store.errors import Busy, StoreError
from store.lock import Lock
from sysvenv import owner
from sysvenv.errors import SysvenvError
from sysvenv.operations import checks_home, checks_objects, checks_tree, damage, elsewhere, look, recover, status
from sysvenv.operations.damage import Group
from sysvenv.operations.elsewhere import Elsewhere
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.mending import Mender
from sysvenv.operations.problems import FIX, Problem, fine, repaired
from sysvenv.operations.session import Context, Session

COMMAND = "sysvenv doctor --fix"
Progress = Callable[[int, int], None]


def doctor(
    context: Context,
    path_env: str,
    fix: bool,
    places: Elsewhere | None = None,
    progress: Progress | None = None,
) -> Checkup:
    """Check home, store, history and environment. Each finding is a sentence with what to type.

    Without ``fix`` the store is looked at by lstat, and a sample of it read; with it, all of it is read, and what is
    damaged is taken from wherever an intact copy is, in the end from ``places``. Raises Busy where the lock cannot be
    had; any other repair that fails is part of its finding.
    """
    started = time.perf_counter()
    home = context.home
    if not os.path.isdir(home.history):
        missing = Finding("error", "home", f"There is no environment at {home.root} yet.", home.remedy)
        return Checkup((missing,))
    if home.is_system:
        owner.refuse_strangers(home)  # what is closed to guests is no finding
    busy = status.holder(home)
    around = _gathered(checks_home.examine(context, busy=bool(busy)))
    findings = _early(context, around) if fix else [problem.finding for problem in around]
    try:
        session = look.glance(context)
    except (StoreError, SysvenvError) as error:
        if not any(finding.message == error.message for finding in findings):
            findings.append(Finding("error", "home", error.message, error.hint))
        return Checkup(tuple(findings), seconds=time.perf_counter() - started)
    stored = _store(context, session, places or Elsewhere(), progress, fix=fix, busy=bool(busy))
    session = look.glance(context)
    inside = list(checks_tree.examine(context, session, path_env, busy=status.holder(home)))
    late = [*(problem for problem in around if problem.repair is not None), *inside]
    if fix and any(problem.repair is not None for problem in late):
        findings = [finding for finding in findings if all(finding is not problem.finding for problem in late)]
        findings += stored + _late(context, late)
    else:
        findings += stored + [problem.finding for problem in inside]
    return Checkup(tuple(findings), seconds=time.perf_counter() - started)


def _gathered(problems: Iterator[Problem]) -> list[Problem]:
    """The problems up to what cannot even be looked at, which is one as well."""
    found: list[Problem] = []
    try:
        found.extend(problems)
    except OSError as error:
        sentence = f"{os.fsdecode(error.filename or 'A directory')} cannot be looked at: {error.strerror}."
        found.append(Problem(Finding("error", "home", sentence, "Give yourself permission, or run it as the owner.")))
    return found


def _early(context: Context, problems: list[Problem]) -> list[Finding]:
    """Put right what a session needs; only then is the lock taken without one."""
    if not any(problem.early for problem in problems):
        return [problem.finding for problem in problems]
    locks = [problem for problem in problems if problem.finding.subject == "lock"]
    findings = {id(problem): repaired(problem.finding, problem.early) for problem in locks if problem.early}
    with Lock(os.fsencode(context.home.lock), COMMAND, wait=context.wait, on_wait=context.on_wait):
        for problem in problems:
            if problem.early and id(problem) not in findings:
                findings[id(problem)] = repaired(problem.finding, problem.early)
    return [findings.get(id(problem), problem.finding) for problem in problems]


def _store(
    context: Context, session: Session, places: Elsewhere, progress: Progress | None, *, fix: bool, busy: bool
) -> list[Finding]:
    """What the store holds."""
    odd = damage.inner_oddities(session)
    if busy and not fix:
        return odd
    report = damage.look(session, quick=not fix, progress=progress)
    groups = list(report.groups)
    if not fix:
        groups += damage.grouped(session, checks_objects.sample(session))
    if not groups:
        odd.append(fine("objects", damage.all_well(report.verified, quick=not fix)).finding)
    if not fix or not (groups or any(finding.remedy == FIX for finding in odd)):
        return odd + [group.finding for group in groups]
    return _mended(context, groups, odd, places)


def _mended(context: Context, groups: list[Group], odd: list[Finding], places: Elsewhere) -> list[Finding]:
    session = Session(context, COMMAND)
    try:
        session.enter()
    except Busy:
        raise
    except (StoreError, SysvenvError) as error:
        told = Finding("error", "repair", f"Nothing could be repaired: {error.message}", error.hint)
        return [*odd, *(group.finding for group in groups), told]
    with session:
        mender = Mender(session, lambda wanted: elsewhere.search(session, places, wanted))
        found = [damage.closed(session, finding) for finding in odd] + mender.mend(groups)
        return found + mender.mend(_unguarded(session))


def _unguarded(session: Session) -> list[Group]:
    """What was lost had no second copy to be missed; what was rebuilt may."""
    again = damage.look(session, quick=True)
    return [group for group in again.groups if group.faults[0].what == verify.UNGUARDED]


def _late(context: Context, problems: list[Problem]) -> list[Finding]:
    """Put the rest right in one session, which by beginning finishes what others left unfinished."""
    try:
        session = recover.enter(context, COMMAND)
    except Busy:
        raise
    except (StoreError, SysvenvError) as error:
        told = Finding("error", "repair", f"Nothing could be repaired: {error.message}", error.hint)
        return [*(problem.finding for problem in problems), told]
    with session:
        findings = []
        for problem in problems:
            repair = problem.repair
            done = repaired(problem.finding, lambda: repair(session)) if repair else problem.finding  # noqa: B023
            findings.append(done)
        return findings
