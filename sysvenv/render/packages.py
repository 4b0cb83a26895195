"""Package changes: one line each, and all in a few columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sysvenv.dists import Change
from sysvenv.history import Operation
from sysvenv.render.screen import Screen, Span
from sysvenv.render.words import plain

_STYLES = {"+": "green", "-": "red", "~": "yellow"}

_SOURCES = {"local": "file", "external": "by hand", "edit": "by hand", "init": "was there before"}
"""For those whose own words say little."""


def sign(change: Change) -> str:
    """ "+" added, "-" removed, "~" another version or source."""
    if change.before is None:
        return "+"
    return "-" if change.after is None else "~"


def lines(changes: Sequence[Change], origins: Mapping[str, str] | None = None) -> list[list[Span]]:
    """A line for each change, in uv's words; with `origins` (distribution name -> text) a column of them."""
    texts = [_text(change) for change in changes]
    width = max(map(len, texts), default=0)
    found = []
    for change, text in zip(changes, texts, strict=True):
        spans = [(f" {sign(change)} ", _STYLES[sign(change)]), (text, _STYLES[sign(change)])]
        if origins:
            spans.append((" " * (width - len(text)) + "  " + plain(origins.get(change.name, "")), "dim"))
        found.append(spans)
    return found


def origins(operation: Operation) -> dict[str, str]:
    """Distribution name -> how it came and where from: "index, pypi.org", "editable, /home/u/project", "by hand"."""
    return {name: _origin(source, operation.places.get(name, "")) for name, source in operation.sources.items()}


def _origin(source: str, place: str) -> str:
    if source == "index" and place.startswith("/"):
        source = "file"  # found by --find-links
    return ", ".join(filter(None, (_SOURCES.get(source, source), place)))


def show(screen: Screen, changes: Sequence[Change], most: int = 0, rest: str = "") -> None:
    """Write a line for each change; of more than `most` (0: any number) the first, and `rest` for how to see all."""
    shown = changes if not most or len(changes) <= most else changes[: most - 1]
    screen.lines(lines(shown))
    if len(shown) < len(changes):
        screen.line((f" {screen.ellipsis} and {len(changes) - len(shown)} more{rest}", "dim"))


def summary(changes: Sequence[Change], cut: Callable[[str], str] = str) -> list[Span]:
    """ "+six 1.17.0" of one change, "+3 -1 ~2" of several. `cut` shortens the name of one."""
    if len(changes) == 1:
        change = changes[0]
        version = change.before if change.after is None else change.after
        text = f"{sign(change)}{plain(change.name)}"
        return [(cut(f"{text} {plain(version or '')}"), _STYLES[sign(change)])]
    signs = [sign(change) for change in changes]
    spans: list[Span] = []
    for each in "+-~":
        if each in signs:
            spans += [(" ", "")] if spans else []
            spans.append((f"{each}{signs.count(each)}", _STYLES[each]))
    return spans


def _text(change: Change) -> str:
    name, before, after = plain(change.name), plain(change.before or ""), plain(change.after or "")
    if change.before is None or change.after is None:
        return f"{name}=={before or after}"
    if before == after:
        return f"{name}=={after} (from another source)"
    return f"{name} {before} -> {after}"
