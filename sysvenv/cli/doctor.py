"""sysvenv doctor"""

from __future__ import annotations

import click

from sysvenv import environ
from sysvenv.cli.options import asking
from sysvenv.cli.session import Session
from sysvenv.errors import DamageFound
from sysvenv.operations.findings import Checkup
from sysvenv.render import checkup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sysvenv.operations.elsewhere import Elsewhere


@click.command()
@click.option("--fix", is_flag=True, help="Put right what can be put right.")
@asking
def command(session: Session, fix: bool) -> int:
    """Check everything, and with --fix put right what can be.

    The environment and its interpreter, the pip hook, PATH, permissions, the
    store, interrupted operations, leftovers of pip. --fix reads all of the store,
    and takes what is damaged from any intact copy: the store's own, the trees,
    other Pythons here, pip's and uv's caches; last, if you agree, from the index.
    Ends with exit code 4 if there is damage left.

    \b
    Examples:
      sysvenv doctor
      sysvenv doctor --fix
    """
    from sysvenv.operations import doctor

    progress = checkup.Progress(session.errors)
    places = _places(session, progress) if fix else None
    try:
        found = doctor.doctor(session.context, session.settings.path, fix, places, progress)
    finally:
        progress.clear()
    hint = "Run: sysvenv verify" if fix else "Run: sysvenv doctor --fix"
    return session.show(found, checkup.checkup, damage(found, hint))


def _places(session: Session, progress: checkup.Progress) -> Elsewhere:
    from sysvenv.operations.elsewhere import Elsewhere

    def agree(names: list[str]) -> bool:
        progress.clear()
        return session.consents(f"Download {', '.join(names)} again, to take lost files from it?")

    caches = environ.caches()
    return Elsewhere(caches.pip, caches.uv, caches.user_base, environ.everything(), agree)


def damage(found: Checkup, hint: str) -> DamageFound | None:
    """The error a checkup ends in, None if all is well or was put right."""
    return DamageFound(checkup.summary(found), hint) if found.damaged else None
