"""Elsewhere: where on this machine, and in the end online, contents that the store lost may still be had."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from store.named import NamedTuple
from sysvenv import manifest, owner, salvage, venv
from sysvenv.errors import SysvenvError
from sysvenv.operations.session import Session
from sysvenv.salvage import Origin, Places, Wanted
from sysvenv.venv import Interpreter


def _nobody(names: list[str]) -> bool:
    return False


class Elsewhere(NamedTuple):
    """What the edge knows of this machine and its user."""

    pip_cache: str = ""
    uv_cache: str = ""
    user_base: str = ""
    """Where `pip install --user` puts things."""
    environ: Mapping[str, str] = {}
    """For pip, should it download."""
    agree: Callable[[list[str]], bool] = _nobody
    """Asks whether these distributions ("demo 1.0") may be downloaded."""


def search(session: Session, elsewhere: Elsewhere, wanted: list[Wanted]) -> dict[str, bytes]:
    """Digest -> content, of what is found. Only what no place on this machine has is asked for, then downloaded.

    What somebody else may have written is not looked at: digests find accidents, not attackers.
    """
    if not wanted:
        return {}
    python = _interpreter(session)
    origins = _origins(session)
    sites = _trusted(_sites(python, elsewhere.user_base) if python else [])
    wheels = [_path(origin["url"]) for origin in origins.values() if str(origin.get("url")).startswith("file:")]
    pip_cache, uv_cache = (cache if _trusted([cache]) else "" for cache in (elsewhere.pip_cache, elsewhere.uv_cache))
    places = Places(sites, pip_cache, uv_cache, _trusted(wheels))
    found = salvage.find(wanted, places)
    left = [each for each in wanted if each.entry.digest not in found]
    names = sorted({name for each in left for name in each.distributions if origins.get(name, {}).get("sha256")})
    if names and elsewhere.agree(names):
        known = [Origin(name, str(origins[name]["sha256"])) for name in names]
        runner = session.home.venv + "/bin/python"
        found.update(salvage.downloaded(left, runner, known, dict(elsewhere.environ)))
    return found


def _trusted(paths: list[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if owner.is_trusted(path))


def _interpreter(session: Session) -> Interpreter | None:
    try:
        return venv.read_interpreter(session.home.venv)
    except SysvenvError:
        pass  # the record knows
    try:
        return manifest.interpreter(session.recorded)
    except SysvenvError:
        return None


def _origins(session: Session) -> dict[str, dict[str, object]]:
    """ "demo 1.0" -> what pip reported of its wheel."""
    found: dict[str, dict[str, object]] = {}
    for operation in session.history.all()[0]:
        versions = {change.name: change.after for change in operation.packages}
        for name, origin in operation.origins.items():
            found[f"{name} {versions.get(name)}"] = origin
    return found


def _sites(python: Interpreter, user_base: str) -> list[str]:
    """Where the base Python and the user have packages; Debian calls its own dist-packages."""
    minor = f"python{python.minor}"
    prefixes = dict.fromkeys([os.path.dirname(os.path.dirname(python.base)), "/usr/local", "/usr", user_base])
    found = [
        f"{prefix}/lib/{library}/{name}"
        for prefix in prefixes
        if prefix
        for library in (minor, "python3")
        for name in ("site-packages", "dist-packages")
    ]
    return [place for place in found if os.path.isdir(place)]


def _path(url: object) -> str:
    return unquote(urlsplit(str(url)).path)
