"""sysvenv verify"""

from __future__ import annotations

import click

from sysvenv.cli.doctor import damage
from sysvenv.cli.options import changing
from sysvenv.cli.session import Session
from sysvenv.render import checkup


@click.command()
@click.option("--quick", is_flag=True, help="Ask for sizes and times only; read no contents.")
@changing
def command(session: Session, quick: bool) -> int:
    """Read every file again and compare it with its digest.

    History, snapshots, what the store holds, and the environment itself. This
    finds what times and sizes do not show, and files that were altered before
    sysvenv first saw them. Each finding names the states and packages it hurts.
    It changes nothing; it ends with exit code 4 if there is damage.

    \b
    Examples:
      sysvenv verify
      sysvenv verify --quick
      sysvenv verify --json
    """
    from sysvenv.operations import verify

    progress = checkup.Progress(session.errors)
    try:
        found = verify.verify(session.context, progress, quick=quick)
    finally:
        progress.clear()
    return session.show(found, checkup.checkup, damage(found, "Run: sysvenv doctor --fix"))
