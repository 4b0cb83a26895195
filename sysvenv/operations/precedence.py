"""Precedence on PATH: a project's environment, the user's own, the system's, and last the distribution's Python."""

from __future__ import annotations

import os

from sysvenv import venv
from sysvenv.home import Home

_ROUTED = b"Written by sysvenv's install.sh"
"""In the pip that `install.sh --system` puts into /usr/local/bin, which finds the environment that is meant."""


def problem(path_env: str, home: Home) -> str:
    """Why `pip` and `python` typed in this shell do not mean the environment's; empty when they do, or when it is a
    project's, which is activated instead."""
    if home.is_tracked:
        return ""
    venv_bin = home.venv + "/bin"
    order = venv.run_path_order(path_env, venv_bin)
    earlier = [path for path in order.shadowed_by if not home.is_system or not _comes_first_by_right(path)]
    if order.position < 0:
        return f"{venv_bin} is not on PATH."
    if earlier:
        return f"{earlier[0]} comes before the environment's on PATH."
    return ""


def remedy(home: Home) -> str:
    """What to do about it."""
    if home.is_system:
        return "Log in anew, or run ./install.sh --system again; sudo's own PATH (secure_path) need not have it."
    return f'Put {home.venv}/bin first on PATH in your shell\'s rc file: export PATH="{home.venv}/bin:$PATH"'


def _comes_first_by_right(path: str) -> bool:
    """Whether a program before the system's is of a venv, a project's or the user's, or is the routing pip."""
    return os.path.exists(os.path.dirname(os.path.dirname(path)) + "/pyvenv.cfg") or _is_routed(path)


def _is_routed(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return _ROUTED in file.read(1024)
    except OSError:
        return False
