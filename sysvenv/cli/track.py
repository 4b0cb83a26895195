"""sysvenv track"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing
from sysvenv.cli.session import Session
from sysvenv.render import environments


@click.command()
@click.argument("path", metavar="[PATH]", default="")
@changing
def command(session: Session, path: str) -> int:
    """Record a project's environment too.

    PATH is the environment or its project; by default the active one, else .venv
    or venv in this directory. It gets the hook, a history and snapshots of its
    own, which lie outside of it; nothing else in it is changed.

    From then on a command speaks of it when it is active, when you stand in its
    project, or after `sysvenv -C PATH`.

    \b
    Examples:
      sysvenv track
      sysvenv track ~/shop/.venv
      sysvenv -C ~/shop history
    """
    from sysvenv.operations import tracking

    result = tracking.track(session.projects, path, session.settings.active)
    return session.show(result, environments.tracked, of=result.initialised.venv)
