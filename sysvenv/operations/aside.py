"""Aside: an environment is built beside the live one, kept as a state, and is gone again. Nothing is switched here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from store import room, trees
from sysvenv import history, manifest, report, venv
from sysvenv.history import Operation
from sysvenv.operations import arrive
from sysvenv.operations.session import Session

FRESH = ("sysvenv", "clean")
"""The command that leads to an environment with nothing installed."""
CARRY = "--carry"
"""The option with which a switch to another Python leads to more than that."""
SIZE = 40 << 20
"""Bytes an environment with pip takes, with bytecode and second copies (measured: 31 MB)."""
TELLING = 23
"""The first pip that has --report and --dry-run, and does not call them experimental."""
_STDERR = 2
_SETTINGS = "pip.conf"


@contextmanager
def built(session: Session, base: str, *, bytecode: bool = False) -> Iterator[bytes]:
    """The path of a fresh environment from the interpreter ``base``, right for the live one's place, for as long as
    the block lasts; without ``bytecode``, it is to be installed into first. What a kill leaves of it is buried by the
    next session."""
    room.refuse_if_short(session.store.root, "Making an environment", SIZE)
    place = trees.free_slot(session.store) + trees.BUILDING
    try:
        venv.build_fresh(os.fsdecode(place), session.home.venv, base, bytecode=bytecode)
        yield place
    finally:
        if os.path.lexists(place):
            trees.bury(session.store, place)


def fresh_state(session: Session, base: str, version: str) -> str:
    """The manifest of a fresh environment of that Python: that of an earlier switch to one, or built now and kept."""
    for operation in reversed(session.history.all()[0]):
        known = operation.manifest if _leads_to_a_fresh_one(operation) else ""
        python = manifest.interpreter(session.manifest(known))
        if python is not None and (python.base, python.version) == (base, version):
            return known
    with built(session, base, bytecode=True) as place:
        return arrive.capture_new(session, place, ()).name


def _leads_to_a_fresh_one(operation: Operation) -> bool:
    return operation.command == FRESH or (operation.kind == history.PYTHON and CARRY not in operation.command)


def install(place: bytes, arguments: Sequence[str], told: str, settings: str = "") -> int:
    """Run the pip of the environment at ``place``; returns its exit code, and what it says goes to stderr.

    ``told`` is where it writes its report, where it can. ``settings`` is an environment whose own pip.conf holds, too.
    """
    reporting = ["--report", told] if tells(place) else []
    with _settings_of(settings, os.fsdecode(place)):
        return _pip(place, ["--no-compile", *reporting, *arguments], _STDERR)


def could_install(place: bytes, arguments: Sequence[str], settings: str = "") -> bool:
    """Whether that pip would find all that is named, without what that needs. Says nothing. See :func:`tells`."""
    with _settings_of(settings, os.fsdecode(place)):
        return _pip(place, ["--quiet", "--dry-run", "--no-deps", *arguments], subprocess.DEVNULL) == 0


def tells(place: bytes) -> bool:
    """Whether the pip at ``place`` knows --report and --dry-run."""
    site = os.path.join(place, venv.site_packages(os.fsdecode(place)))
    return report.pip_major(os.fsdecode(site)) >= TELLING


def _pip(place: bytes, arguments: Sequence[str], output: int) -> int:
    command = [f"{os.fsdecode(place)}/bin/python", "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    return done.returncode


@contextmanager
def _settings_of(root: str, place: str) -> Iterator[None]:
    """pip.conf of the environment ``root`` stands in the one at ``place`` too."""
    source, target = os.path.join(root, _SETTINGS), os.path.join(place, _SETTINGS)
    if not root or not os.path.isfile(source):
        yield
        return
    shutil.copyfile(source, target)
    try:
        yield
    finally:
        os.unlink(target)
