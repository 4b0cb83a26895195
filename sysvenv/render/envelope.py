"""The JSON that programs get: one object on one stream, whatever happened.

    {"sysvenv": 1, "command": "undo", "environment": PATH, "ok": true, "result": {...}, "warnings": [...]}
    {"sysvenv": 1, "command": "undo", "ok": false, "error": {"message", "hint", "exit_code"}, "warnings": [...]}

A check that found damage has both a result and an error. Times are seconds since the epoch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from sysvenv.operations.findings import Checkup, Space

VERSION = 1
"""Grows when a field changes its meaning or goes; new fields may come at any time."""


def success(command: str, result: object, warnings: Sequence[str], environment: str = "") -> str:
    """The envelope of a result, one of the frozen ones or a dict of them. `environment` is the one it is about."""
    return _text({**_head(command, environment, ok=True), "result": result, "warnings": list(warnings)})


def failure(
    command: str,
    message: str,
    hint: str,
    exit_code: int,
    warnings: Sequence[str] = (),
    result: object = None,
    environment: str = "",
) -> str:
    """The envelope of an error; with the result of a check that found something."""
    value = _head(command, environment, ok=False)
    if result is not None:
        value["result"] = result
    value["error"] = {"message": message, "hint": hint, "exit_code": exit_code}
    return _text({**value, "warnings": list(warnings)})


def _head(command: str, environment: str, *, ok: bool) -> dict[str, object]:
    about = {"environment": environment} if environment else {}
    return {"sysvenv": VERSION, "command": command, **about, "ok": ok}


def _text(value: dict[str, object]) -> str:
    return json.dumps(_plain(value), indent=2)


def _plain(value: object) -> object:
    """What JSON has a word for. Named tuples become objects, sets sorted arrays."""
    if isinstance(value, Checkup):
        return {**_fields(value), "damaged": value.damaged}
    if isinstance(value, Space):
        return {**_fields(value), "beyond": value.beyond}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _fields(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (frozenset, set)):
        return [_plain(each) for each in sorted(value)]
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return os.fsdecode(value) if isinstance(value, bytes) else value


def _fields(value: tuple[object, ...]) -> dict[str, object]:
    names: tuple[str, ...] = getattr(value, "_fields", ())
    return {name: _plain(each) for name, each in zip(names, value, strict=True)}
