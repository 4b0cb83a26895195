"""init, hook and config: the things that are set up."""

from __future__ import annotations

from collections.abc import Sequence

from sysvenv.config import Key
from sysvenv.operations.results import Initialised, Switched
from sysvenv.render import moves, words
from sysvenv.render.screen import Screen

_MOST = 20
"""Of the packages named in a sentence."""
_OUTCOMES = {
    "created": "Made a new environment",
    "adopted": "Took over the environment that was there",
    "brought back": "Brought the environment back from its history",
    "kept": "All is in place already",
    "switched": "Switched to another Python",
}
_PLANNED = {
    "created": "Would make a new environment",
    "adopted": "Would take over the environment that is there",
    "brought back": "Would bring the environment back from its history",
    "kept": "All is in place already",
}


def initialised(screen: Screen, result: Initialised) -> None:
    """Write what is there now, or would be, and what to type."""
    if result.dry_run:
        _planned(screen, result)
        screen.line(("Nothing was changed (--dry-run).", "dim"))
        return
    if result.switch is not None:
        _switched(screen, result, result.switch)
        return
    screen.paragraph(f"{_OUTCOMES[result.outcome]}: {words.plain(result.venv)}")
    holds = [words.count(result.distributions, "package"), words.count(result.files, "file")]
    screen.line(f"  Python {words.plain(result.python)}, {', '.join(holds)}, in {words.duration(result.seconds)}")
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="    ", first="  ")
    if result.laid or result.outcome != "kept":
        screen.line("  Each pip install in it is recorded; what broke is taken back by: ", ("sysvenv undo", "bold"))


def _planned(screen: Screen, result: Initialised) -> None:
    switch = result.switch
    if switch is None:
        screen.paragraph(f"{_PLANNED[result.outcome]}: {words.plain(result.venv)}")
        if result.python:
            screen.line(f"  Python {words.plain(result.python)}")
        return
    screen.paragraph(f"Would switch to: {_named(switch)}", style="bold", indent="  ", first="")
    _travellers(screen, switch, "Would be installed there again", "Would stay behind")
    screen.paragraph("That would be an operation of its own, which sysvenv undo takes back.")


def _switched(screen: Screen, result: Initialised, switch: Switched) -> None:
    """What is an operation is told as one; what was carried, and what not, comes first."""
    if switch.carried or switch.left:
        _travellers(screen, switch, "Installed there again", "Stays behind")
    if switch.rewound is not None:
        moves.rewound(screen, switch.rewound)
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")


def _travellers(screen: Screen, switch: Switched, carried: str, left: str) -> None:
    for lead, names in ((carried, switch.carried), (left, switch.left)):
        if names:
            shown = [*map(words.plain, names[:_MOST]), *([f"{len(names) - _MOST} more"] if names[_MOST:] else [])]
            screen.paragraph(f"{lead}: {words.listed(shown)}", indent="  ", first="")


def _named(switch: Switched) -> str:
    return words.plain(f"Python {switch.python} ({switch.base})")


def hook_laid(screen: Screen, paths: Sequence[str]) -> None:
    """Write which files of the hook were written."""
    if not paths:
        screen.line("The hook is in place already.")
    for path in paths:
        screen.line("wrote " + words.plain(path))


def hook_removed(screen: Screen, venv: str) -> None:
    """Write that pip is plain pip again."""
    screen.paragraph(f"The hook is removed: pip of {words.plain(venv)} is no longer recorded.")
    screen.line("Lay it again: ", ("sysvenv hook", "bold"))


def settings(screen: Screen, values: Sequence[tuple[Key, str | int | bool]]) -> None:
    """Write every setting: what it is now, what it may be, and what it is for."""
    width = max(len(f"{key.name} = {value_text(value)}") for key, value in values)
    for key, value in values:
        text = f"{key.name} = {value_text(value)}"
        changed = value != key.default
        screen.line((text.ljust(width), "bold" if changed else ""), (f"  # {key.allowed}", "dim"))
        screen.paragraph(f"{key.meaning}; default {value_text(key.default)}", style="dim", indent="    ")


def value_text(value: str | int | bool) -> str:
    """A value as it is typed: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
