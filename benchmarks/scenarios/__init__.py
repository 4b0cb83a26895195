"""The scenarios: a module each, with a `run(place)`; the names and what they show, in the order they run in."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from benchmarks.workplace import Workplace

SCENARIOS = {
    "undo": "the ML stack recorded, then undo of it, of one package, of 20 upgraded; beside pip, a rebuilt venv, uv",
    "switch": "from the ML stack to the web stack and back, ready and not ready; beside uv, pip and cp -al",
    "first_import": "restore and the first import of the ML stack; beside uv and pip",
    "recording": "what sysvenv adds to pip install of one package, or of nothing; beside plain pip",
    "startup": "status, history, --help, --version, and python -c pass with the hook",
    "growth": "undo, redo, restore, recording, audit and adoption from 1 k to 200 k files",
    "histories": "undo, history and gc with 1 to 1,000 operations of history",
    "sharing": "disk of ten environments with one stack beside that of one; filled by restore, uv and pip",
    "cost": "disk and memory after adoption, 50 operations, 100 snapshots; beside full copies and cp -al farms",
}
QUICK = {"gate": "what `--quick` measures: 1 k, 9 k and 20 k synthetic files against the floor and against plain pip"}
FILESYSTEM_BOUND = ("gate", "switch", "cost")
"""What a second file system is measured with: where its links, renames and blocks matter."""


def load(name: str) -> Callable[[Workplace], None]:
    """The function that runs a scenario."""
    run: Callable[[Workplace], None] = importlib.import_module(f"benchmarks.scenarios.{name}").run
    return run
