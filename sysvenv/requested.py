"""Requested: how pip is to be asked for what a person asked for before, at the same version."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from store.named import NamedTuple
from sysvenv import dists, locks, redact
from sysvenv.dists import Distribution
from sysvenv.origins import Origin


class Request(NamedTuple):
    """One distribution that was asked for."""

    name: str
    """As METADATA spells it."""
    version: str
    arguments: tuple[str, ...]
    """Of `pip install`: ("six==1.16.0",) or ("-e", "/home/me/mine")."""
    missing: str = ""
    """Why it cannot be had again; "" where nothing is known to be in the way."""

    @property
    def told(self) -> str:
        """ "six 1.16.0" """
        return f"{self.name} {self.version}"


def requests(distributions: Sequence[Distribution], origins: Mapping[str, Origin]) -> list[Request]:
    """What of the distributions a person asked for, by name.

    pip, setuptools and wheel come with each environment, and one made for another Python may not run there: they count
    only where ``origins`` tell that somebody asked for them; pip itself never does.
    """
    wanted = [d for d in distributions if _is_requested(d, origins)]
    return [_request(d) for d in sorted(wanted, key=lambda d: d.name)]


def _is_requested(distribution: Distribution, origins: Mapping[str, Origin]) -> bool:
    if distribution.name in dists.TOOLS:
        asked = origins.get(distribution.name, {}).get("requested") is True
        return asked and distribution.name != "pip"
    return distribution.requested or distribution.location.endswith(b".egg-link")  # setup.py develop marks nothing


def _request(distribution: Distribution) -> Request:
    name, direct = distribution.title or distribution.name, distribution.direct_url
    if direct is None:
        return Request(name, distribution.version, (f"{name}=={distribution.version}",))
    url = str(direct["url"])
    place = unquote(urlsplit(url).path) if url.startswith("file:") else ""
    missing = "its address held a secret, which is not kept" if redact.HIDDEN in url else ""
    if place and not os.path.exists(place):
        missing = f"{place} is gone"
    information = direct.get("dir_info")
    if isinstance(information, dict) and information.get("editable") is True:
        return Request(name, distribution.version, ("-e", place or url), missing)
    return Request(name, distribution.version, (_direct(name, direct),), missing)


def _direct(name: str, direct: Mapping[str, Any]) -> str:
    """Where it came from; with the digest of the archive it was, if that is known: pip compares it."""
    address, digest = locks.pinned(direct), locks.archive_digest(direct)
    joint = "&" if "#" in address else "#"
    if "vcs_info" in direct:  # in front of an address without a host, git+file:///..., pip takes no name
        return f"{address}{joint}egg={name}"
    return f"{name} @ {address}{joint}sha256={digest}" if digest else f"{name} @ {address}"
