"""sysvenv gc"""

from __future__ import annotations

import click

from sysvenv.cli import operands
from sysvenv.cli.options import changing, dry_run
from sysvenv.cli.session import Session
from sysvenv.render import space


@click.command()
@click.option("--max-entries", type=click.IntRange(min=1), metavar="N", help="Keep the newest N operations.")
@click.option("--max-age", metavar="AGE", help="Keep operations as old as that: 90d, 12w, 1y.")
@click.option("--max-size", metavar="SIZE", help="Prune until the store takes no more: 500MB, 5GB.")
@dry_run
@changing
def command(session: Session, max_entries: int | None, max_age: str | None, max_size: str | None, dry_run: bool) -> int:
    """Give back the disk space that nothing needs any more.

    History is pruned to the limits in the settings, or to those given here, the
    oldest operations first. What the present state, undo's next step, redo and
    snapshots need stays, whatever the limits. Pruned operations cannot be undone
    or restored any more. Without limits, only what nothing needs goes.

    \b
    Examples:
      sysvenv gc --dry-run            only show what would go
      sysvenv gc                      to the limits of the settings
      sysvenv gc --max-entries 20     keep the newest 20 operations
      sysvenv gc --max-size 2GB
    """
    from sysvenv import retention
    from sysvenv.operations import collect

    most = retention.limits(session.config)
    if max_entries is not None:
        most = most._replace(entries=max_entries)
    if max_age is not None:
        most = most._replace(age=operands.age(max_age))
    if max_size is not None:
        most = most._replace(size=operands.size(max_size))
    return session.show(collect.collect(session.context, most, dry_run), space.collected)
