"""Environments: all that sysvenv looks after, and what each of them takes. Takes no lock."""

from __future__ import annotations

import os

from store import shares
from store.errors import StoreError
from sysvenv import manifest, tracked, venv
from sysvenv.errors import SysvenvError
from sysvenv.headstart import NONE
from sysvenv.home import SYSTEM, Home
from sysvenv.operations import look, roots
from sysvenv.operations.findings import Environment
from sysvenv.operations.session import Context, Session


def environments(context: Context) -> tuple[Environment, ...]:
    """The user's own first, then the tracked ones by name, with those of which only the history is left; and last the
    system's."""
    own, system = context.home.own, Home.at(SYSTEM)
    sessions: dict[Home, Session] = {}
    told = []
    for home in [*filter(_has_begun, [own]), *tracked.every(own), *filter(_has_begun, [system])]:
        try:
            sessions[home] = look.glance(context._replace(home=home, ahead=NONE), guests=True)
            told.append(_described(sessions[home], current=home == context.home))
        except (SysvenvError, StoreError, OSError) as error:
            told.append(Environment(_name(home), home.venv, home.root, _state(home), trouble=str(error)))
    sizes = _sizes(sessions)
    return tuple(
        each._replace(size=sizes[each.home].live, alone=sizes[each.home].alone) if each.home in sizes else each
        for each in told
    )


def _described(session: Session, *, current: bool) -> Environment:
    home = session.home
    operations, _ = session.history.all()
    last = next((each for each in operations if each.number == session.position.operation), None)
    python = manifest.interpreter(session.recorded)
    return Environment(
        name=_name(home),
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


def _name(home: Home) -> str:
    return os.path.basename(home.root) if home.is_tracked else ""


def _state(home: Home) -> str:
    if home.is_tracked and not Home.at(home.root).is_tracked:
        return "untracked"
    if not os.path.isdir(home.venv):
        return "gone"
    if home.is_system:
        return "system"
    return "tracked" if home.is_tracked else "own"


def _sizes(sessions: dict[Home, Session]) -> dict[str, shares.Share]:
    """By home. Nothing of those whose store cannot be read."""
    told: dict[str, shares.Share] = {}
    for store in {home.store for home in sessions}:
        using = {1 << bit: each for bit, each in enumerate(h for h in sessions if h.store == store)}
        claims: dict[str, int] = {}
        try:
            for bit, home in using.items():
                for name in _states(sessions[home]):
                    claims[name] = claims.get(name, 0) | bit
            places = {bit: (os.fsencode(home.venv), os.fsencode(home.area)) for bit, home in using.items()}
            found = shares.measure(sessions[using[1]].store, claims, places)
        except (SysvenvError, StoreError, OSError):
            continue
        told |= {home.root: found[bit] for bit, home in using.items()}
    return told


def _states(session: Session) -> set[str]:
    operations, _ = session.history.all()
    names = roots.kept(session)
    names |= {name for each in operations for name in (each.manifest_before, each.manifest)}
    return names - {""}
