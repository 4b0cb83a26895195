"""Where the process starts: `python -I -m sysvenv`, and the console script an installer makes."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sysvenv.home import Home


def main() -> int:
    """Run the command line of this process. Returns its exit code."""
    if os.name == "nt":
        sys.stderr.write(
            "sysvenv: Windows is not supported: sysvenv needs hardlinks, symlinks and an atomic exchange of "
            "directories. It runs in WSL.\n"
        )
        return 1
    from sysvenv import headstart, selection
    from sysvenv.errors import UsageError

    arguments, home = sys.argv[1:], None
    try:
        named, arguments = selection.split(arguments)
        home = selection.select(os.environ, named)
    except UsageError:
        arguments = sys.argv[1:]  # no home can be told, and the command says so, if it needs one
    if home is not None and os.geteuid() == 0:
        _step_down(home)
    ahead = headstart.for_command(arguments, home)
    from sysvenv.cli.boundary import run

    return run(arguments, ahead)


def _step_down(home: Home) -> None:
    """Root works in somebody else's home as that somebody."""
    from sysvenv import owner

    if owner.of_other(home.root) is not None:
        from sysvenv import rights

        rights.step_down(home)


def console() -> int:
    """`main` in an isolated interpreter.

    `store` is a name others use too: in the current directory or on PYTHONPATH it would shadow ours. Nothing
    but this package's `__init__` has been imported up to here, so starting again costs 10 ms.
    """
    if os.name != "nt" and not sys.flags.isolated and sys.executable:
        os.execv(sys.executable, [sys.executable, "-I", "-c", _START, *sys.argv[1:]])
    return main()


# What runs as `python -I -m sysvenv`, without the modules that -m costs: they take longer than looking at 1,000 files.
_START = "from sysvenv.__main__ import start; start()"


def start() -> None:
    """`console`, for a process that does nothing else: it ends at once when the work is done.

    The collector would run a hundred times over an audit's results, and taking the interpreter down costs as much
    again as starting it; neither is of use to a process this short.
    """
    gc.disable()
    os._exit(console())


if __name__ == "__main__":
    start()
