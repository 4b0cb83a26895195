"""The `sysvenv` command: a click group that imports a command when it is typed."""

from __future__ import annotations

import click

from sysvenv import __version__, environ, selection
from sysvenv.cli.table import COMMANDS
from sysvenv.errors import UsageError
from sysvenv.headstart import HeadStart


class LazyGroup(click.Group):
    """A group over the table of commands."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command `name`, imported now."""
        if name not in COMMANDS:
            return None
        from importlib import import_module

        command = import_module(COMMANDS[name].module).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown name is answered with the closest one."""
        if arguments[0] not in COMMANDS and not context.resilient_parsing:
            raise _unknown(arguments[0])
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, a section a heading, without importing any command."""
        sections = dict.fromkeys(entry.section for entry in COMMANDS.values() if entry.section)
        width = max(len(name) for name, entry in COMMANDS.items() if entry.section)
        for section in sections:
            with formatter.section(section):
                formatter.write_dl(
                    [(name.ljust(width), entry.summary) for name, entry in COMMANDS.items() if entry.section == section]
                )


def _unknown(name: str) -> UsageError:
    import difflib

    shown = [known for known, entry in COMMANDS.items() if entry.section]
    close = difflib.get_close_matches(name, shown, n=1, cutoff=0.5) or [known for known in shown if name in known]
    if close:
        return UsageError(f"There is no command {name!r}.", f"Did you mean: sysvenv {close[0]}")
    return UsageError(f"There is no command {name!r}.", "Run: sysvenv --help")


@click.command(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="sysvenv COMMAND --help explains a command. pip runs as always: pip install NAME",
)
@click.option("-C", "path", metavar="PATH", help="Speak of that tracked environment, or of that project's.")
@click.version_option(__version__, "-V", "--version", message="sysvenv %(version)s")
@click.pass_context
def sysvenv(context: click.Context, path: str | None) -> None:
    """Undo for pip install.

    Every pip install into your personal environment is recorded; undo, redo and
    restore swap whole trees, offline and byte for byte.

    \b
    Example:
      pip install -U numpy     # something breaks
      sysvenv undo             # all is as it was before
    """
    if path is not None:
        context.obj = HeadStart(selection.select(environ.everything(), path))
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
