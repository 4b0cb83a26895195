"""What all commands share: the options every one has, and from the environment to the screen."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from sysvenv import config as configs
from sysvenv import environ
from sysvenv.config import Config
from sysvenv.environ import Settings
from sysvenv.errors import SysvenvError
from sysvenv.render import failure
from sysvenv.render.screen import Screen

if TYPE_CHECKING:
    from store.lock import Holder
    from sysvenv.home import Home
    from sysvenv.operations.session import Context

Result = TypeVar("Result")
Command = Callable[..., int]


class Session(NamedTuple):
    """One run of one command."""

    command: str
    settings: Settings
    config: Config
    warnings: list[str]
    """About the settings."""
    json: bool
    wait: bool
    yes: bool

    @property
    def home(self) -> Home:
        """The home, which must be there. For what needs no lock and so has no other look at it."""
        home = self.settings.home
        if not os.path.isdir(home.history):
            raise SysvenvError(f"There is no environment at {home.root} yet.", "Run: sysvenv init")
        return home

    @property
    def context(self) -> Context:
        """What the operations are given."""
        from sysvenv.operations.session import Context

        return Context(
            self.settings.home,
            self.config,
            self.settings.tool_python,
            wait=self.wait,
            on_wait=self._tell_waiting,
        )

    @property
    def errors(self) -> Screen:
        """stderr."""
        return Screen.on(sys.stderr, self.config.ui.color, self.settings.no_color)

    def show(self, result: Result, draw: Callable[[Screen, Result], None], error: SysvenvError | None = None) -> int:
        """Print the result, by `draw` or as JSON. Returns the exit code; that of `error` if a check found one."""
        code = error.exit_code if error is not None else 0
        if not self.json:
            failure.warnings(self.errors, self.warnings)
            draw(Screen.on(sys.stdout, self.config.ui.color, self.settings.no_color), result)
            return code
        from sysvenv.render import envelope

        if error is None:
            text = envelope.success(self.command, result, self.warnings)
        else:
            text = envelope.failure(self.command, error.message, error.hint, code, self.warnings, result)
        click.echo(text)
        return code

    def agreed(self, question: str) -> bool:
        """Whether somebody at a terminal says yes; True where there is nobody to ask."""
        if self.yes or self.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        return click.confirm(question, default=True, err=True)

    def _tell_waiting(self, holder: Holder | None) -> None:
        import time

        try:
            failure.waiting(self.errors, holder, time.time())
        except OSError:
            return  # Nobody reads stderr; that is no reason not to wait.


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
        settings = environ.read()
        config, warnings = configs.load(settings.home.config)
        name = click.get_current_context().info_name or ""
        session = Session(name, settings, config, warnings, json, not no_wait, yes or settings.yes)
        return function(session, *arguments, **options)

    return click.option("--json", is_flag=True, help="Print JSON, for programs.")(opened)
