"""Doctor: everything checked, and with ``fix`` put right what can be. Without it, nothing is written."""

from __future__ import annotations

import os
import time

from store.errors import Busy, StoreError
from store.lock import Lock
from sysvenv.errors import SysvenvError
from sysvenv.operations import checks_home, checks_tree, look, recover, status
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.problems import Problem, repaired
from sysvenv.operations.session import Context

COMMAND = "sysvenv doctor --fix"


def doctor(context: Context, path_env: str, fix: bool) -> Checkup:
    """Check home, store, history and environment. Each finding is a sentence with what to type.

    With ``fix`` raises Busy where the lock cannot be had; any other repair that fails is part of its finding.
    """
    started = time.perf_counter()
    home = context.home
    if not os.path.isdir(home.history):
        missing = Finding("error", "home", f"There is no environment at {home.root} yet.", "Run: sysvenv init")
        return Checkup((missing,))
    busy = status.holder(home)
    around = list(checks_home.examine(context, busy=bool(busy)))
    findings = _early(context, around) if fix else [problem.finding for problem in around]
    try:
        session = look.glance(context)
    except (StoreError, SysvenvError) as error:
        if not any(finding.message == error.message for finding in findings):
            findings.append(Finding("error", "home", error.message, error.hint))
        return Checkup(tuple(findings), seconds=time.perf_counter() - started)
    inside = list(checks_tree.examine(context, session, path_env, busy=status.holder(home)))
    late = [*(problem for problem in around if problem.repair is not None), *inside]
    if fix and any(problem.repair is not None for problem in late):
        findings = [finding for finding in findings if all(finding is not problem.finding for problem in late)]
        findings += _late(context, late)
    else:
        findings += [problem.finding for problem in inside]
    return Checkup(tuple(findings), seconds=time.perf_counter() - started)


def _early(context: Context, problems: list[Problem]) -> list[Finding]:
    """Put right what a session needs; only then is the lock taken without one."""
    if not any(problem.early for problem in problems):
        return [problem.finding for problem in problems]
    with Lock(os.fsencode(context.home.lock), COMMAND, wait=context.wait, on_wait=context.on_wait):
        return [repaired(p.finding, p.early) if p.early else p.finding for p in problems]


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
