"""A state by its name, with what is known of how it came to be: what share and export begin with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from store.manifests import Manifest
from store.named import NamedTuple
from sysvenv import manifest as manifests
from sysvenv import origins, snapshots
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.home import Home
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
    number = snapshots.stands_at(context.home, target)
    return Known(session, target, state, interpreter, found, origins_of(session, name, number, found))


def origins_of(session: Session, name: str, number: int, wanted: Iterable[Distribution]) -> dict[str, Origin]:
    """Where each distribution of the state ``name``, reached at operation ``number``, came from, as far as known."""
    past = Past(
        {operation.number: operation for operation in session.history.all()[0]},
        list(_labels(session.home)),
        lambda manifest: manifests.brought_origins(session.manifest(manifest)),
    )
    return origins.origins(past, name, number, wanted)


def _labels(home: Home) -> Iterator[Snapshot]:
    """The snapshots whose labels can be read; doctor tells of the others."""
    for name in snapshots.names(home):
        try:
            yield snapshots.read(home, name)
        except SysvenvError:
            continue
