"""A state by its name, with what is known of how it came to be: what share and export begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from store.manifests import Manifest
from sysvenv import manifest as manifests
from sysvenv import origins, snapshots
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.operations import look
from sysvenv.operations.session import Context, Session
from sysvenv.origins import Origin, Past
from sysvenv.snapshots import Snapshot
from sysvenv.venv import Interpreter


class Known(NamedTuple):
    """A state of history."""

    session: Session
    """A reader's: it holds no lock."""
    name: str
    manifest: Manifest
    interpreter: Interpreter
    distributions: list[Distribution]
    origins: dict[str, Origin]


def known(context: Context, target: str) -> Known:
    """The state of a snapshot or of ``@N``. Raises NotFound, and SysvenvError for one without an interpreter."""
    session = look.glance(context)
    name = snapshots.resolve(context.home, session.history, target)
    state = session.manifest(name)
    interpreter = manifests.interpreter(state)
    if interpreter is None:
        raise SysvenvError(f"{target} is an environment without a Python.", "Choose another: sysvenv history")
    found = manifests.distributions(state)
    past = Past(
        {operation.number: operation for operation in session.history.all()[0]},
        list(_labels(context)),
        lambda manifest: manifests.brought_origins(session.manifest(manifest)),
    )
    number = snapshots.stands_at(context.home, target)
    return Known(session, target, state, interpreter, found, origins.origins(past, name, number, found))


def _labels(context: Context) -> Iterator[Snapshot]:
    """The snapshots whose labels can be read; doctor tells of the others."""
    for name in snapshots.names(context.home):
        try:
            yield snapshots.read(context.home, name)
        except SysvenvError:
            continue
