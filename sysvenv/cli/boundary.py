"""The one place where errors end: a sentence, what to type next, an exit code. Never a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from store.named import NamedTuple
from sysvenv import environ, headstart
from sysvenv.cli import plain
from sysvenv.errors import SysvenvError, UsageError

if TYPE_CHECKING:
    import click

    from sysvenv.home import Home

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class Problem(NamedTuple):
    """An error as it is shown."""

    message: str
    hint: str
    exit_code: int


def run(arguments: list[str], ahead: headstart.HeadStart = headstart.NONE) -> int:
    """Run the command line `arguments`. Returns the exit code; whatever happens, nothing is raised."""
    _tolerate_any_text()
    try:
        code = _invoke(arguments, ahead)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _give_up_stdout()
        return 1  # Whoever read it (`head`, a closed pager) had enough: no reason for a message.
    except BaseException as error:  # noqa: BLE001  the boundary
        if environ.debug():
            import traceback

            traceback.print_exception(error)
        problem = explain(error)
    try:
        _tell(problem, arguments, ahead.home)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _give_up_stdout()
    return problem.exit_code


def explain(error: BaseException) -> Problem:
    """What to say of any error."""
    from store.errors import StoreError

    if isinstance(error, (SysvenvError, StoreError)):
        return Problem(error.message, error.hint, error.exit_code)
    click = sys.modules.get("click")  # imported by whoever raised one of its errors
    if click is not None and isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, KeyboardInterrupt) or (click is not None and isinstance(error, click.Abort)):
        return Problem("Interrupted.", "Nothing is lost: run it again.", INTERRUPTED)
    if isinstance(error, OSError):
        return _of_the_system(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Problem(
        f"Something that should not happen: {text}.",
        "Nothing is lost. Please report it, with what SYSVENV_DEBUG=1 in front of the command prints.",
        1,
    )


def _invoke(arguments: list[str], ahead: headstart.HeadStart) -> int:
    command = plain.find(arguments)
    if command is not None:
        return command(ahead)
    from sysvenv.cli.group import sysvenv

    code = sysvenv.main(arguments, "sysvenv", standalone_mode=False, obj=ahead)
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> Problem:
    import click

    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "sysvenv"
    if isinstance(error, click.NoSuchOption) and error.option_name in ("--system", "-C"):
        option, command = error.option_name, path.removeprefix("sysvenv ")
        place = " PATH" if option == "-C" else ""
        return Problem(f"{option} stands before the command.", f"Run: sysvenv {option}{place} {command}", 2)
    return Problem(error.format_message(), f"Run: {path} --help", UsageError.exit_code)


def _of_the_system(error: OSError) -> Problem:
    place = error.filename2 or error.filename
    where = f": {os.fsdecode(place)}" if isinstance(place, (str, bytes)) else ""
    if error.errno == errno.ENOSPC:
        return Problem(f"The disk is full{where}.", "Free some space, then run it again; nothing is lost.", 1)
    if error.errno == errno.EDQUOT:
        return Problem(f"Your disk quota is used up{where}.", "Free some space, then run it again; nothing is lost.", 1)
    if error.errno in (errno.EACCES, errno.EPERM):
        return Problem(f"Permission denied{where}.", "Whose is it? Run: sysvenv doctor", 1)
    if error.errno == errno.EROFS:
        return Problem(f"The filesystem is read-only{where}.", "Make it writable, then run it again.", 1)
    if error.errno is None or error.strerror is None:
        return Problem(f"The system says: {error}.", "Run: sysvenv doctor", 1)
    return Problem(f"{error.strerror}{where}.", "Run: sysvenv doctor", 1)


def _tell(problem: Problem, arguments: list[str], home: Home | None) -> None:
    """On stderr; or, for a program that asked for JSON, on stdout. (It may be the options that were wrong.)"""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in options:
        from sysvenv.render import envelope

        command = next((word for word in arguments if not word.startswith("-")), "")
        about = home.venv if home is not None else ""
        sys.stdout.write(envelope.failure(command, *problem, environment=about) + "\n")
        return
    from sysvenv.render import failure
    from sysvenv.render.screen import Screen

    about = home.venv if home is not None and home.is_tracked else ""
    failure.error(Screen.on(sys.stderr, no_color=environ.no_color()), problem.message, problem.hint, about)


def _tolerate_any_text() -> None:
    """Make stdout and stderr write what they cannot encode as an escape: a message must not end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_stdout() -> None:
    """Let Python's flush at exit go nowhere (Python library reference, note on SIGPIPE)."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        return
