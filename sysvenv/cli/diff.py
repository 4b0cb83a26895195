"""sysvenv diff"""

from __future__ import annotations

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import comparison


@click.command()
@click.argument("old", metavar="[N | A", required=False)
@click.argument("new", metavar="B]", required=False)
@click.option("--files", is_flag=True, help="List the files too.")
@click.option("--patch", is_flag=True, help="Show the changes of text files, line by line.")
@reading
def command(session: Session, old: str | None, new: str | None, files: bool, patch: bool) -> int:
    """Show what an operation changed, or how two states differ.

    Without arguments: the last operation. A state is @N (after operation N), the
    name of a snapshot, or live (the environment as it is, unrecorded changes
    included). A snapshot alone is compared with live.

    \b
    Examples:
      sysvenv diff                   the last operation
      sysvenv diff 4 --files         operation @4, with files
      sysvenv diff @2 @4             from one state to another
      sysvenv diff baseline          all that came since
      sysvenv diff --patch           with the lines that changed
    """
    from sysvenv.operations.compare import compare

    return session.show(compare(session.context, old, new, files or patch, patch), comparison.comparison)
