"""Noticing: what a pip did besides what it was asked for, told when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from store.index import Index
from store.manifests import Manifest
from store.named import NamedTuple
from sysvenv import history, manifest, notices, os_packages
from sysvenv.dists import Distribution
from sysvenv.history import History, Operation
from sysvenv.holdings import Holdings
from sysvenv.notices import Notices
from sysvenv.operations.listing import ancestors
from sysvenv.operations.sharing import Sharing
from sysvenv.standards import required_name
from sysvenv.venv import Interpreter


class State(NamedTuple):
    """One side of an operation."""

    manifest: Manifest
    checkout: Index
    distributions: Sequence[Distribution]

    @property
    def holdings(self) -> Holdings:
        """Which distribution has which files."""
        return Holdings(self.manifest, self.checkout)


def notice(root: bytes, records: History, operation: Operation, before: State, after: State) -> dict[str, Any]:
    """What there is to say of an operation that made the tree at `root` one of another state, as JSON values.

    Of one that did not come to its end, only what got older.
    """
    python = manifest.interpreter(after.manifest)
    if python is None or not operation.packages:
        return {}
    told = Notices(notices.downgrades(operation.packages, after.distributions, python))
    if operation.status == history.DONE:
        changes = operation.packages
        sharing = Sharing(root, python.site, changes, before.holdings, after.holdings, after.distributions)
        may_stand_in = not records.home.is_tracked and any(change.before is None for change in changes)
        told = told._replace(
            files=sharing.files(),
            lost=sharing.lost(),
            imports=sharing.imports(),
            system=notices.also_system(changes, os_packages.names(python)) if may_stand_in else (),
            orphans=_orphans(records, operation, before, after, python),
        )
    return notices.to_json(told)


def _orphans(
    records: History, operation: Operation, before: State, after: State, python: Interpreter
) -> tuple[str, ...]:
    """Not among them is what a pip of this history was told to install: pip marks as asked for only what it does
    install, not what had come as a dependency before."""
    found = notices.orphans(before.distributions, after.distributions, python)
    if not found:
        return ()
    past = {each.number: each for each in records.all()[0]}
    commands = (past[number].command for number in ancestors(list(past.values()), operation.number))
    named = {required_name(word) for command in commands if "install" in command for word in command}
    return notices.orphans(before.distributions, after.distributions, python, named)
