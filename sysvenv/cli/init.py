"""sysvenv init"""

from __future__ import annotations

import sys

import click

from sysvenv import environ
from sysvenv.cli.options import asking, dry_run
from sysvenv.cli.session import Session
from sysvenv.errors import UsageError
from sysvenv.render import setup


@click.command()
@click.option("--python", metavar="PYTHON", help="A version, a command or a path (default: the one sysvenv runs on).")
@click.option("--carry", is_flag=True, help="When switching: install there again what you asked for, same versions.")
@dry_run
@asking
def command(session: Session, python: str | None, carry: bool, dry_run: bool) -> int:
    """Make your personal environment, or take over the one that is there.

    An environment that exists is never deleted: from now on it is recorded.
    Running it again repairs what is missing. With another --python, it switches
    to that one; that is an operation like others, and undo brings all back.

    \b
    Examples:
      sysvenv init
      sysvenv init --python 3.12            made with, or switched to, Python 3.12
      sysvenv init --python 3.12 --carry    your packages come along
      sysvenv init --python 3.12 --carry --dry-run
    """
    from sysvenv import interpreters
    from sysvenv.operations import setup as operation
    from sysvenv.operations.switch_python import Wanted

    if carry and python is None:
        raise UsageError("--carry takes packages to another Python: which?", "sysvenv init --python 3.N --carry")
    wanted = Wanted(python, interpreters.find(python, environ.pythons()), carry) if python is not None else None
    if wanted and not dry_run and operation.foresee(session.context, wanted) == "switched":
        goal = f"{wanted.told}, {'your packages installed there again' if carry else 'with nothing installed'}"
        if not session.agreed(f"Switch to {goal}? (sysvenv undo brings it back)"):
            sys.stderr.write("Nothing was changed.\n")
            return 1
    return session.show(operation.initialise(session.context, wanted, dry_run), setup.initialised)
