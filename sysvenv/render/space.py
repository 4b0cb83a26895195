"""gc and du: what goes, what was freed, and where the bytes are."""

from __future__ import annotations

from collections.abc import Sequence

from sysvenv.operations.findings import Space
from sysvenv.operations.results import Collected
from sysvenv.render import words
from sysvenv.render.screen import Screen

_LABEL = 20
"""Columns of what is named ..."""
_SIZE = 10
"""... and of sizes."""


def collected(screen: Screen, result: Collected) -> None:
    """Write what goes or went, what that frees, and what stays."""
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")
    _history(screen, result)
    gone = _things(result)
    if gone:
        verb = "would go" if result.dry_run else "went"
        screen.paragraph(f"{words.listed(gone)} {verb}, for nothing kept needs them.")
    if result.repacked:
        verb = "would be packed" if result.dry_run else "was packed" if result.repacked == 1 else "were packed"
        archives = words.count(result.repacked, "archive of copies", "archives of copies")
        screen.paragraph(f"{archives} {verb} anew, for most of what was in them is needed no more.")
    if result.pruned or gone or result.repacked:
        lead = "Would free" if result.dry_run else "Freed"
        took = "" if result.dry_run else f" in {words.duration(result.seconds)}; it is being deleted now"
        screen.paragraph(f"{lead} {words.size(result.freed)}{took}.", style="bold")
    else:
        screen.line("Nothing to give back: all that is stored is needed.")
    if result.idle:
        text = f"About {words.size(result.idle)} more lie in archives most of which is needed."
        screen.paragraph(text, style="dim")
    if result.over:
        text = f"The store takes {words.size(result.over)} more than store.max_size; what is left is needed."
        screen.paragraph(text, style="yellow")
    if result.rescued:
        screen.paragraph("Written into a replaced tree, and kept:", style="yellow")
        for path in result.rescued:
            screen.line("  " + words.plain(path))
    if result.dry_run:
        screen.line(("Nothing was changed (--dry-run).", "dim"))


def _history(screen: Screen, result: Collected) -> None:
    reach = f"undo can take back {words.count(result.steps, 'operation')}"
    if not result.pruned:
        screen.paragraph(f"History keeps all of its {words.count(result.kept, 'operation')}; {reach}.")
        return
    verb = "would be" if result.dry_run else "was" if len(result.pruned) == 1 else "were"
    which = f"{words.count(len(result.pruned), 'operation')} ({_named(result.pruned)})"
    stay = "stays" if result.kept == 1 else "stay"
    screen.paragraph(f"{which} {verb} pruned; {words.count(result.kept, 'operation')} {stay}, {reach}.")


def _named(numbers: Sequence[int]) -> str:
    """Operations, oldest first, in a few words: one may be kept among them."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) <= 2:
        return words.listed([f"@{number}" for number in numbers])
    return f"@{first} to @{last}" if last - first == len(numbers) - 1 else f"between @{first} and @{last}"


def _things(result: Collected) -> list[str]:
    counted = (
        (result.trees, "ready tree", ""),
        (result.manifests + result.segments, "manifest or segment", "manifests and segments"),
        (result.objects, "file", ""),
        (result.copies, "archive of copies", "archives of copies"),
    )
    return [words.count(number, noun, plural) for number, noun, plural in counted if number]


def space(screen: Screen, result: Space) -> None:
    """Write a line for each place, the sum, and what deleting each snapshot would give back."""
    for note in result.notes:
        screen.paragraph(words.sentence(note), style="yellow", indent="  ", first="")
    _row(screen, "Environment", result.live, words.count(result.live_files, "file"), style="bold")
    _row(screen, "Store beyond it", result.beyond, "goes when the store goes", style="bold")
    for label, number, meaning in (
        ("  history", result.history, f"only the {words.count(result.operations, 'operation')} need it"),
        ("  snapshots", result.snapshots, "they need it, and history perhaps"),
        ("  others", result.others, "other environments need it: sysvenv envs"),
        ("  second copies", result.copies, "guard against edits in place"),
        ("  ready trees", result.trees, f"{words.count(result.tree_count, 'tree')}, for the next undo or restore"),
        ("  indexes", result.indexes, "what each file was when last looked at"),
        ("  states", result.states, "manifests and segments"),
        ("  not needed", result.unclaimed, "sysvenv gc gives it back"),
        ("  being deleted", result.trash, "in the background"),
        ("  the rest", result.rest, "directories, reserve, rescued files"),
    ):
        if number:
            _row(screen, label, number, meaning)
    if result.named:
        screen.line(("Snapshots: what deleting one, then sysvenv gc, would free", "bold"))
    for each in result.named:
        _row(screen, f"  {words.plain(each.name)}", each.freed, f"@{each.operation}")


def _row(screen: Screen, label: str, number: int, meaning: str, style: str = "") -> None:
    screen.line((label.ljust(_LABEL), style), (f"{words.size(number):>{_SIZE}}", style), (f"  {meaning}", "dim"))
