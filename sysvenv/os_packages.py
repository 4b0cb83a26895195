"""The Python packages that the operating system brings for its own programs, told from file names alone."""

from __future__ import annotations

import os

from sysvenv import dists
from sysvenv.venv import Interpreter

PREFIX = "/usr"
"""Where systems keep the Python that is theirs: /usr/local, Homebrew and pyenv are somebody else's."""


def names(python: Interpreter) -> frozenset[str]:
    """Canonical names of the distributions the system has for `python`; none where that is not the system's own.

    Only then does the environment stand in for what the system's programs were made for: one that begins with
    `#!/usr/bin/env python3` gets the environment's Python, which comes first on PATH, and its versions. (A project's
    does so only while it is active.)
    """
    base = os.path.realpath(python.base)
    if os.path.dirname(base) != PREFIX + "/bin":
        return frozenset()
    library = python.site.split("/")[1]
    found = set()
    for directory in ("lib/python3/dist-packages", f"lib/{library}/site-packages", f"lib64/{library}/site-packages"):
        try:
            locations = dists.find_locations(PREFIX, directory.encode())
        except OSError:
            continue  # closed to us, so to programs we run
        found |= {dists.name_of(location) for location in locations}
    return frozenset(found)
