"""sysvenv list-snapshots"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import labels


@click.command()
@reading
def command(session: Session) -> int:
    """List the named states; a mark stands at the one the environment is in.

    \b
    Examples:
      sysvenv list-snapshots
      sysvenv list-snapshots --json
    """
    from sysvenv import snapshots, whereabouts

    position = whereabouts.find(session.home).position
    found, broken = snapshots.list_snapshots(session.home, position.manifest)
    session.warnings.extend(broken)
    return session.show({"snapshots": found}, lambda screen, _: labels.table(screen, found))
