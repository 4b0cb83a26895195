"""sysvenv share"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import travel
from sysvenv.render.checkup import Progress


@click.command()
@click.argument("target", metavar="NAME|@N")
@click.option("-o", "--output", metavar="FILE", help="The file to write (default: NAME.sysvenv, here).")
@reading
def command(session: Session, target: str, output: str | None) -> int:
    """Put a snapshot into one file, from which another machine can have it.

    The file holds all that the environment needs but the Python itself. It names
    no user and no path of this machine. The same state gives the same bytes.

    \b
    Examples:
      sysvenv share webdev                  writes webdev.sysvenv
      sysvenv share @4 -o /mnt/four.sysvenv

    There: sysvenv import webdev.sysvenv, then sysvenv restore webdev
    """
    from sysvenv.operations import share

    progress = Progress(session.errors, "Packed")
    try:
        found = share.share(session.context, target, output, progress)
    finally:
        progress.clear()
    return session.show(found, travel.shared)
