"""sysvenv doctor"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing
from sysvenv.cli.session import Session
from sysvenv.errors import DamageFound
from sysvenv.operations.findings import Checkup
from sysvenv.render import checkup


@click.command()
@click.option("--fix", is_flag=True, help="Put right what can be put right.")
@changing
def command(session: Session, fix: bool) -> int:
    """Check everything, and with --fix put right what can be.

    The environment and its interpreter, the pip hook, PATH, permissions, a sample
    of the store, interrupted operations, leftovers of pip. Ends with exit code 4
    if there is damage left.

    \b
    Examples:
      sysvenv doctor
      sysvenv doctor --fix
    """
    from sysvenv.operations import doctor

    found = doctor.doctor(session.context, session.settings.path, fix)
    hint = "Run: sysvenv verify" if fix else "Run: sysvenv doctor --fix"
    return session.show(found, checkup.checkup, damage(found, hint))


def damage(found: Checkup, hint: str) -> DamageFound | None:
    """The error a checkup ends in, None if all is well or was put right."""
    return DamageFound(checkup.summary(found), hint) if found.damaged else None
