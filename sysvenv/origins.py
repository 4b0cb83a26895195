"""Origins: where each distribution of a state came from, as pip told when it was installed. Nothing is guessed.

An origin is believed only of the operation that brought exactly this version into exactly this state: the same version
may have come from elsewhere at another time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from store.named import NamedTuple
from sysvenv import history
from sysvenv.dists import Distribution
from sysvenv.history import Operation
from sysvenv.snapshots import Snapshot

Origin = dict[str, Any]
"""url (secrets hidden), sha256 and requested, as history keeps them."""


class Past(NamedTuple):
    """What is known of how states came to be."""

    operations: Mapping[int, Operation]
    snapshots: Iterable[Snapshot]
    brought_along: Callable[[str], Mapping[str, Origin] | None]
    """The origins that the state of that manifest came with from another machine; None for a state made here."""


def origins(past: Past, manifest: str, operation: int, wanted: Iterable[Distribution]) -> dict[str, Origin]:
    """Where each distribution of the state ``manifest``, reached at ``operation``, came from; not known: left out."""
    found = {}
    for distribution in wanted:
        origin = _origin(past, distribution, manifest, operation)
        if origin is not None:
            found[distribution.name] = origin
    return found


def _origin(past: Past, distribution: Distribution, manifest: str, number: int) -> Origin | None:
    """Walk back to the operation that installed it. A restore continues where its state was made."""
    name = distribution.name
    brought = past.brought_along(manifest)
    seen: set[int] = set()
    while brought is None and number in past.operations and number not in seen:
        seen.add(number)
        operation = past.operations[number]
        if operation.kind in history.SWITCHES:
            brought = past.brought_along(operation.manifest)
            number = _made(past, operation)
            continue
        change = next((change for change in operation.packages if change.name == name), None)
        if change is not None:
            return operation.origins.get(name) if change.after == distribution.version else None
        number = operation.parent
    return brought.get(name) if brought is not None else None


def _made(past: Past, switch: Operation) -> int:
    """The operation that made the state a restore switched to; -1 where none is known."""
    for number in sorted(past.operations):
        operation = past.operations[number]
        if operation.manifest == switch.manifest and operation.kind not in history.SWITCHES:
            return number
    labelled = [each.operation for each in past.snapshots if each.manifest == switch.manifest]
    return labelled[0] if labelled and labelled[0] != switch.number else -1
