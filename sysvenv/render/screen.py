"""Where text for people goes: a stream, and what it can show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

Span = tuple[str, str]
"""Text and its style: "" or some of "bold dim red green yellow cyan", separated by blanks."""

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_NARROWEST, _WIDEST, _WIDTH = 40, 120, 80


class Screen:
    """A stream, whether it takes colour and more than ASCII, and how wide it is."""

    def __init__(
        self, stream: TextIO | None, *, color: bool, width: int = _WIDTH, unicode: bool = True, terminal: bool = False
    ) -> None:
        self._stream = stream
        self.terminal = terminal
        self.color = color
        self.width = width
        self.ellipsis = "…" if unicode else "..."
        self.here = "●" if unicode else "*"
        """Marks the state the environment is in."""
        self.undone = "○" if unicode else "o"
        """Marks what was taken back."""

    @classmethod
    def on(cls, stream: TextIO | None, color: str = "auto", no_color: bool = False) -> Screen:
        """A screen for `stream` (None if that is closed). `color` is the setting ui.color.

        A setting wins over NO_COLOR, as https://no-color.org has it; "auto" colours terminals only.
        """
        terminal = stream is not None and stream.isatty()
        colored = color == "always" or (color == "auto" and terminal and not no_color)
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        return cls(
            stream,
            color=colored,
            width=_width(stream, terminal),
            unicode=encoding.startswith("utf"),
            terminal=terminal,
        )

    def line(self, *spans: Span | str) -> None:
        """Write one line of pieces, each plain text or a text with its style."""
        if self._stream is not None:
            self._stream.write("".join(self._painted(span) for span in spans).rstrip(" ") + "\n")

    def lines(self, lines: Sequence[Sequence[Span]]) -> None:
        """Write lines that were put together elsewhere."""
        for spans in lines:
            self.line(*spans)

    def paragraph(
        self, text: str, *, style: str = "", indent: str = "", first: str | tuple[Span, ...] | None = None
    ) -> None:
        """Write `text` broken at blanks to the width, `indent` before each line but the first, `first` before that."""
        if first is None:
            first = indent
        lead: tuple[Span, ...] = ((first, ""),) if isinstance(first, str) else first
        for line in _wrapped(text, self.width - length(lead), self.width - len(indent)):
            self.line(*lead, (line, style))
            lead = ((indent, ""),)

    def overwrite(self, text: str) -> None:
        """On a terminal: write `text` over the line the cursor is in, "" to leave it empty."""
        if self._stream is not None and self.terminal:
            self._stream.write("\r" + text.ljust(self.width - 1) + ("" if text else "\r"))
            self._stream.flush()

    def flush(self) -> None:
        """Pass on what was written. Raises OSError where it cannot go anywhere."""
        if self._stream is not None:
            self._stream.flush()

    def cut(self, text: str, width: int) -> str:
        """`text`, if it is longer than `width` shortened at its end, with an ellipsis."""
        if len(text) <= width:
            return text
        return text[: max(0, width - len(self.ellipsis))].rstrip() + self.ellipsis

    def _painted(self, span: Span | str) -> str:
        text, style = (span, "") if isinstance(span, str) else span
        if not (self.color and style and text):
            return text
        return f"\x1b[{';'.join(_CODES[word] for word in style.split())}m{text}\x1b[0m"


def length(spans: Sequence[Span]) -> int:
    """How many columns the pieces take."""
    return sum(len(text) for text, _ in spans)


def _width(stream: TextIO | None, terminal: bool) -> int:
    if stream is None or not terminal:
        return _WIDTH
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return _WIDTH
    return min(max(columns, _NARROWEST), _WIDEST) if columns else _WIDTH


def _wrapped(text: str, first: int, width: int) -> list[str]:
    """`text` in lines of `width`, the first of `first`. Words are never broken: a path must be there to be copied."""
    lines: list[str] = []
    for word in text.split():
        room = first if len(lines) == 1 else width
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
