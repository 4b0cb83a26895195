"""sysvenv undo"""

from __future__ import annotations

import click

from sysvenv.cli import operands
from sysvenv.cli.options import changing, dry_run
from sysvenv.cli.session import Session
from sysvenv.errors import UsageError
from sysvenv.render import moves


@click.command()
@click.argument("steps", metavar="[N]", required=False)
@click.option("--to", metavar="@N", help="Go back to the state right after operation @N.")
@dry_run
@changing
def command(session: Session, steps: str | None, to: str | None, dry_run: bool) -> int:
    """Take back the last operation, or the last N.

    The environment is swapped for the one before, byte for byte, without pip and
    without a network. Changes made without pip count as an operation, the last
    one. `sysvenv redo` brings back what was undone.

    \b
    Examples:
      sysvenv undo              the last operation
      sysvenv undo 3            the last three
      sysvenv undo --to @4      everything after operation @4
      sysvenv undo --dry-run    only show what would be taken back
    """
    if steps is not None and to is not None:
        raise UsageError("A number of steps and --to exclude each other.", f"Run: sysvenv undo --to {to}")
    count = operands.steps(steps, "undo")
    target = None if to is None else operands.operation(to)
    from sysvenv.operations import rewind

    return session.show(rewind.undo(session.context, count, target, dry_run), moves.rewound)
