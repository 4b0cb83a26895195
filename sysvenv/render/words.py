"""Numbers, times, commands and strangers' strings in words."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sysvenv import history
from sysvenv.history import Operation
from sysvenv.operations.results import FileCounts

WITHOUT_PIP = "changes made without pip"


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 file", "33,863 files"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """ "0.09 s", "12.3 s", "2 min 5 s"."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"


def ago(moment: float, now: float) -> str:
    """How long before `now` that was, both seconds since the epoch: "3 minutes ago"."""
    import humanize

    return "just now" if now - moment < 1 else humanize.naturaltime(now - moment)


def size(number: int) -> str:
    """ "872.0 MB"."""
    import humanize

    return humanize.naturalsize(number)


def files(counts: FileCounts | tuple[int, int, int]) -> str:
    """ "30 files added, 1 removed"; "no files" of none."""
    named = zip(counts, ("added", "removed", "modified"), strict=True)
    parts = [(number, verb) for number, verb in named if number]
    if not parts:
        return "no files"
    (number, verb), *rest = parts
    return ", ".join([f"{count(number, 'file')} {verb}", *(f"{more:,} {other}" for more, other in rest)])


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def sentence(text: str) -> str:
    """`text` ended by a full stop. (Commands, which must be copied as they are, come after a colon.)"""
    text = plain(text).strip()
    return text if text.endswith((".", "!", "?", ":")) else text + "."


def plain(text: str) -> str:
    """`text` with each character that cannot be shown as an escape.

    Names of files and of distributions are strangers' strings; a terminal must not obey them.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def place(path: str, user_home: str) -> str:
    """A path as people write it, with ~ for their home directory."""
    if user_home and path.startswith(user_home.rstrip("/") + "/"):
        path = "~" + path[len(user_home.rstrip("/")) :]
    return plain(path)


def printable_lines(text: str) -> list[str]:
    """The lines of a text file, tabs kept, all else that cannot be shown escaped."""
    return ["\t".join(plain(part) for part in line.split("\t")) for line in text.split("\n")]


def title(operation: Operation) -> str:
    """An operation in a line: its command as typed, or what it was."""
    return step_title(operation.kind, operation.command)


def step_title(kind: str, arguments: Sequence[str]) -> str:
    """The same of a kind of operation and its command."""
    if kind == history.EXTERNAL:
        return WITHOUT_PIP
    return command(arguments) or kind


def command(arguments: Sequence[str]) -> str:
    """A command line as people type it: `pip install six`, whatever Python and script stand before it."""
    import shlex

    return plain(" ".join(shlex.quote(word) for word in _without_python(list(arguments))))


def _without_python(arguments: list[str]) -> list[str]:
    """`arguments` (of sys.orig_argv) from the module or the script on that Python runs."""
    if not arguments:
        return []
    name = os.path.basename(arguments[0])
    if not name.startswith(("python", "pypy")):
        return [name, *arguments[1:]]
    position = 1
    while position < len(arguments) and arguments[position].startswith("-"):
        option = arguments[position]
        if option.startswith("--"):
            position += 1
            continue
        if option in ("-X", "-W"):
            position += 2
            continue
        flags, runs_module, module = option[1:].partition("m")
        if runs_module and not flags.startswith(("X", "W")):  # -m pip, -Im pip, -mpip
            return [module, *arguments[position + 1 :]] if module else arguments[position + 1 :]
        if "c" in flags:
            return [name, *arguments[1:]]
        position += 1
    if position >= len(arguments):
        return [name, *arguments[1:]]
    return [os.path.basename(arguments[position]), *arguments[position + 1 :]]
