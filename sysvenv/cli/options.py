"""What all commands share: the options every one has, and the session it is given."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from sysvenv.cli.session import open_session

Command = Callable[..., int]


def reading(function: Command) -> Command:
    """A command that changes nothing: gets a session, has --json."""
    return _with_session(function)


def changing(function: Command) -> Command:
    """A command that takes the lock: has --no-wait too, and -y even where it asks nothing (scripts give it to all)."""
    no_wait = click.option("--no-wait", is_flag=True, help="End with exit code 5 if another operation is at work.")
    yes = click.option("-y", "--yes", is_flag=True, hidden=True)
    return no_wait(yes(_with_session(function)))


def asking(function: Command) -> Command:
    """A command that changes something and asks first, on a terminal."""
    no_wait = click.option("--no-wait", is_flag=True, help="End with exit code 5 if another operation is at work.")
    yes = click.option("-y", "--yes", is_flag=True, help="Ask nothing (also: SYSVENV_YES=1).")
    return yes(no_wait(_with_session(function)))


dry_run = click.option("--dry-run", is_flag=True, help="Show what would happen, and change nothing.")


def _with_session(function: Command) -> Command:
    @functools.wraps(function)
    def opened(*arguments: object, json: bool, no_wait: bool = False, yes: bool = False, **options: object) -> int:
        context = click.get_current_context()
        session = open_session(context.info_name or "", context.obj, json=json, wait=not no_wait, yes=yes)
        return function(session, *arguments, **options)

    return click.option("--json", is_flag=True, help="Print JSON, for programs.")(opened)
