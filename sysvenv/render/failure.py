"""Errors and warnings: what happened in one sentence, then what to type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sysvenv.render import words
from sysvenv.render.screen import Screen

if TYPE_CHECKING:
    from store.lock import Holder


def error(screen: Screen, message: str, hint: str, environment: str = "") -> None:
    """Write an error and what to do about it (may be ""), and of which environment, if that is not the user's own."""
    screen.paragraph(words.sentence(message), style="red", first="sysvenv: ", indent="  ")
    if environment:
        screen.line((f"  In {words.plain(environment)}.", "dim"))
    if hint:
        text = words.plain(hint)
        screen.paragraph(text[:1].upper() + text[1:], indent="  ")


def warnings(screen: Screen, texts: Sequence[str]) -> None:
    """Write something that did not stop us."""
    for text in texts:
        screen.paragraph(words.sentence(text), style="yellow", first="sysvenv: ", indent="  ")


def waiting(screen: Screen, holder: Holder | None, waited: float, now: float) -> None:
    """Write for whom we wait, and for how long already. `now` as time.time() has it."""
    text = "Still waiting" if waited >= 1 else "Waiting"
    so_far = f", for {words.duration(waited)} already" if waited >= 1 else ""
    if holder is None:
        text += " for another sysvenv or pip"
    else:
        command = screen.cut(words.plain(holder.command), 60)
        text += f" for process {holder.pid} ({command})"
        if holder.since:
            text += f", at work for {words.duration(max(0.0, now - holder.since))}"
    screen.paragraph(
        f"{text}{so_far}. Ctrl-C gives up, --no-wait does not wait.", style="dim", first="sysvenv: ", indent="  "
    )
