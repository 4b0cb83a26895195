"""sysvenv history"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import timeline


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="Show the newest N only.")
@click.option("--detailed", is_flag=True, help="Show where each package came from, notices, files, times.")
@reading
def command(session: Session, limit: int | None, detailed: bool) -> int:
    """List the operations, newest first.

    A filled mark stands at the operation the environment is at; dimmed ones with
    an empty mark were undone, or lie on a branch that was left.

    \b
    Examples:
      sysvenv history
      sysvenv history --limit 5 --detailed
      sysvenv history --json
    """
    from sysvenv.operations.listing import listing

    found = listing(session.home, limit)
    return session.show(found, lambda screen, result: timeline.listing(screen, result, detailed=detailed))
