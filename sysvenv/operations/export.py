"""Export: what a state holds, for other tools."""

from __future__ import annotations

import os
import re

from store.named import NamedTuple
from sysvenv import locks
from sysvenv.errors import SysvenvError
from sysvenv.operations.past import known
from sysvenv.operations.session import Context

_PYLOCK = re.compile(r"pylock\.([^.]+\.)?toml")


class Exported(NamedTuple):
    """The outcome of export."""

    target: str
    format: str
    text: str
    distributions: int
    """How many are in it."""
    unknown: tuple[str, ...]
    """ "six 1.16.0: why it is not in it" """
    file: str = ""
    """Absolute path of what was written; "" where it is only returned."""
    notes: tuple[str, ...] = ()


def export(context: Context, target: str, form: str, file: str | None = None) -> Exported:
    """The state of a snapshot or of ``@N`` in one of locks.FORMATS; written to ``file``, if there is to be one."""
    state = known(context, target)
    described = locks.State(
        target, state.interpreter.version, state.interpreter.implementation, state.distributions, state.origins
    )
    lock = locks.export(described, form)
    path = os.path.abspath(file) if file is not None else ""
    if path:
        try:
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(lock.text)
        except OSError as error:
            raise SysvenvError(f"{path} cannot be written: {error.strerror}", "Choose another: -o FILE") from None
    notes = [*state.session.notes]
    if path and form == "pylock" and not _PYLOCK.fullmatch(os.path.basename(path)):
        notes.append("uv takes a lock only if it is called pylock.toml or pylock.NAME.toml (PEP 751).")
    return Exported(target, form, lock.text, lock.listed, lock.unknown, path, tuple(notes))
