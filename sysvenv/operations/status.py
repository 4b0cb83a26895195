"""Status: the environment at a glance. Takes no lock, so it answers while pip runs; what it cannot read, it says."""

from __future__ import annotations

import os
import time

from store import lock, usage
from store.errors import StoreError
from store.named import NamedTuple
from sysvenv import dists, manifest, snapshots, venv
from sysvenv.dists import Change, Distribution
from sysvenv.errors import SysvenvError
from sysvenv.history import Operation
from sysvenv.home import Home
from sysvenv.operations import look, precedence
from sysvenv.operations.findings import Status
from sysvenv.operations.results import FileCounts
from sysvenv.operations.session import Context, Session
from sysvenv.venv import Interpreter

WORTH_A_SNAPSHOT = 3
"""Operations since the last snapshot from which on one is suggested ..."""
SETTLED = 3600.0
"""... once the last of them is this many seconds old: who still installs is not done."""


class Present(NamedTuple):
    """What is in the live tree."""

    distributions: list[Distribution]
    unrecorded: str = "none"
    changed: tuple[Change, ...] = ()
    files: FileCounts = FileCounts()
    trouble: str = ""
    """A sentence where it could not be told."""


def status(context: Context, path_env: str, check: bool) -> Status:
    """Everything there is to tell of a home. ``check`` looks at every file, else directory times guide the look.

    Raises SysvenvError or StoreError only where there is no home or no store that can be read at all.
    """
    session = look.glance(context, guests=True)
    home, position = context.home, session.position
    busy = holder(home)
    python = _interpreter(session)
    present = _present(session, check, working=bool(busy))
    chain, broken = _since_snapshot(session)
    pending, damage = _pending(session)
    notes = [*session.notes, *filter(None, (present.trouble, damage)), *broken]
    beyond, within = _sizes(session)
    return Status(
        home=home.root,
        venv=home.venv,
        venv_present=os.path.isdir(home.venv),
        python=python.version if python else "",
        python_present=python is not None and venv.interpreter_present(python),
        pip=next((d.version for d in present.distributions if d.name == "pip"), None),
        distributions=len({d.name for d in present.distributions}),
        requested=len({d.name for d in present.distributions if d.requested}),
        operation=position.operation,
        operations=len(session.history.numbers()),
        undone=len(position.undone),
        snapshots=len(snapshots.names(home)),
        path_problem=precedence.problem(path_env, home),
        tracked=home.is_tracked,
        store_bytes=beyond,
        venv_bytes=within,
        unrecorded=present.unrecorded,
        changed=present.changed,
        changed_files=present.files,
        checked=check,
        busy=busy,
        pending=pending,
        suggestion="" if busy or pending is not None else _suggestion(chain),
        notes=tuple(notes),
        base=python.base if python else "",
    )


def holder(home: Home) -> str:
    """Who holds the environment's lock, in words; empty when nobody does, or when that cannot be told."""
    path = os.fsencode(home.lock)
    try:
        if lock.is_free(path):
            return ""
    except OSError:
        return ""
    found = lock.read_holder(path)
    if found is None:
        return "a process that did not leave its name"
    return f"process {found.pid} ({found.command}) for {max(0, round(time.time() - found.since))} s"


def _interpreter(session: Session) -> Interpreter | None:
    try:
        return venv.read_interpreter(session.home.venv)
    except SysvenvError:
        pass  # gone, or torn: the record knows
    try:
        return manifest.interpreter(session.recorded)
    except (StoreError, SysvenvError):
        return None


def _present(session: Session, check: bool, *, working: bool) -> Present:
    """The live tree against the recorded state. While somebody is at work, a difference is only a maybe."""
    try:
        drift = session.audit() if check else look.quick_drift(session)
        found = look.live_distributions(session, drift.changed)
        if not session.drifted(drift):
            return Present(found)
        changed = tuple(dists.diff(manifest.distributions(session.recorded), found))
        files = look.count(session, drift)
    except (StoreError, SysvenvError) as error:
        return Present(_on_disk(session.home.venv), "maybe", trouble=error.message)
    except OSError as error:
        trouble = "" if working else f"The environment cannot be looked at: {error}."  # at work: a file went meanwhile
        return Present(_on_disk(session.home.venv), "maybe", trouble=trouble)
    return Present(found, "maybe" if working else "yes", changed, files)


def _on_disk(root: str) -> list[Distribution]:
    """The distributions in the live tree, whatever the records say."""
    try:
        site = venv.site_packages(root)
        return [dists.read_distribution(root, place) for place in dists.find_locations(root, site)]
    except (SysvenvError, OSError):
        return []


def _pending(session: Session) -> tuple[int | None, str]:
    """The operation without an end, or a sentence on why that cannot be told."""
    try:
        found = session.pending()
    except (SysvenvError, OSError) as error:
        return None, str(error)
    return (found.number if found else None), ""


def _since_snapshot(session: Session) -> tuple[list[Operation], list[str]]:
    """The operations from where we stand back to the newest labelled one, as far as a suggestion needs them."""
    try:
        labels, broken = snapshots.list_snapshots(session.home)
    except OSError as error:
        return [], [str(error)]
    if broken:
        return [], broken
    labelled = {label.operation for label in labels}
    states = {label.manifest for label in labels}
    chain: list[Operation] = []
    number = session.position.operation
    while number >= 0 and number not in labelled and len(chain) < WORTH_A_SNAPSHOT:
        try:
            operation = session.history.read(number)
        except (SysvenvError, OSError) as error:
            if number in session.history.pruned():
                break
            return [], [str(error)]
        if operation.manifest in states:
            break
        chain.append(operation)
        number = operation.parent
    return chain, []


def _suggestion(chain: list[Operation]) -> str:
    if len(chain) < WORTH_A_SNAPSHOT or time.time() - chain[0].finished < SETTLED:
        return ""
    return "The environment has been as it is for a while: sysvenv snapshot NAME makes it easy to come back to."


def _sizes(session: Session) -> tuple[int, int]:
    try:
        return usage.measure(session.store, session.index)
    except StoreError:
        return usage.measure(session.store, None)
