"""diff: what differs between two states."""

from __future__ import annotations

from sysvenv.operations.findings import Comparison, FileChange
from sysvenv.render import notices, packages, words
from sysvenv.render.screen import Screen

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "modified": ("~", "yellow")}


def comparison(screen: Screen, result: Comparison) -> None:
    """Write packages first, then files and their patches as far as the result holds them."""
    screen.line((_headline(screen, result), "bold"))
    if result.operation is not None:
        screen.lines(packages.lines(result.packages, packages.origins(result.operation)))
        notices.show(screen, result.operation)
    else:
        screen.lines(packages.lines(result.packages))
    if not result.packages and not any(result.counts):
        screen.line("No difference.")
        return
    screen.line((_counts(result), "dim"))
    for change in result.files:
        _file(screen, change)


def _headline(screen: Screen, result: Comparison) -> str:
    operation = result.operation
    if operation is None:
        return f"{words.plain(result.old)} -> {words.plain(result.new)}"
    return screen.cut(f"@{operation.number} {words.title(operation)}", screen.width)


def _counts(result: Comparison) -> str:
    text = words.files(result.counts)
    return f"{text} (--files lists them)" if any(result.counts) and not result.files else text


def _file(screen: Screen, change: FileChange) -> None:
    sign, style = _SIGNS[change.change]
    screen.line((f" {sign} {words.plain(change.path)}", style))
    if not change.patch:
        return
    for line in words.printable_lines(change.patch.removesuffix("\n")):
        screen.line((line, _patch_style(line)))


def _patch_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
