"""sysvenv init"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing
from sysvenv.cli.session import Session
from sysvenv.render import setup


@click.command()
@click.option("--python", metavar="PATH", help="The interpreter to make it with (default: the one sysvenv runs on).")
@changing
def command(session: Session, python: str | None) -> int:
    """Make your personal environment, or take over the one that is there.

    An environment that exists is never deleted or changed: from now on it is
    recorded. Running it again repairs what is missing.

    \b
    Examples:
      sysvenv init
      sysvenv init --python /usr/bin/python3.12
    """
    from sysvenv.operations import setup as operation

    return session.show(operation.initialise(session.context, python), setup.initialised)
