"""sysvenv clean"""

from __future__ import annotations

import sys

import click

from sysvenv.cli.options import asking, dry_run
from sysvenv.cli.session import Session
from sysvenv.render import moves


@click.command()
@click.option("--keep-baseline", is_flag=True, help="Go back to the snapshot baseline instead of a fresh environment.")
@dry_run
@asking
def command(session: Session, keep_baseline: bool, dry_run: bool) -> int:
    """Start over: a fresh environment with nothing but pip, or the baseline.

    It is an operation like others: `sysvenv undo` brings everything back.

    \b
    Examples:
      sysvenv clean                    a fresh environment
      sysvenv clean --keep-baseline    as it was when it was made or taken over
      sysvenv clean --yes              do not ask
    """
    goal = "the baseline" if keep_baseline else "a fresh one"
    if not dry_run and not session.agreed(f"Replace the environment by {goal}? (sysvenv undo brings it back)"):
        sys.stderr.write("Nothing was changed.\n")
        return 1
    from sysvenv.operations import rewind

    return session.show(rewind.clean(session.context, keep_baseline, dry_run), moves.rewound)
