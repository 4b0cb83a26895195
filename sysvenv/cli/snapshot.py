"""sysvenv snapshot"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing
from sysvenv.cli.session import Session
from sysvenv.errors import UsageError
from sysvenv.render import labels


@click.command()
@click.argument("name", required=False)
@click.option("-m", "--message", default="", metavar="TEXT", help="A note to find it again by.")
@click.option("--force", is_flag=True, help="Move the name if it is taken.")
@click.option("--delete", metavar="NAME", help="Delete this snapshot (the name; its state stays in history).")
@changing
def command(session: Session, name: str | None, message: str, force: bool, delete: str | None) -> int:
    """Give the present state a name to come back to.

    Nothing is copied. Names are letters, digits and ._- and at most 64 long.

    \b
    Examples:
      sysvenv snapshot webdev -m "flask 2, before the move"
      sysvenv restore webdev              come back to it
      sysvenv snapshot webdev --force     move the name to the present state
      sysvenv snapshot --delete webdev
    """
    if (name is None) == (delete is None):
        raise UsageError(
            "Give one name: of the snapshot to take, or to --delete.", "For example: sysvenv snapshot webdev"
        )
    from sysvenv.operations import label

    context = session.context._replace(on_note=session.warnings.append)
    if delete is not None:
        if message or force:
            raise UsageError(
                "--delete takes neither a message nor --force.", f"Run: sysvenv snapshot --delete {delete}"
            )
        return session.show(label.delete_snapshot(context, delete), labels.deleted)
    return session.show(label.snapshot(context, name or "", message, force), labels.taken)
