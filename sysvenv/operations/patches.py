"""Patches: what changed inside a file, as a unified diff that patch(1) takes, or as a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator

from store import digest, disk
from store.named import NamedTuple
from store.pristine import is_text
from store.store import Store
from store.tree import DIRECTORY, LINK, Entry

BINARY = "Binary files differ"
MOST_LINES = 20_000
"""Above it, two texts are not compared line by line: difflib's time can grow with the square."""


class Place(NamedTuple):
    """Where the contents of one state are found."""

    store: Store
    live: bytes
    changed: frozenset[bytes]
    """Paths that are read from the live tree: no object holds what is there now."""

    def content(self, path: bytes, entry: Entry | None) -> bytes | None:
        """The bytes of a file, b"" of none; None where no intact copy is left.

        An object that was edited in place lies: it is believed only when its content is what its name says.
        """
        if entry is None or not entry.has_object:
            return b""
        try:
            source = os.path.join(self.live, path) if path in self.changed else self.store.objects.path(entry)
            content = disk.read(source)
            if digest.of_bytes(content) == entry.digest:
                return content
        except OSError:
            pass  # the copy tells
        return self.store.pristine.read(entry.digest)


def patch(path: bytes, entries: tuple[Entry | None, Entry | None], places: tuple[Place, Place]) -> str:
    """What became of ``path``, whose entries before and after are given; None for a side where it is not."""
    odd = [entry for entry in entries if entry is not None and entry.kind in (LINK, DIRECTORY)]
    if odd:
        return f"{_told(entries[0])} -> {_told(entries[1])}\n"
    before, after = (place.content(path, entry) for place, entry in zip(places, entries, strict=True))
    if before is None or after is None:
        return "The content of one side is not available: run sysvenv verify.\n"
    if before == after and None not in entries:
        return _about_the_inode(entries)
    if not is_text(before) or not is_text(after):
        return BINARY + "\n"
    name = path.decode("utf-8", "surrogateescape")
    old = "/dev/null" if entries[0] is None else f"a/{name}"
    new = "/dev/null" if entries[1] is None else f"b/{name}"
    return _mode_change(entries) + _unified(_lines(before), _lines(after), old, new)


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    if entry.kind == LINK:
        return f"link to {entry.target.decode('utf-8', 'surrogateescape')}"
    return f"directory with mode {entry.mode:04o}" if entry.kind == DIRECTORY else f"file of {entry.size} bytes"


def _about_the_inode(entries: tuple[Entry | None, Entry | None]) -> str:
    """Why two files of equal content count as different."""
    return _mode_change(entries) or "Only the time of modification differs.\n"


def _mode_change(entries: tuple[Entry | None, Entry | None]) -> str:
    old, new = entries
    if old is None or new is None or old.mode == new.mode:
        return ""
    return f"old mode {old.mode:04o}\nnew mode {new.mode:04o}\n"


def _lines(content: bytes) -> list[str]:
    """The lines with their ends; str.splitlines would also break at form feeds and the like."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _unified(old: list[str], new: list[str], old_name: str, new_name: str) -> str:
    import difflib

    if old and new and max(len(old), len(new)) > MOST_LINES:
        return f"Texts of {len(old)} and {len(new)} lines differ\n"
    return "".join(_ended(difflib.unified_diff(old, new, old_name, new_name)))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    """diff(1)'s remark for a last line without an end."""
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
