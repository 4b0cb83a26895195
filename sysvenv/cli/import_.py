"""sysvenv import"""

from __future__ import annotations

import click

from sysvenv.cli.options import changing, dry_run
from sysvenv.cli.session import Session
from sysvenv.errors import UsageError
from sysvenv.render import travel
from sysvenv.render.checkup import Progress


@click.command()
@click.argument("file")
@click.option("--as", "name", metavar="NAME", help="The snapshot's name (default: the file's).")
@click.option("--python", metavar="PATH", help="The Python it is to run on (default: the environment's).")
@click.option("--find-links", metavar="PLACE", multiple=True, help="Where pip finds what a list names, as in pip.")
@dry_run
@changing
def command(
    session: Session, file: str, name: str | None, python: str | None, find_links: tuple[str, ...], dry_run: bool
) -> int:
    """Take in what sysvenv share wrote on another machine, as a snapshot.

    Offline. It is told first whether it fits this machine, and all of it is
    verified before any of it is written. The environment stays as it is until
    you restore the snapshot. A file holds programs: import what you would install.

    A pylock.toml or a requirements file is taken too: pip installs what it lists,
    aside, from the network or from --find-links.

    \b
    Examples:
      sysvenv import webdev.sysvenv
      sysvenv import webdev.sysvenv --as theirs
      sysvenv import webdev.sysvenv --dry-run       verify it, change nothing
      sysvenv import pylock.toml --as locked
      sysvenv import requirements.txt --as small --find-links ./wheels
    """
    from sysvenv.operations import bring, from_lock

    if not bring.is_bundle(file):
        outcome = from_lock.install_aside(session.context, file, name, python, find_links, dry_run)
        return session.show(outcome, travel.brought)
    if find_links:
        raise UsageError("A bundle holds all it needs: --find-links is for lists.", f"Run: sysvenv import {file}")
    progress = Progress(session.errors, "Read")
    try:
        found = bring.bring(session.context, file, name, python, dry_run, progress)
    finally:
        progress.clear()
    return session.show(found, travel.brought)
