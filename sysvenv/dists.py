"""The distributions installed in a tree, told from its files alone (no importlib.metadata, no running
Python).

Everything read here was written by strangers' packages or torn by a crash, so nothing in it is believed
further than it must be: a damaged distribution is still listed, with what the name of its directory tells,
and no claim ever leads out of the tree. The formats: PyPA "Recording installed projects", PEP 610
(direct_url), setuptools' egg formats.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from store.named import NamedTuple
from sysvenv.metadata import printable, read_direct_url, read_headers, read_installer, read_regular
from sysvenv.records import claims

__all__ = [
    "TOOLS",
    "Change",
    "Distribution",
    "canonical",
    "claims",
    "diff",
    "duplicates",
    "find_locations",
    "from_json",
    "leftovers",
    "name_of",
    "newest_first",
    "place",
    "read_distribution",
    "source",
    "to_json",
]


TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""What venv itself brings: there without being asked for, used without being required, left out by pip freeze."""


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
    """How one distribution differs between two states; equal versions if only its source differs."""

    name: str
    before: str | None
    """Version before ("1.0, 2.0" of duplicates); None if it was not there."""
    after: str | None
    """Version after; None if it is gone."""


_SUFFIXES = (b".dist-info", b".egg-info", b".egg", b".egg-link")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_RUN = re.compile(r"[-_.]+")
_VERSION_START = re.compile(r"-(?=v?\d)")
_EGG_PYTHON = re.compile(r"-py\d(?:\.\d+)?(?:-.+)?$")


def canonical(name: str) -> str:
    """`name` as PEP 503 compares it: packaging.utils.canonicalize_name without its 24 ms of import."""
    return _RUN.sub("-", name).lower()


def find_locations(root: str, site: bytes) -> list[bytes]:
    """Tree paths of everything in site-packages that describes a distribution, sorted. Skips `~*`.

    One scandir; no site-packages gives an empty list. Raises OSError if it cannot be read.
    """
    return sorted(
        site + b"/" + name
        for name, entry in _site_entries(root, site)
        if name.endswith(_SUFFIXES)
        and not name.startswith(b"~")
        and (not name.endswith(b".dist-info") or entry.is_dir())
    )


def newest_first(root: str, locations: Iterable[bytes]) -> list[bytes]:
    """Locations by when a file last came into them or went; what is gone meanwhile comes last."""
    return sorted(locations, key=lambda location: _changed(os.path.join(os.fsencode(root), location)), reverse=True)


def name_of(location: bytes) -> str:
    """Canonical name of a distribution as the file name of its location tells it, without a look inside."""
    return canonical(_from_file_name(location)[0])


def leftovers(root: str, site: bytes) -> list[bytes]:
    """Tree paths of what an interrupted pip left in site-packages (`~ip`, `~umpy-1.26.4.dist-info`), sorted.

    pip renames a directory to such a name beside it before it deletes it (pip._internal.utils.temp_dir).
    """
    return sorted(site + b"/" + name for name, _ in _site_entries(root, site) if name.startswith(b"~"))


def read_distribution(root: str, location: bytes) -> Distribution:
    """The distribution described at `location`. Of a damaged one, what its directory name tells."""
    path = os.path.join(os.fsencode(root), location)
    named, version = _from_file_name(location)
    if location.endswith(b".egg-link"):
        return _develop_install(path, location, named)
    info = path + b"/EGG-INFO" if location.endswith(b".egg") else path
    try:
        files = frozenset(os.listdir(info))
    except OSError:
        # distutils' .egg-info is itself the metadata file; a zipped .egg tells by its name.
        headers = read_headers(info) if location.endswith(b".egg-info") else {}
        return _described(location, headers, named, version)
    headers = read_headers(info + (b"/METADATA" if b"METADATA" in files else b"/PKG-INFO"))
    return _described(
        location,
        headers,
        named,
        version,
        installer=read_installer(info) if b"INSTALLER" in files else "",
        requested=b"REQUESTED" in files,
        direct_url=read_direct_url(info) if b"direct_url.json" in files else None,
    )


