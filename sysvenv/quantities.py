"""Quantities as people write them: an age ("90d", "12w"), a size ("5GB", "500 MiB"). 0 is none."""

from __future__ import annotations

import re

_DAY = 86400
_AGES = {"": _DAY, "h": 3600, "d": _DAY, "w": 7 * _DAY, "y": 365 * _DAY}
_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _SIZES[_letter] = _SIZES[_letter + "b"] = 1000**_power
    _SIZES[_letter + "ib"] = 1024**_power
_WRITTEN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([a-zA-Z]*)")


def age(written: int | str) -> float:
    """Seconds; a bare number counts days. Raises ValueError."""
    return _read(written, _AGES)


def size(written: int | str) -> int:
    """Bytes. Raises ValueError."""
    return int(_read(written, _SIZES))


def _read(written: int | str, units: dict[str, int]) -> float:
    found = _WRITTEN.fullmatch(str(written).strip())
    if found is None or found[2].lower() not in units:
        raise ValueError(f"{written!r} is no such quantity")
    return float(found[1]) * units[found[2].lower()]
