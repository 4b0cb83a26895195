"""sysvenv export"""

from __future__ import annotations

import sys

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import travel


@click.command()
@click.argument("target", metavar="NAME|@N")
@click.option(
    "--format",
    "form",
    type=click.Choice(["requirements", "pylock", "freeze", "json"]),
    default="requirements",
    help="What to write (default: requirements, with digests).",
)
@click.option("-o", "--output", metavar="FILE", help="Write it there instead of printing it.")
@reading
def command(session: Session, target: str, form: str, output: str | None) -> int:
    """List what a snapshot holds, for pip, uv and other tools.

    Digests and addresses are those pip told when it installed. What it did not
    tell is left out of a lock, and said in a comment and on stderr.

    \b
    Examples:
      sysvenv export webdev -o requirements.txt
      sysvenv export webdev --format pylock -o pylock.toml    PEP 751
      sysvenv export @4 --format freeze                       as pip freeze
      sysvenv export webdev --format json                     all that is known
    """
    from sysvenv.operations import export

    found = export.export(session.context, target, form, output)
    if session.json:
        return session.show(found, travel.exported)
    if not output:
        sys.stdout.write(found.text)
        sys.stdout.flush()
    travel.exported(session.errors, found)
    return 0
