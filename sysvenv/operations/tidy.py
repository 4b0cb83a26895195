"""Tidying: a light gc behind the user's back, after an operation that may have taken history over its limits."""

from __future__ import annotations

import os

from sysvenv import retention
from sysvenv.config import Config
from sysvenv.home import Home
from sysvenv.operations import background


def start(home: Home, config: Config, python: str) -> bool:
    """Begin it in a process of its own and return at once; False where the settings limit nothing.

    ``python`` is the interpreter sysvenv runs on. What that process does is told in :mod:`sysvenv.tidier`.
    """
    if not retention.limits(config).is_set:
        return False
    background.start(lambda: os.execv(python, [python, "-I", "-m", "sysvenv.tidier", home.root]))
    return True
