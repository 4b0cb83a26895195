"""sysvenv status"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import overview


@click.command()
@click.option("--check", is_flag=True, help="Look at every file, not only at the times of directories.")
@reading
def command(session: Session, check: bool) -> int:
    """Show the environment at a glance.

    Where it is, its Python and pip, packages, operations, snapshots, whether PATH
    finds it first, the disk space of the store, and whether anything was changed
    without pip.

    \b
    Examples:
      sysvenv status
      sysvenv status --check     find every change made without pip
      sysvenv status --json
    """
    from sysvenv.operations import status

    return session.show(status.status(session.context, session.settings.path, check), overview.status)
