"""What doctor looks at in the Pythons that the environment, and the states of history, were made from."""

from __future__ import annotations

import os
from collections.abc import Iterator

from store.errors import StoreError
from sysvenv import manifest, owner, snapshots, venv
from sysvenv.errors import SysvenvError
from sysvenv.home import Home
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import Problem, fine, some
from sysvenv.operations.session import Session
from sysvenv.venv import Interpreter


def examine(session: Session, python: Interpreter | None) -> Iterator[Problem]:
    """Look at the environment's own Python, None where there is no environment, and at those of other states."""
    yield _present(session.home.venv, python)
    if python is not None:
        yield _its_own(session.home, python)
    yield from _others(session, python)


def _present(root: str, python: Interpreter | None) -> Problem:
    if python is not None:
        return fine("environment", f"{root} is a virtual environment.")
    what = "is no virtual environment" if os.path.lexists(root) else "is gone"
    return Problem(Finding("error", "environment", f"{root} {what}.", "Run: sysvenv undo"))


def _its_own(home: Home, python: Interpreter) -> Problem:
    root = home.venv
    if not venv.interpreter_present(python):
        sentence = f"Python {python.version} at {python.base}, which the environment was made from, is gone."
        remedy = "Install that Python again, or take your packages to another: sysvenv init --python 3.N --carry"
        return Problem(Finding("error", "Python", sentence, remedy))
    if not os.access(root + "/bin/python", os.X_OK):
        return Problem(Finding("error", "Python", f"{root}/bin/python cannot be started.", "Run: sysvenv undo"))
    if home.is_system and (closed := owner.closed_to_others(python.base)):
        sentence = f"Only some users can run Python at {python.base}: {closed} is closed to others."
        return Problem(Finding("error", "Python", sentence, f"Run: chmod o+x {closed}, if that is what you want."))
    return fine("Python", f"Python {python.version} at {python.base} is there.")


def _others(session: Session, python: Interpreter | None) -> Iterator[Problem]:
    """The states that cannot be had because their Python is gone, for each such Python."""
    gone: dict[Interpreter, list[str]] = {}
    for name, state in _states(session):
        try:
            found = manifest.interpreter(session.manifest(state))
        except (StoreError, SysvenvError):
            continue  # damage is told of elsewhere
        if found is not None and found != python and not venv.interpreter_present(found):
            gone.setdefault(found, []).append(name)
    for found, names in gone.items():
        sentence = f"Python {found.version} at {found.base} is gone, so undo and restore cannot go to {some(names)}."
        yield Problem(Finding("warning", "Python", sentence, "Install that Python again; the states are all kept."))


def _states(session: Session) -> Iterator[tuple[str, str]]:
    """What a person calls each state, and its manifest: snapshots first."""
    for label in snapshots.list_snapshots(session.home)[0]:
        yield label.name, label.manifest
    for operation in session.history.all()[0]:
        if operation.manifest:
            yield f"@{operation.number}", operation.manifest
