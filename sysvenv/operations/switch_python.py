"""Another Python: an environment is built aside for it, what was asked for is installed there if wanted, and then the
trees are exchanged. That is an operation like others; until the exchange nothing is changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from store.named import NamedTuple
from sysvenv import dists, fresh, history, interpreters, manifest, report, requested, venv
from sysvenv.dists import Distribution
from sysvenv.errors import SysvenvError
from sysvenv.fresh import Base
from sysvenv.operations import arrive, aside, look, past, rewind
from sysvenv.operations.record import origins_of
from sysvenv.operations.results import Rewound, Switched
from sysvenv.operations.session import Context, Session
from sysvenv.origins import Origin
from sysvenv.requested import Request
from sysvenv.venv import Interpreter


class Wanted(NamedTuple):
    """The Python that was asked for."""

    word: str
    """As typed: a version, a command name or a path."""
    base: Base
    carry: bool = False
    """Whether what was asked for is to be installed there again."""

    @property
    def told(self) -> str:
        """ "Python 3.12.1 (/usr/bin/python3.12)" """
        return f"Python {self.base.version} ({self.base.path})"

    @property
    def command(self) -> list[str]:
        """As history keeps it."""
        return ["sysvenv", "init", "--python", self.word, *([aside.CARRY] if self.carry else [])]


def is_another(found: Interpreter, wanted: Wanted) -> bool:
    """Whether that means another Python than the environment's: a version means any that is of it."""
    if os.path.realpath(wanted.base.path) == os.path.realpath(found.base):
        return False
    version = interpreters.version_of(wanted.word)
    return not (version and interpreters.is_of(found.version, version) and venv.interpreter_present(found))


def present(context: Context) -> Interpreter | None:
    """The Python of the environment, or where that is gone, of its last recorded state."""
    try:
        return venv.read_interpreter(context.home.venv)
    except SysvenvError:
        return manifest.interpreter(look.glance(context).recorded)


def plan(context: Context, wanted: Wanted) -> Switched:
    """What a switch would do. Whether what is to be carried can be had is tried aside, where pip can tell."""
    if not os.path.isdir(context.home.history):
        return _outcome(wanted, requested.requests(_on_disk(context.home.venv), {}), None)
    if not wanted.carry:
        return _outcome(wanted, _asked_for(look.glance(context)), None)

    def attempt(session: Session) -> Switched:
        asked = _asked_for(session)
        _refuse_lost(asked)
        with aside.built(session, wanted.base.path) as place:
            if aside.tells(place):
                _install(place, wanted, asked, session.home.venv, ["--dry-run"])
        return _outcome(wanted, asked, None)

    return rewind.under_lock(context, " ".join(wanted.command), attempt)


def switch(context: Context, wanted: Wanted) -> Switched:
    """Switch. Raises SysvenvError naming what cannot be carried, and then nothing was changed."""

    def attempt(session: Session) -> Switched:
        asked = _asked_for(session)
        if wanted.carry:
            _refuse_lost(asked)
            state = _carried_state(session, wanted, asked)
        else:
            state = aside.fresh_state(session, wanted.base.path, wanted.base.version)
        site = session.site
        rewound = rewind.switch(session, history.PYTHON, wanted.told, state, wanted.command, dry_run=False)
        return _outcome(wanted, asked, rewound._replace(notes=(*rewound.notes, *_out_of_sight(session, site))))

    return rewind.under_lock(context, " ".join(wanted.command), attempt)


def _outcome(wanted: Wanted, asked: Sequence[Request], rewound: Rewound | None) -> Switched:
    told = tuple(request.told for request in asked)
    carried, left = (told, ()) if wanted.carry else ((), told)
    return Switched(wanted.base.version, wanted.base.path, carried, left, rewound)


def _out_of_sight(session: Session, site: bytes) -> list[str]:
    """The user's own files in site-packages of the Python that was left: they stay where they are."""
    count = sum(path.startswith(site + b"/") for path in session.index.data) if site != session.site else 0
    place = os.path.join(session.home.venv, os.fsdecode(site))
    return [f"Files of yours stay in {place}, where this Python does not look: {count}."] if count else []


def _asked_for(session: Session) -> list[Request]:
    """What a person asked for, of what is installed now."""
    try:
        found = _on_disk(session.home.venv)
    except SysvenvError:
        found = manifest.distributions(session.recorded)  # the tree is gone
    own = [distribution for distribution in found if distribution.name in dists.TOOLS]  # of others, nobody asks
    known = past.origins_of(session, session.position.manifest, session.position.operation, own)
    return requested.requests(found, known)


def _on_disk(root: str) -> list[Distribution]:
    """The distributions in a tree. Raises SysvenvError where that is no environment."""
    return [dists.read_distribution(root, place) for place in dists.find_locations(root, venv.site_packages(root))]


def _carried_state(session: Session, wanted: Wanted, asked: Sequence[Request]) -> str:
    """The state with all of ``asked`` installed, built aside and kept."""
    root = session.home.venv
    with aside.built(session, wanted.base.path) as place:
        told = _install(place, wanted, asked, root, [])
        fresh.settle(os.fsdecode(place), root, wanted.base.path)
        captured = arrive.capture_new(session, place, ())
        return arrive.with_origins(session, captured, told)


def _install(
    place: bytes, wanted: Wanted, asked: Sequence[Request], settings: str, options: list[str]
) -> dict[str, Origin]:
    """Have pip install all of ``asked`` there; where it came from. Raises SysvenvError naming what cannot be had."""
    if not asked:
        return {}
    with tempfile.TemporaryDirectory(prefix="sysvenv-") as scratch:
        told = os.path.join(scratch, "report.json")
        if aside.install(place, [*options, *_arguments(asked)], told, settings):
            raise _cannot_carry(_lost(place, asked, settings) if aside.tells(place) else [], wanted)
        return origins_of(report.read(told))


def _arguments(asked: Sequence[Request]) -> list[str]:
    return [argument for request in asked for argument in request.arguments]


def _refuse_lost(asked: Sequence[Request]) -> None:
    """Before anything is built: what is known not to be there any more."""
    lost = [request for request in asked if request.missing]
    if lost:
        told = ", ".join(f"{request.told} ({request.missing})" for request in lost)
        raise SysvenvError(f"These cannot be carried: {told}. Nothing was changed.", _without(lost))


def _lost(place: bytes, asked: Sequence[Request], settings: str) -> list[Request]:
    """Which of ``asked`` pip cannot have there, found by halves: each alone would take half a second."""
    if not asked or aside.could_install(place, _arguments(asked), settings):
        return []
    if len(asked) == 1:
        return list(asked)
    middle = len(asked) // 2
    return _lost(place, asked[:middle], settings) + _lost(place, asked[middle:], settings)


def _cannot_carry(lost: Sequence[Request], wanted: Wanted) -> SysvenvError:
    """The error for what pip refused; if that is none of what was asked for alone, it is how they fit together."""
    if not lost:
        return SysvenvError(
            f"pip cannot install what you asked for together on {wanted.told}, for the reason above. "
            "Nothing was changed.",
            f"Switch without, and install what you need then: sysvenv init --python {wanted.word}",
        )
    names = ", ".join(request.told for request in lost)
    told = f"Not to be had for {wanted.told}: {names}, for the reason above. Nothing was changed."
    return SysvenvError(told, _without(lost))


def _without(lost: Sequence[Request]) -> str:
    names = " ".join(request.name for request in lost)
    return (
        f"Leave out what you can do without: pip uninstall {names}; then run it again. sysvenv undo 2 takes both back."
    )
