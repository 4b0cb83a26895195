"""Setting up: a home with its environment, made, adopted, or brought back."""

from __future__ import annotations

import os
import time

from store import disk, room
from store.errors import StoreError
from sysvenv import history, hook, manifest, owner, selection, snapshots, storage, venv
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.head import Position, read_head, write_head
from sysvenv.headstart import UV_LOCK
from sysvenv.history import INIT, History, Operation
from sysvenv.home import Home
from sysvenv.operations import aside, keep, label, recover, rewind, switch_python
from sysvenv.operations.results import Initialised
from sysvenv.operations.session import Context, Session
from sysvenv.operations.switch_python import Wanted


def initialise(context: Context, wanted: Wanted | None = None, dry_run: bool = False) -> Initialised:
    """Make the environment, or adopt the one that is there, or bring back one whose history is; with ``wanted``, which
    names a Python, switch to that where it is another. Deletes nothing."""
    started = time.perf_counter()
    home = context.home
    owner.refuse_strangers(home)
    _refuse_odd_place(home.venv)
    outcome = foresee(context, wanted)
    if dry_run:
        return _foreseen(context, outcome, wanted, started)
    if outcome == "brought back":
        _refuse_gone(context)
    _make_home(context)
    if outcome == "brought back":
        rewind.undo(context)
    elif not _has_begun(home):
        if not os.path.lexists(home.venv):
            room.refuse_if_short(os.fsencode(home.root), "Making an environment", aside.SIZE)
            venv.create(home.venv, wanted.base.path if wanted else None)
        _first_operation(context)
    laid = lay_ours(context) if os.path.lexists(home.venv) else []
    if not home.is_tracked:
        _renew_hooks(context)
    switched = switch_python.switch(context, wanted) if wanted and outcome == "switched" else None
    with recover.enter(context, "sysvenv init") as session:
        interpreter = manifest.interpreter(session.recorded)
        return Initialised(
            outcome=outcome,
            venv=home.venv,
            python=interpreter.version if interpreter else "",
            distributions=len(manifest.distributions(session.recorded)),
            files=sum(block.count for block in session.index.blocks.values()),
            laid=tuple(laid),
            seconds=time.perf_counter() - started,
            notes=tuple(session.notes),
            switch=switched,
        )


def foresee(context: Context, wanted: Wanted | None) -> str:
    """The outcome that initialising will have."""
    home = context.home
    begun, present = _has_begun(home), os.path.lexists(home.venv)
    if not begun and not present:
        return "created"
    found = switch_python.present(context) if wanted else None
    if wanted and found and switch_python.is_another(found, wanted):
        return "switched"
    if not begun:
        return "adopted"
    return "kept" if present else "brought back"


def _refuse_gone(context: Context) -> None:
    found = switch_python.present(context)
    if found is not None and not venv.interpreter_present(found):
        raise SysvenvError(
            f"The environment needs Python {found.version} at {found.base}, which is gone.",
            "Install that Python again, or take your packages to another: sysvenv init --python 3.N --carry",
        )


def _foreseen(context: Context, outcome: str, wanted: Wanted | None, started: float) -> Initialised:
    """What would happen, of which nothing has."""
    switched = switch_python.plan(context, wanted) if wanted and outcome == "switched" else None
    found = switch_python.present(context) if outcome != "created" else None
    version = wanted.base.version if wanted else found.version if found else ""
    seconds = time.perf_counter() - started
    return Initialised(outcome, context.home.venv, version, 0, 0, (), seconds, dry_run=True, switch=switched)


def _has_begun(home: Home) -> bool:
    """Whether there is a history, even where HEAD is lost: a new beginning would hide it."""
    try:
        head = read_head(home)
    except DamageFound:
        head = None
    if head is not None:
        return head.operation >= 0
    return os.path.isdir(home.history) and bool(History(home).numbers())


def lay_ours(context: Context) -> list[str]:
    """Put the hook, and the file uv locks, into the environment; returns the paths written."""
    root = context.home.venv
    site = venv.site_packages(root)
    os.close(os.open(os.path.join(os.fsencode(root), UV_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return [os.path.join(root, os.fsdecode(path)) for path in hook.lay(context.home, site, context.tool_python)]


def _renew_hooks(context: Context) -> None:
    """Of tracked environments too: this may be a newer sysvenv. What is wrong with one of them, it says itself."""
    for home in selection.tracked(context.home):
        try:
            hook.lay(home, venv.site_packages(home.venv), context.tool_python)
        except (SysvenvError, StoreError, OSError):
            continue


def _refuse_odd_place(path: str) -> None:
    if os.path.islink(path):
        raise SysvenvError(
            f"{path} is a symlink; sysvenv swaps real directories.",
            "Set SYSVENV_HOME to where the environment shall live, or remove the link.",
        )
    if os.path.lexists(path) and not os.path.isdir(path):
        raise SysvenvError(f"{path} is there and is no directory.", "Move it away; nothing was changed.")
    if os.path.isdir(path):
        venv.read_interpreter(path)


def _make_home(context: Context) -> None:
    home = context.home
    root = os.fsencode(home.root)
    if not os.path.isdir(root):
        os.makedirs(root, mode=0o755)
        os.chmod(root, 0o755)  # whatever the umask: nobody else is to write there
    disk.probe_links(root, root)
    store, sample = os.fsencode(home.store), os.fsencode(home.venv) + b"/pyvenv.cfg"
    storage.create(home)
    disk.probe_links(sample if os.path.lexists(sample) else root, store)
    for directory in (home.history, home.snapshots):
        disk.make_directory(os.fsencode(directory), home.mode)
    if not _has_begun(home):
        write_head(home, Position(0, -1, ""))


def _first_operation(context: Context) -> None:
    """Record the state everything begins with."""
    session = Session(context, "sysvenv init")
    session.enter()
    with session:
        operation = session.history.pending()
        if operation is None:
            operation = Operation(0, INIT, -1, ("sysvenv", "init"), time.time(), "", os.getpid())
            session.history.begin(operation)
        session.claim()
        keep.keep(session, operation._replace(status=history.DONE), session.audit())
        if context.config.history.auto_baseline:
            label.label(session, snapshots.BASELINE, "the state sysvenv began with")
