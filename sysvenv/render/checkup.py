"""doctor and verify: findings, and how far verify has come."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sysvenv.operations.findings import Checkup, Finding
from sysvenv.render import words
from sysvenv.render.screen import Screen

_STYLES = {"ok": "green", "fixed": "green", "warning": "yellow", "error": "red"}
_SEVERITY = 9
"""Columns of "warning" and a gap."""
_NAMES = 8
"""States and packages named of one finding."""
_BAR = 30
"""Columns of the bar."""
_SECONDS = 0.1
"""Between two reports of progress."""


def checkup(screen: Screen, result: Checkup) -> None:
    """Write one paragraph a finding, and a last line that sums up."""
    subjects = max((len(words.plain(finding.subject)) for finding in result.findings), default=0) + 2
    for finding in result.findings:
        _finding(screen, finding, subjects)
    screen.line(summary(result))
    checked = [words.count(result.checked_objects, "object")] if result.checked_objects else []
    checked += [words.count(result.checked_files, "file")] if result.checked_files else []
    if checked:
        screen.line((f"{' and '.join(checked)} checked in {words.duration(result.seconds)}.", "dim"))


def summary(result: Checkup) -> str:
    """ "1 error, 2 warnings, 1 put right." """
    open_ones = [finding.severity for finding in result.findings if not finding.fixed]
    errors, warnings = open_ones.count("error"), open_ones.count("warning")
    fixed = len([finding for finding in result.findings if finding.fixed])
    found = [words.count(errors, "error")] if errors else []
    found += [words.count(warnings, "warning")] if warnings else []
    found += [f"{fixed} put right"] if fixed else []
    return (", ".join(found) or "All is well") + "."


class Progress:
    """A line on a terminal that tells how far something is, and is gone afterwards. Elsewhere: nothing."""

    def __init__(self, screen: Screen, verb: str = "Checked") -> None:
        self._screen = screen
        self._verb = verb
        self._next = time.monotonic() + _SECONDS
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` is done; at most ten times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        self._shown = True
        share = done / max(total, 1)
        bar = ("#" * round(share * _BAR)).ljust(_BAR, ".")
        self._screen.overwrite(f"[{bar}] {share:4.0%}  {self._verb} {done:,} of {total:,}")

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._screen.overwrite("")


def _some(names: Sequence[str]) -> str:
    """All of a few names, of many the first."""
    shown = [words.plain(name) for name in names[:_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _finding(screen: Screen, finding: Finding, subjects: int) -> None:
    word = "fixed" if finding.fixed else finding.severity
    subject = words.plain(finding.subject).ljust(subjects)
    indent = " " * (_SEVERITY + subjects)
    screen.paragraph(
        words.sentence(finding.message),
        style="dim" if word == "ok" else "",
        indent=indent,
        first=((word.ljust(_SEVERITY), _STYLES[word]), (subject, "")),
    )
    if finding.states and not finding.fixed:
        verb = "Cannot be restored:" if finding.fences else "Concerns:"
        screen.paragraph(f"{verb} {_some(finding.states)}.", indent=indent)
    if finding.distributions and not finding.fixed:
        screen.paragraph(f"Packages: {_some(finding.distributions)}.", indent=indent)
    if finding.remedy and not finding.fixed and finding.severity != "ok":
        screen.paragraph(words.plain(finding.remedy), style="bold", indent=indent)
