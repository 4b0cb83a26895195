"""sysvenv redo"""

from __future__ import annotations

import click

from sysvenv.cli import operands
from sysvenv.cli.options import changing, dry_run
from sysvenv.cli.session import Session
from sysvenv.render import moves


@click.command()
@click.argument("steps", metavar="[N]", required=False)
@dry_run
@changing
def command(session: Session, steps: str | None, dry_run: bool) -> int:
    """Bring back what undo took back: one operation, or N.

    \b
    Examples:
      sysvenv redo              the operation undone last
      sysvenv redo 3            three of them
      sysvenv redo --dry-run    only show what would come back
    """
    count = operands.steps(steps, "redo")
    from sysvenv.operations import rewind

    return session.show(rewind.redo(session.context, count, dry_run), moves.rewound)
