"""track, untrack and envs: the environments sysvenv looks after."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sysvenv.operations.findings import Environment
from sysvenv.operations.results import Tracked, Untracked
from sysvenv.render import setup, words
from sysvenv.render.screen import Screen


def tracked(screen: Screen, result: Tracked) -> None:
    """Write what is looked after now, and how to speak of it."""
    if result.moved_from:
        screen.paragraph(f"It was moved here from {words.plain(result.moved_from)}; its history goes on.")
    setup.initialised(screen, result.initialised)
    screen.paragraph(f"Its history lies in {words.plain(result.home)}.", style="dim", indent="  ")


def untracked(screen: Screen, result: Untracked) -> None:
    """Write what is left."""
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")
    if result.was_there:
        screen.paragraph(f"{words.plain(result.venv)} is a plain environment again.")
    else:
        screen.paragraph(f"{words.plain(result.venv)} is no longer looked after; it is not there.")
    if result.purged:
        screen.line("Its history is deleted; what only it needed is given back by: ", ("sysvenv gc", "bold"))
    elif result.was_there:
        screen.line("Its history is kept; go on with it: ", (f"sysvenv track {words.plain(result.venv)}", "bold"))
    else:
        screen.line("Its history is kept; delete it: ", (f"sysvenv untrack --purge {_name(result.home)}", "bold"))


def table(screen: Screen, result: Sequence[Environment], user_home: str, now: float | None = None) -> None:
    """Write two lines for each: where it is and what it takes, then what is in it. `now` as time.time() has it."""
    if not result:
        screen.line("None yet. Make your own: ", ("sysvenv init", "bold"))
        return
    now = time.time() if now is None else now
    places = [words.place(each.venv, user_home) for each in result]
    width = min(max(map(len, places)), max(20, screen.width - 40))
    for each, place in zip(result, places, strict=True):
        mark = screen.here if each.current else " "
        sizes = ""
        if each.size is not None and each.alone is not None:
            sizes = f"  {words.size(each.size):>9}, alone {words.size(each.alone)}"
        style = "bold" if each.state in ("own", "tracked", "system") else "yellow"
        screen.line((f"{mark} ", "green"), (place.ljust(width), style), (sizes, "dim"))
        holds = _holds(each, now) + (", for everybody" if each.state == "system" else "")
        screen.paragraph(holds, style="dim", indent="    ")
        if each.trouble:
            screen.paragraph(words.sentence(each.trouble), style="yellow", indent="    ")
        if each.state in ("gone", "untracked"):
            screen.line("    ", (_left(each), "yellow"))


def _holds(each: Environment, now: float) -> str:
    facts = [f"Python {words.plain(each.python)}" + ("" if each.python_present else " (which is gone)")]
    facts.append(words.count(each.distributions, "package"))
    if each.last is not None:
        facts.append(f"@{each.last.number} {words.title(each.last)}, {words.ago(each.last.started, now)}")
    return ", ".join(facts) if each.python else "Nothing is known of it."


def _left(each: Environment) -> str:
    if each.state == "untracked":
        return f"not tracked any more; delete its history: sysvenv untrack --purge {words.plain(each.name)}"
    if not each.name:
        return "gone; bring it back: sysvenv undo"
    return f"moved or deleted; sysvenv track NEW_PLACE, or: sysvenv untrack --purge {words.plain(each.name)}"


def _name(home: str) -> str:
    return words.plain(home.rsplit("/", 1)[-1])
