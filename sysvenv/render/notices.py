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
    indent = margin + " " * len(_MARK)
    for sentence in _sentences(told):
        screen.paragraph(words.plain(sentence), style=_STYLE, first=((margin + _MARK, _STYLE),), indent=indent)
    if told.orphans:
        them = "it" if len(told.orphans) == 1 else "them"
        command = ["pip", "uninstall", *(shlex.quote(words.plain(name)) for name in told.orphans)]
        _command(screen, f"{margin}{_MARK}Nothing requires {them} any more: ", command, indent)


def _sentences(told: Notices) -> Iterator[str]:
    yield from map(_downgrade, told.downgrades)
    yield from map(_files, told.files)
    for shared in told.imports:
        names = shared.distributions
        yield f"{_listed(names)} are {_both(names)} imported as {shared.name}"
    if told.system:
        these = "this one" if len(told.system) == 1 else "these"
        yield f"The system has {_listed(told.system)} too: its programs that ask PATH for python3 get {these}"


def _command(screen: Screen, lead: str, command: Sequence[str], indent: str) -> None:
    """Write a command to be copied: where it does not fit into the line, it goes on as a shell takes it."""
    lines = [""]
    for word in command:
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
    text = f"{_listed(names)} {_both(names)} have {_SITE.sub('', notice.path, count=1)}"
    if notice.more:
        text += f" and {words.count(notice.more, 'more file')}"
    if notice.last:
        text += f": {'those' if notice.more else 'that'} of {notice.last} {'are' if notice.more else 'is'} there now"
    return text


def _both(names: Sequence[str]) -> str:
    return "both" if len(names) == 2 else "all"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST:
        names = [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]
    return words.listed(names)
