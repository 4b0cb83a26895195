"""sysvenv du"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import space


@click.command()
@reading
def command(session: Session) -> int:
    """Show where the disk space is.

    The environment, what the store takes beyond it and for what, and for each
    snapshot what deleting it would give back.

    \b
    Examples:
      sysvenv du
      sysvenv du --json
    """
    from sysvenv.operations.space import measure

    return session.show(measure(session.context), space.space)
