"""share, import and export: stacks that travel."""

from __future__ import annotations

from collections.abc import Sequence

from sysvenv.operations.bring import Brought
from sysvenv.operations.export import Exported
from sysvenv.operations.share import Shared
from sysvenv.render import words
from sysvenv.render.screen import Screen

_MOST = 8


def shared(screen: Screen, result: Shared) -> None:
    """Write what is in the file, what is not, and how another machine has it."""
    screen.paragraph(f"Wrote {words.plain(result.file)}: {words.size(result.size)}.")
    holds = [words.count(result.distributions, "package"), words.count(result.files, "file")]
    screen.line(f"  Python {words.plain(result.python)}, {', '.join(holds)}, {words.size(result.contents)} unpacked")
    screen.line((f"  sha256 {result.sha256}", "dim"))
    _named(screen, "Their code is not in it, only the way to it:", result.elsewhere)
    _named(screen, "Built from a checkout, and in it as built:", result.from_vcs)
    _notes(screen, result.notes)
    screen.line("There: ", (f"sysvenv import {words.plain(result.file.rpartition('/')[2])}", "bold"))


def brought(screen: Screen, result: Brought) -> None:
    """Write what was, or would be, taken in, and how to switch to it."""
    verb = "Would import" if result.dry_run else "Imported"
    screen.paragraph(f"{verb} {words.plain(result.file)} as the snapshot {result.name}.", style="bold")
    holds = [f"Python {words.plain(result.python)}"]
    holds += [words.count(result.distributions, "package")] if result.distributions else []
    holds += [words.count(result.files, "file")] if result.files else []
    holds += [words.size(result.size)] if result.size else []
    screen.line(f"  {', '.join(holds)}, in {words.duration(result.seconds)}")
    if result.sha256:
        screen.line((f"  sha256 {result.sha256}", "dim"))
    _named(screen, "Their code did not come along:", result.elsewhere)
    _named(screen, "Built from a checkout:", result.from_vcs)
    _notes(screen, result.notes)
    if result.dry_run:
        told = "It fits and every digest agrees" if result.kind == "bundle" else "pip was not asked whether it can"
        screen.line((f"{told}. Nothing was changed (--dry-run).", "dim"))
    else:
        screen.line("Switch to it: ", (f"sysvenv restore {result.name}", "bold"))


def exported(screen: Screen, result: Exported) -> None:
    """Write what is not in the list; of one in a file, where it is."""
    if result.file:
        screen.paragraph(f"Wrote {words.plain(result.file)}: {words.count(result.distributions, 'package')}.")
    if result.unknown:
        screen.paragraph(f"Not in this lock, as not all is known ({len(result.unknown)}):", style="yellow")
        for each in result.unknown[:_MOST]:
            screen.paragraph(words.plain(each), first="  ", indent="    ")
        if len(result.unknown) > _MOST:
            screen.line((f"  {screen.ellipsis} and {len(result.unknown) - _MOST} more; comments in it name all", "dim"))
    _notes(screen, result.notes)


def _named(screen: Screen, what: str, names: Sequence[str]) -> None:
    if names:
        shown = [words.plain(name) for name in names[:_MOST]]
        more = [f"{len(names) - _MOST} more"] if len(names) > _MOST else []
        screen.paragraph(f"{what} {words.listed([*shown, *more])}.", style="yellow", indent="  ")


def _notes(screen: Screen, notes: Sequence[str]) -> None:
    for note in notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ")
