"""sysvenv restore"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing, dry_run
from sysvenv.cli.session import Session
from sysvenv.render import moves


@click.command()
@click.argument("target", metavar="NAME|@N")
@dry_run
@changing
def command(session: Session, target: str, dry_run: bool) -> int:
    """Switch to a snapshot, or to the state an operation led to.

    Offline and exact. It is an operation of its own, so `sysvenv undo` takes it back.

    \b
    Examples:
      sysvenv restore webdev          the snapshot webdev
      sysvenv restore @4              the state recorded after operation @4
      sysvenv restore baseline        the environment as it was at first
      sysvenv restore @4 --dry-run    only show what would change
    """
    from sysvenv.operations import rewind

    return session.show(rewind.restore(session.context, target, dry_run), moves.rewound)
