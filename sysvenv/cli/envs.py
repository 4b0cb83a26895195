"""sysvenv envs"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import environments


@click.command()
@reading
def command(session: Session) -> int:
    """List all environments sysvenv looks after.

    With Python, size, the last operation, and what each alone takes: what would
    be free without it and its history.

    \b
    Examples:
      sysvenv envs
      sysvenv envs --json
    """
    from sysvenv.operations import environments as operation

    user_home = session.settings.user_home
    found = operation.environments(session.projects)
    return session.show(found, lambda screen, each: environments.table(screen, each, user_home), of="")
