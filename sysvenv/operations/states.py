"""States: what people call each manifest that history, labels and the environment itself name."""

from __future__ import annotations

from sysvenv import snapshots
from sysvenv.errors import SysvenvError
from sysvenv.operations import neighbours
from sysvenv.operations.session import Session

LIVE = "the environment"


def named(session: Session) -> dict[str, list[str]]:
    """Manifest -> its names: "the environment", "@3", "before @3" (what undo goes back to), "snapshot ml"; those of
    other environments that share the store come with the name of that: "shop: @3"."""
    found = _named(session)
    for other in neighbours.glances(session):
        for manifest, names in _named(other).items():
            found.setdefault(manifest, []).extend(f"{neighbours.name(other.home)}: {each}" for each in names)
    return found


def _named(session: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}

    def name(manifest: str, words: str) -> None:
        if manifest:
            found.setdefault(manifest, []).append(words)

    name(session.position.manifest, LIVE)
    operations, _ = session.history.all()
    for operation in operations:
        name(operation.manifest, f"@{operation.number}")
    for operation in operations:
        if operation.manifest_before not in found:
            name(operation.manifest_before, f"before @{operation.number}")
    for undone in session.position.undone:
        if undone.manifest not in found:
            name(undone.manifest, f"what redo brings back of @{undone.operation}")
    for label in snapshots.names(session.home):
        try:
            name(snapshots.read(session.home, label).manifest, f"snapshot {label}")
        except SysvenvError:
            continue  # told of where the labels are checked
    return found
