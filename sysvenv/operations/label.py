"""Labels: naming a state, and dropping a name."""

from __future__ import annotations

import time

from sysvenv import manifest, snapshots
from sysvenv.errors import SysvenvError, UsageError
from sysvenv.operations import keep, recover
from sysvenv.operations.session import Context, Session
from sysvenv.snapshots import Snapshot


def snapshot(context: Context, name: str, message: str = "", force: bool = False) -> Snapshot:
    """Name the present state of the environment; what changed without pip is recorded first."""
    check_new(name)
    with recover.enter(context, f"sysvenv snapshot {name}") as session:
        keep.settle(session, session.audit())
        if name in snapshots.names(context.home) and not force:
            raise SysvenvError(f"There is a snapshot {name!r} already.", f"Run: sysvenv snapshot {name} --force")
        return label(session, name, message)


def check_new(name: str) -> str:
    """The name, if a person may give it. Raises UsageError."""
    snapshots.check_name(name)
    if name == snapshots.BASELINE:
        raise UsageError("'baseline' is the state sysvenv began with; it keeps that name.", "Choose another name.")
    if name == snapshots.LIVE:
        raise UsageError("'live' means the environment as it is, in sysvenv diff.", "Choose another name.")
    return name


def label(session: Session, name: str, message: str) -> Snapshot:
    """Name the state the environment was last recorded in."""
    state = session.recorded
    found = manifest.distributions(state)
    python = manifest.interpreter(state)
    made = Snapshot(
        name=name,
        manifest=session.position.manifest,
        operation=session.position.operation,
        created=time.time(),
        message=message,
        distributions=len(found),
        python=python.version if python else "",
        current=True,
    )
    snapshots.write(session.home, made, found)
    return made


def delete_snapshot(context: Context, name: str) -> Snapshot:
    """Drop a name; the state stays as long as history holds it, and then until gc takes it."""
    if name == snapshots.BASELINE:
        raise UsageError("'baseline' cannot be deleted: clean --keep-baseline needs it.", "")
    with recover.enter(context, f"sysvenv snapshot --delete {name}") as session:
        deleted = snapshots.delete(context.home, name)
        return deleted._replace(recorded=deleted.operation in session.history.numbers())
