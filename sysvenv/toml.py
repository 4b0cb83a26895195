"""Reading TOML: the settings file, and pylock.toml."""

from __future__ import annotations

from typing import Any

import tomli


def parse(text: str) -> dict[str, Any]:
    """The values of a TOML document. Raises ValueError for what is none."""
    try:
        return tomli.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
