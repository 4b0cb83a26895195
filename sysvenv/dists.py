"""The distributions installed in a tree, told from its files alone (no importlib.metadata, no running Python)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Distribution(NamedTuple):
    """One installed distribution."""

    name: str
    """Canonical name (PEP 503): lower case, runs of `-_.` as one `-`."""
    version: str
    """As METADATA has it; "" if nothing tells."""
    location: bytes
    """Tree path of its .dist-info, .egg-info, .egg or .egg-link."""
    installer: str = ""
    """What INSTALLER says, "pip", "uv"; "" if it is missing."""
    requested: bool = False
    """Whether REQUESTED is there: a person asked for it, it is not only a dependency."""
    direct_url: dict[str, Any] | None = None
    """direct_url.json (PEP 610) without secrets; None if it came from an index or the file is damaged."""
    requires: tuple[str, ...] = ()
    """Requires-Dist lines of METADATA, verbatim."""
    title: str = ""
    """Name as METADATA spells it."""


class Change(NamedTuple):
    """How one distribution differs between two states; both versions may be the same when only its files differ."""

    name: str
    before: str | None
    """Version before; None if it was not there."""
    after: str | None
    """Version after; None if it is gone."""


def find_locations(root: str, site: bytes) -> list[bytes]:
    """Tree paths of everything in site-packages that describes a distribution, sorted. Skips `~*`."""
    raise NotImplementedError


def read_distribution(root: str, location: bytes) -> Distribution:
    """The distribution described at `location`. A damaged one is still listed, as its directory name tells."""
    raise NotImplementedError


def claims(root: str, location: bytes) -> set[bytes]:
    """Tree paths that belong to the distribution at `location`. Never one outside the tree."""
    raise NotImplementedError


def leftovers(root: str, site: bytes) -> list[bytes]:
    """Tree paths of what an interrupted pip left in site-packages (`~ip`, `~umpy-1.26.4.dist-info`), sorted."""
    raise NotImplementedError


def duplicates(dists: Sequence[Distribution]) -> list[tuple[str, list[bytes]]]:
    """Names that more than one location describes, with those locations; sorted by name."""
    raise NotImplementedError


def diff(old: Sequence[Distribution], new: Sequence[Distribution]) -> list[Change]:
    """What changed from `old` to `new`, sorted by name."""
    raise NotImplementedError


def to_json(distribution: Distribution) -> dict[str, Any]:
    """The distribution as JSON values; fields that say nothing are left out."""
    raise NotImplementedError


def from_json(value: Mapping[str, Any]) -> Distribution:
    """The inverse of to_json. Raises ValueError if `value` is not what to_json makes."""
    raise NotImplementedError


def source(distribution: Distribution, changed_by: str = "") -> str:
    """Where it came from in one word: "editable", "vcs", "url", "local", "uv", "index", else what `changed_by` says."""
    raise NotImplementedError
