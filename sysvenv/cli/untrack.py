"""sysvenv untrack"""

from __future__ import annotations

import sys

import click

from sysvenv.cli.options import asking
from sysvenv.cli.session import Session
from sysvenv.render import environments


@click.command()
@click.argument("path", metavar="[PATH]", default="")
@click.option("--purge", is_flag=True, help="Delete its history too.")
@asking
def command(session: Session, path: str, purge: bool) -> int:
    """Leave a plain environment: pip there is plain pip again.

    PATH is as for track, or a name `sysvenv envs` shows. The history is kept, and
    `sysvenv track` goes on with it; --purge deletes it, and gc gives back what
    only it needed.

    \b
    Examples:
      sysvenv untrack
      sysvenv untrack ~/shop/.venv
      sysvenv untrack --purge shop
    """
    from sysvenv.operations import tracking

    if purge and not session.agreed("Delete its history? It cannot be brought back."):
        sys.stderr.write("Nothing was changed.\n")
        return 1
    result = tracking.untrack(session.projects, path, session.settings.active, purge)
    return session.show(result, environments.untracked, of=result.venv)
