"""Which commands there are. `--help` prints this table and imports none of them."""

from __future__ import annotations

from store.named import NamedTuple


class Entry(NamedTuple):
    """One command."""

    module: str
    """Holds the command as `command`."""
    summary: str
    """Its line in `sysvenv --help`."""
    section: str
    """Where in it; "" for one that is not shown."""


_DAILY, _STATES, _CARE = "Every day", "States to switch between", "Setting up and looking after"
_TRAVEL = "From machine to machine"
_PROJECTS = "Environments of projects"

COMMANDS = {
    "undo": Entry("sysvenv.cli.undo", "Take back the last operation, or the last N.", _DAILY),
    "redo": Entry("sysvenv.cli.redo", "Bring back what undo took back.", _DAILY),
    "history": Entry("sysvenv.cli.history", "List the operations, newest first.", _DAILY),
    "diff": Entry("sysvenv.cli.diff", "Show what an operation changed, or how two states differ.", _DAILY),
    "status": Entry("sysvenv.cli.status", "Show the environment at a glance.", _DAILY),
    "snapshot": Entry("sysvenv.cli.snapshot", "Give the present state a name.", _STATES),
    "list-snapshots": Entry("sysvenv.cli.list_snapshots", "List the named states.", _STATES),
    "restore": Entry("sysvenv.cli.restore", "Switch to a snapshot or to the state after an operation.", _STATES),
    "clean": Entry("sysvenv.cli.clean", "Start over with an empty environment.", _STATES),
    "share": Entry("sysvenv.cli.share", "Put a snapshot into one file for another machine.", _TRAVEL),
    "import": Entry("sysvenv.cli.import_", "Take in what share wrote, or a list of packages.", _TRAVEL),
    "export": Entry("sysvenv.cli.export", "List what a snapshot holds, for pip, uv and others.", _TRAVEL),
    "track": Entry("sysvenv.cli.track", "Record a project's environment too.", _PROJECTS),
    "untrack": Entry("sysvenv.cli.untrack", "Leave a plain environment.", _PROJECTS),
    "envs": Entry("sysvenv.cli.envs", "List all environments sysvenv looks after.", _PROJECTS),
    "init": Entry("sysvenv.cli.init", "Make the environment, or take over the one there is.", _CARE),
    "doctor": Entry("sysvenv.cli.doctor", "Check everything, and put right what can be.", _CARE),
    "verify": Entry("sysvenv.cli.verify", "Read every file again and compare it with its digest.", _CARE),
    "du": Entry("sysvenv.cli.du", "Show where the disk space is.", _CARE),
    "gc": Entry("sysvenv.cli.gc", "Give back the disk space nothing needs any more.", _CARE),
    "config": Entry("sysvenv.cli.config", "Show or change settings.", _CARE),
    "hook": Entry("sysvenv.cli.hook", "Lay or remove the files that make pip call sysvenv.", ""),
}
