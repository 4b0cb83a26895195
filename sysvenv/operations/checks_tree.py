"""What doctor looks at in the environment: Python, pip, the hook, PATH, what is recorded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from store import trees
from store.errors import StoreError
from sysvenv import dists, history, hook, venv
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.home import Home
from sysvenv.operations import checks_python, checks_ready, keep, look, precedence
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, Problem, fine, some
from sysvenv.operations.session import Context, Session
from sysvenv.venv import Interpreter

_OURS = ("python", "pip", "activate", "Activate")
"""Beginnings of names in bin/ that no distribution's console script has, or that PATH's own finding covers."""


def examine(context: Context, session: Session, path_env: str, *, busy: str) -> Iterator[Problem]:
    """Look at the live tree. ``session`` is a glance; ``busy`` says who is at work, whose changes are his."""
    python = _python(session)
    yield from checks_python.examine(session, python)
    present = python is not None and os.path.isdir(session.home.venv)
    if busy:
        yield fine("environment", f"At work here: {busy}. What it changes is not looked at.")
    else:
        yield from checks_ready.examine(session)
        yield from _unrecorded(session, repairable=present)
    if python is not None and present:
        found = _distributions(session.home.venv, python)
        if venv.interpreter_present(python):
            yield _pip(session.home, found)
        yield _hook(context, python)
        yield from _duplicates(found)
        if not busy:
            yield from _leftovers(session.home.venv, python)
    yield from _path(path_env, session.home)


def _python(session: Session) -> Interpreter | None:
    try:
        return venv.read_interpreter(session.home.venv)
    except SysvenvError:
        return None


def _distributions(root: str, python: Interpreter) -> list[Distribution]:
    try:
        places = dists.find_locations(root, python.site.encode())
    except OSError:
        return []
    return [dists.read_distribution(root, place) for place in places]


def _pip(home: Home, found: list[Distribution]) -> Problem:
    """Whether pip could run, as far as its files tell."""
    root = home.venv
    ways = f"Run: sysvenv undo, if it went just now; or {root}/bin/python -m ensurepip"
    pip = next((distribution for distribution in found if distribution.name == "pip"), None)
    if pip is None and home.is_tracked:
        return fine("pip", "There is none in this environment; uv, or another pip, works on it from outside.")
    if pip is None:
        return Problem(Finding("error", "pip", "There is no pip in the environment.", ways))
    tree = os.fsencode(root)
    claimed = sorted(path for path in dists.claims(root, pip.location) if not path.endswith(b".pyc"))
    lost = [path for path in claimed if not os.path.lexists(os.path.join(tree, path))]
    if lost:
        return Problem(Finding("error", "pip", f"Files of pip {pip.version} are missing: {some(lost)}.", ways))
    started = _started_by(root + "/bin/pip")
    if started and not os.access(started, os.X_OK):
        sentence = f"{root}/bin/pip starts {started}, which is not there: was the environment moved?"
        remedy = f"Run: {root}/bin/python -m pip install --force-reinstall pip"
        return Problem(Finding("error", "pip", sentence, remedy))
    return fine("pip", f"pip {pip.version} has all its files.")


def _started_by(script: str) -> str:
    """The interpreter a script names in its first line; "" where there is none (or a shell finds it)."""
    try:
        with open(script, "rb") as file:
            first = file.readline(4096)
    except OSError:
        return ""
    name = os.fsdecode(first[2:].strip()) if first.startswith(b"#!") else ""
    return "" if name == "/bin/sh" else name


def _hook(context: Context, python: Interpreter) -> Problem:
    root, site = context.home.venv, python.site.encode()
    missing = hook.missing(context.home, site, context.tool_python)
    if not missing:
        return fine("hook", "pip is recorded: the hook is in place and current.")

    def lay(session: Session) -> str:
        hook.lay(context.home, site, context.tool_python)
        return "It is laid now."

    absent = [path for path in missing if not os.path.lexists(os.path.join(os.fsencode(root), path))]
    sentence = "The hook is missing, so pip is not recorded." if absent else "The hook is not that of this sysvenv."
    return Problem(Finding("error" if absent else "warning", "hook", sentence, FIX), repair=lay)


def _duplicates(found: list[Distribution]) -> Iterator[Problem]:
    for name, places in dists.duplicates(found):
        sentence = f"{name} is installed more than once: {some(os.path.basename(place) for place in places)}."
        remedy = f"Run: pip uninstall -y {name}, until pip says there is none, and install it again."
        yield Problem(Finding("warning", "packages", sentence, remedy))


def _leftovers(root: str, python: Interpreter) -> Iterator[Problem]:
    """`~ip`: what a pip that was cut off had moved aside. Files of such a name may be the user's, they are let be."""
    tree = os.fsencode(root)
    left = [path for path in dists.leftovers(root, python.site.encode()) if os.path.isdir(os.path.join(tree, path))]
    if not left:
        return

    def remove(session: Session) -> str:
        keep.settle(session, session.audit())  # what was not recorded before is recorded with them
        for path in left:
            trees.bury(session.store, os.path.join(session.live, path))
        operation = keep.settle(session, session.audit())
        return f"They are removed; sysvenv undo brings them back (@{operation.number})." if operation else "Removed."

    names = some(os.path.basename(path) for path in left)
    finding = Finding("warning", "leftovers", f"An interrupted pip left {names} in site-packages.", FIX)
    yield Problem(finding, repair=remove)


