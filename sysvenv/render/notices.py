"""Notices: a line for each thing that an operation did besides what it was asked for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from sysvenv import notices
from sysvenv.history import Operation
from sysvenv.notices import Downgrade, Notices, SharedFiles
from sysvenv.render import words
from sysvenv.render.screen import Screen

_MARK = " ! "
_STYLE = "yellow"
_MOST = 6
"""Names told one by one."""
_SITE = re.compile(r"lib/[^/]+/site-packages/")


def show(screen: Screen, operation: Operation, margin: str = "") -> None:
    """Write the notices of an operation, nothing where it has none."""
    told = notices.from_json(operation.notices)
    mark, indent = margin + _MARK, margin + " " * len(_MARK)

    def say(sentence: str) -> None:
        screen.paragraph(words.plain(sentence), style=_STYLE, first=((mark, _STYLE),), indent=indent)

    for sentence in _sentences(told):
        say(sentence)
    for lost in told.lost:
        them = "them" if lost.more else "it"
        say(f"{_more(lost.path, lost.more)} went with {lost.removed}, and {lost.name} has lost {them}:")
        _command(screen, indent, "pip install --force-reinstall --no-deps", [lost.name], indent)
    if told.orphans:
        them = "them" if len(told.orphans) > 1 else "it"
        _command(screen, f"{mark}Nothing requires {them} any more: ", "pip uninstall", told.orphans, indent)


def _sentences(told: Notices) -> Iterator[str]:
    yield from map(_downgrade, told.downgrades)
    yield from map(_files, told.files)
    for shared in told.imports:
        names = shared.distributions
        yield f"{_listed(names)} are {_both(names)} imported as {shared.name}"
    if told.system:
        these = "this one" if len(told.system) == 1 else "these"
        yield f"The system has {_listed(told.system)} too: its programs run by env python3 get {these}"


def _command(screen: Screen, lead: str, command: str, names: Sequence[str], indent: str) -> None:
    """Write a command to be copied: where it does not fit into the line, it goes on as a shell takes it."""
    lines = [""]
    for word in [*command.split(), *(shlex.quote(words.plain(name)) for name in names)]:
        room = screen.width - len(" \\") - len(lead if len(lines) == 1 else indent)
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    for number, line in enumerate(lines, 1):
        end = " \\" if number < len(lines) else ""
        screen.line((lead if number == 1 else indent, _STYLE), (line + end, "bold"))


def _downgrade(notice: Downgrade) -> str:
    text = f"{notice.name} went back from {notice.before} to {notice.after}"
    return f"{text}: {notice.required_by} requires {notice.name}{notice.specifier}" if notice.required_by else text


def _files(notice: SharedFiles) -> str:
    names = notice.distributions
    text = f"{_listed(names)} {_both(names)} have {_more(notice.path, notice.more)}"
    if notice.last:
        text += f": {'those' if notice.more else 'that'} of {notice.last} {'are' if notice.more else 'is'} there now"
    return text


def _more(path: str, more: int) -> str:
    """A path, as short as it is imported, and how many more there are."""
    shown = _SITE.sub("", path, count=1)
    return f"{shown} and {words.count(more, 'more file')}" if more else shown


def _both(names: Sequence[str]) -> str:
    return "both" if len(names) == 2 else "all"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST:
        names = [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]
    return words.listed(names)