def duplicates(dists: Sequence[Distribution]) -> list[tuple[str, list[bytes]]]:
    """Names that more than one location describes, with those locations; sorted by name."""
    by_name: dict[str, list[bytes]] = {}
    for dist in dists:
        by_name.setdefault(dist.name, []).append(dist.location)
    return sorted((name, sorted(locations)) for name, locations in by_name.items() if len(locations) > 1)


def diff(old: Sequence[Distribution], new: Sequence[Distribution]) -> list[Change]:
    """What changed from `old` to `new`, sorted by name: versions, or where the same version came from."""
    before, after = _by_name(old), _by_name(new)
    return [
        Change(name, _versions(before.get(name)), _versions(after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if _identity(before.get(name)) != _identity(after.get(name))
    ]


def to_json(distribution: Distribution) -> dict[str, Any]:
    """The distribution as JSON values; fields that say nothing are left out.

    A location that is no UTF-8 stands as `location_hex`, for JSON has no bytes.
    """
    value: dict[str, Any] = {"name": distribution.name, "version": distribution.version}
    try:
        value["location"] = distribution.location.decode()
    except UnicodeDecodeError:
        value["location_hex"] = distribution.location.hex()
    if distribution.title != distribution.name:
        value["title"] = distribution.title
    if distribution.installer:
        value["installer"] = distribution.installer
    if distribution.requested:
        value["requested"] = True
    if distribution.direct_url is not None:
        value["direct_url"] = distribution.direct_url
    if distribution.requires:
        value["requires"] = list(distribution.requires)
    return value


def from_json(value: Mapping[str, Any]) -> Distribution:
    """The inverse of to_json. Raises ValueError if `value` is not what to_json makes."""
    try:
        place = value.get("location")
        direct_url = value.get("direct_url")
        requires = value.get("requires", [])
        dist = Distribution(
            name=value["name"],
            version=value["version"],
            location=bytes.fromhex(value["location_hex"]) if place is None else place.encode(),
            installer=value.get("installer", ""),
            requested=value.get("requested", False),
            direct_url=direct_url,
            requires=tuple(requires),
            title=value.get("title", value["name"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no distribution: {error!r}") from error
    texts = (dist.name, dist.version, dist.installer, dist.title, *dist.requires)
    well_typed = isinstance(direct_url, (dict, type(None))) and isinstance(requires, list)
    if not well_typed or not isinstance(dist.requested, bool) or not all(isinstance(text, str) for text in texts):
        raise ValueError("no distribution: a field has the wrong type")
    return dist


def source(distribution: Distribution, changed_by: str = "") -> str:
    """Where it came from in one word: "editable", "vcs", "url", "local", "uv", "index", "edit", or "" if
    unknown.

    `changed_by` is how the operation changed it, as far as the caller knows ("edit", "uv", ...): "edit" wins,
    for no installer wrote what is there now; else it is the last resort.
    """
    if changed_by == "edit":
        return changed_by
    if distribution.direct_url is not None:
        return _direct_source(distribution.direct_url)
    if distribution.installer == "pip":
        return "index"
    return distribution.installer or changed_by


def place(distribution: Distribution, origin: Mapping[str, Any] | None) -> str:
    """Where just that was: "pypi.org", "https://host/name.git@1a2b3c4", "/home/u/project"; "" if unknown.

    `origin` is what pip reported of it: of what came from an index, nothing else tells the host.
    """
    direct = distribution.direct_url or {}
    url = str(direct.get("url") or (origin or {}).get("url") or "")
    if url.startswith("file:"):
        from urllib.parse import unquote

        return printable(unquote(url.removeprefix("file://").removeprefix("localhost")))
    version_control = direct.get("vcs_info")
    if isinstance(version_control, dict):
        commit = str(version_control.get("commit_id", ""))
        return printable(f"{url}@{commit[:12]}" if commit else url)
    return printable(url if direct else url.partition("://")[2].partition("/")[0].rpartition("@")[2])


def _changed(path: bytes) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _site_entries(root: str, site: bytes) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    try:
        entries = os.scandir(os.path.join(os.fsencode(root), site))
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            yield entry.name, entry


def _from_file_name(location: bytes) -> tuple[str, str]:
    """Name and version as the file name of a location has them: name-1.0[-py3.11].egg-info."""
    file_name = os.path.basename(location).decode("utf-8", "replace")
    stem, _, suffix = file_name.rpartition(".")
    if suffix == "egg-link":
        return stem, ""
    if suffix in ("egg-info", "egg"):
        stem = _EGG_PYTHON.sub("", stem)
    name, *version = _VERSION_START.split(stem, maxsplit=1)
    if version:
        return name, version[0]
    name, _, rest = stem.partition("-")
    return name, rest


def _described(
    location: bytes,
    headers: Mapping[str, list[str]],
    named: str,
    version: str,
    installer: str = "",
    requested: bool = False,
    direct_url: dict[str, Any] | None = None,
) -> Distribution:
    """What METADATA says, where it makes sense, else what the file name says (`named`, `version`)."""
    title = headers.get("name", [""])[0]
    if not _NAME.fullmatch(title):
        title = printable(named)
    written = headers.get("version", [""])[0]
    return Distribution(
        name=canonical(title),
        version=written if written and written.isprintable() and len(written) < 200 else printable(version),
        location=location,
        installer=installer,
        requested=requested,
        direct_url=direct_url,
        requires=tuple(headers.get("requires-dist", ())),
        title=title,
    )


def _direct_source(direct_url: Mapping[str, Any]) -> str:
    directory = direct_url.get("dir_info")
    if isinstance(directory, dict):
        return "editable" if directory.get("editable") is True else "local"
    if "vcs_info" in direct_url:
        return "vcs"
    return "local" if str(direct_url.get("url")).startswith("file:") else "url"


def _develop_install(path: bytes, location: bytes, named: str) -> Distribution:
    """`setup.py develop`: the .egg-link holds the directory of the project, which holds its .egg-info.

    Told as the editable install it is, in the words of PEP 610, as pip does.
    """
    from sysvenv.redact import redact_json

    project = read_regular(path, 1 << 14).split(b"\n")[0].strip()
    headers: Mapping[str, list[str]] = {}
    if project.startswith(b"/") and b"\0" not in project:
        headers = _project_headers(project, canonical(named))
    url = {"url": "file://" + project.decode("utf-8", "replace"), "dir_info": {"editable": True}}
    return _described(location, headers, named, "", direct_url=redact_json(url))


def _project_headers(project: bytes, name: str) -> Mapping[str, list[str]]:
    """PKG-INFO of the .egg-info in the directory `project` whose canonical name is `name`."""
    try:
        entries = os.listdir(project)
    except OSError:
        return {}
    for entry in entries:
        if entry.endswith(b".egg-info") and canonical(entry[:-9].decode("utf-8", "replace")) == name:
            return read_headers(project + b"/" + entry + b"/PKG-INFO")
    return {}


def _by_name(dists: Sequence[Distribution]) -> dict[str, list[Distribution]]:
    grouped: dict[str, list[Distribution]] = {}
    for dist in dists:
        grouped.setdefault(dist.name, []).append(dist)
    return grouped


def _versions(dists: Sequence[Distribution] | None) -> str | None:
    return ", ".join(sorted(dist.version for dist in dists)) if dists else None


def _identity(dists: Sequence[Distribution] | None) -> list[tuple[str, str]]:
    """What makes two states of a distribution different to a person: version, and the URL it came from."""
    return sorted((dist.version, repr(sorted((dist.direct_url or {}).items()))) for dist in dists or ())