def _unrecorded(session: Session, *, repairable: bool) -> Iterator[Problem]:
    """Interrupted operations, and changes nobody recorded."""
    try:
        pending = session.pending()
        drift = session.audit()
        drifted = session.drifted(drift)
    except (StoreError, SysvenvError, OSError) as error:
        sentence = f"It cannot be compared with its record: {error}"
        yield Problem(Finding("error", "environment", sentence, "Run: sysvenv verify"))
        return
    if pending is not None:
        by_pip = pending.kind in (history.PIP, history.INIT)
        sentence = f"Operation @{pending.number} ({keep.shown(pending)}) was interrupted."
        yield Problem(Finding("warning", "history", sentence, FIX), repair=_settle)
        if by_pip:
            return
    if drifted:
        counts = look.count(session, drift)
        sentence = (
            f"Changed without pip and not recorded: {counts.added} files added, {counts.removed} removed, "
            f"{counts.modified} modified."
        )
        remedy = "Run: sysvenv status --check. The next operation records it, sysvenv undo takes it back."
        finding = Finding("warning", "environment", sentence, remedy)
        yield Problem(finding, repair=_settle if repairable else None)
    elif pending is None:
        yield fine("recorded", "Everything in the environment is recorded.")
    if special := sorted(path for path in drift.data if _is_special(os.path.join(session.live, path))):
        sentence = f"Sockets, FIFOs and devices come along and are in no snapshot: {some(special)}."
        yield fine("environment", sentence)


def _is_special(path: bytes) -> bool:
    """Of a file of the user's, which is no link (``kinds``)."""
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False  # deleted meanwhile


def _settle(session: Session) -> str:
    operation = keep.settle(session, session.audit())
    return f"It is recorded as @{operation.number}." if operation else "It had changed nothing."


def _path(path_env: str, home: Home) -> Iterator[Problem]:
    if home.is_tracked:
        return
    problem, remedy = precedence.problem(path_env, home), precedence.remedy(home)
    if not problem:
        yield fine("PATH", "pip and python mean the environment's.")
    else:
        yield Problem(Finding("warning", "PATH", problem, remedy))
    shadowed = [] if home.is_system else _shadowed(path_env, home.venv + "/bin")
    if shadowed:
        sentence = f"Programs that PATH finds before those of the environment: {some(shadowed)}."
        yield Problem(Finding("warning", "PATH", sentence, remedy))


def _shadowed(path_env: str, venv_bin: str) -> list[str]:
    """Earlier programs with the name of a script of the environment; none where its bin is not on PATH at all."""
    real = os.path.realpath(venv_bin)
    scripts = {name for name in _listed(venv_bin) if not name.startswith(_OURS)}
    found: dict[str, str] = {}
    for directory in path_env.split(os.pathsep):
        if directory and os.path.realpath(directory) == real:
            return [found[name] for name in sorted(found)]
        for name in scripts & set(_listed(directory or ".")):
            path = os.path.join(directory, name)
            if name not in found and os.access(path, os.X_OK) and not os.path.isdir(path):
                found[name] = path
    return []


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
