"""Environments: all that sysvenv looks after, and what each of them takes. Takes no lock."""

from __future__ import annotations

import os

from store import shares
from store.errors import StoreError
from sysvenv import manifest, tracked, venv
from sysvenv.errors import SysvenvError
from sysvenv.history import Operation
from sysvenv.home import SYSTEM, Home
from sysvenv.operations import look, roots
from sysvenv.operations.findings import Environment
from sysvenv.operations.session import Context, Session

_Seen = tuple[Session, list[Operation]]
"""An environment, and its operations."""


def environments(context: Context) -> tuple[Environment, ...]:
    """The user's own first, then the tracked ones by name, with those of which only the history is left; and last the
    system's."""
    own, system = context.home.own, Home.at(SYSTEM)
    seen: dict[Home, _Seen] = {}
    told = []
    for home in [*filter(_has_begun, [own]), *tracked.every(own), *filter(_has_begun, [system])]:
        try:
            session = look.glance(context.at(home), guests=True)
            seen[home] = session, session.history.all()[0]
            told.append(_described(*seen[home], current=home == context.home))
        except (SysvenvError, StoreError, OSError) as error:
            told.append(Environment(home.name, home.venv, home.root, _state(home), trouble=str(error)))
    sizes = _sizes(seen)
    return tuple(
        each._replace(size=sizes[each.home].live, alone=sizes[each.home].alone) if each.home in sizes else each
        for each in told
    )


def _described(session: Session, operations: list[Operation], *, current: bool) -> Environment:
    home = session.home
    last = next((each for each in operations if each.number == session.position.operation), None)
    python = manifest.interpreter(session.recorded)
    return Environment(
        name=home.name,
        venv=home.venv,
        home=home.root,
        state=_state(home),
        current=current,
        python=python.version if python else "",
        python_present=python is not None and venv.interpreter_present(python),
        distributions=len(manifest.distributions(session.recorded)),
        operations=len(operations),
        last=last,
        trouble=session.notes[0] if session.notes else "",
    )


def _has_begun(home: Home) -> bool:
    return os.path.isdir(home.history)


def _state(home: Home) -> str:
    if home.is_tracked and not tracked.is_looked_after(home):
        return "untracked"
    if not os.path.isdir(home.venv):
        return "gone"
    if home.is_system:
        return "system"
    return "tracked" if home.is_tracked else "own"


def _sizes(seen: dict[Home, _Seen]) -> dict[str, shares.Share]:
    """By home. Nothing of those whose store cannot be read."""
    told: dict[str, shares.Share] = {}
    for store in {home.store for home in seen}:
        using = {1 << bit: each for bit, each in enumerate(h for h in seen if h.store == store)}
        claims: dict[str, int] = {}
        try:
            for bit, home in using.items():
                for name in roots.needed(*seen[home]) - {""}:
                    claims[name] = claims.get(name, 0) | bit
            places = {bit: (os.fsencode(home.venv), os.fsencode(home.area)) for bit, home in using.items()}
            found = shares.measure(seen[using[1]][0].store, claims, places)
        except (SysvenvError, StoreError, OSError):
            continue
        told |= {home.root: found[bit] for bit, home in using.items()}
    return told
