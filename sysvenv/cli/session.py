"""One run of one command: from the environment to the screen. Without click, as `undo` mostly runs without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from store.named import NamedTuple
from sysvenv import config as configs
from sysvenv import environ, headstart, owner
from sysvenv.config import Config
from sysvenv.environ import Settings
from sysvenv.errors import SysvenvError
from sysvenv.render import failure, words
from sysvenv.render.screen import Screen

if TYPE_CHECKING:
    from store.lock import Holder
    from sysvenv.home import Home
    from sysvenv.operations.session import Context

Result = TypeVar("Result")


class Session(NamedTuple):
    """One run of one command."""

    command: str
    settings: Settings
    config: Config
    warnings: list[str]
    """About the settings."""
    json: bool = False
    wait: bool = True
    yes: bool = False
    ahead: headstart.HeadStart = headstart.NONE

    @property
    def home(self) -> Home:
        """The home, which must be there. For what only reads records, and so has no other look at it."""
        home = self.settings.home
        if not os.path.isdir(home.history):
            raise SysvenvError(f"There is no environment at {home.root} yet.", home.remedy)
        owner.refuse_strangers(home, guests=True)
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
            ahead=self.ahead,
        )

    @property
    def projects(self) -> Context:
        """The same for what is about tracked environments: root's are in a home of root's, not in the system's, which
        everybody reads."""
        home = self.settings.home
        return self.context._replace(home=environ.own() if home.is_system else home)

    @property
    def errors(self) -> Screen:
        """stderr."""
        return Screen.on(sys.stderr, self.config.ui.color, self.settings.no_color)

    def show(
        self,
        result: Result,
        draw: Callable[[Screen, Result], None],
        error: SysvenvError | None = None,
        *,
        of: str | None = None,
    ) -> int:
        """Print the result, by `draw` or as JSON. Returns the exit code; that of `error` if a check found one.

        It is `of` an environment, the session's unless another is given, or "" for none; where there are several,
        that is said first.
        """
        code = error.exit_code if error is not None else 0
        environment = self.settings.home.venv if of is None else of
        if not self.json:
            failure.warnings(self.errors, self.warnings)
            screen = Screen.on(sys.stdout, self.config.ui.color, self.settings.no_color)
            if environment and self._is_one_of_several:
                screen.line((f"In {words.place(environment, self.settings.user_home)}:", "dim"))
            draw(screen, result)
            return code
        from sysvenv.render import envelope

        if error is None:
            text = envelope.success(self.command, result, self.warnings, environment)
        else:
            text = envelope.failure(self.command, error.message, error.hint, code, self.warnings, result, environment)
        sys.stdout.write(text + "\n")
        return code

    @property
    def _is_one_of_several(self) -> bool:
        """Whether somebody could think that this is about another environment."""
        home, active = self.settings.home, self.settings.active
        if home.is_tracked or home.is_system or os.path.isdir(home.environments):
            return True
        return bool(active) and active != home.venv

    def agreed(self, question: str) -> bool:
        """Whether somebody at a terminal says yes; True where there is nobody to ask."""
        if self.yes or self.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        import click

        return click.confirm(question, default=True, err=True)

    def consents(self, question: str) -> bool:
        """Whether somebody says yes, at a terminal or by --yes. For what is never done silently: where there is nobody
        to ask, the answer is no."""
        if self.yes:
            return True
        if self.json or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        import click

        return click.confirm(question, default=False, err=True)

    def _tell_waiting(self, holder: Holder | None, waited: float) -> None:
        import time

        try:
            failure.waiting(self.errors, holder, waited, time.time())
        except OSError:
            return  # Nobody reads stderr; that is no reason not to wait.


def open_session(
    command: str, ahead: headstart.HeadStart, *, json: bool = False, wait: bool = True, yes: bool = False
) -> Session:
    """A session with the settings of this process."""
    settings = environ.read(home=ahead.home)
    config, warnings = configs.load_if_sound(settings.home.config)
    return Session(command, settings, config, warnings, json, wait, yes or settings.yes, ahead)
