"""Salvage: contents that the store lost, looked for elsewhere on this machine and, if that is wanted, online.

Nothing is believed for its place: each content found is compared with the digest it is wanted by.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator

from store import digest, objects
from store.named import NamedTuple
from store.tree import Entry
from sysvenv import dists, records
from sysvenv.metadata import read_regular

_ZIP = b"PK\x03\x04"


class Wanted(NamedTuple):
    """A content that is looked for."""

    entry: Entry
    path: bytes
    """Where it belongs in the environment."""
    distributions: tuple[str, ...]
    """Whose it is: "demo 1.0"."""


class Places(NamedTuple):
    """Where to look."""

    site_packages: tuple[str, ...] = ()
    """Those of other Pythons and environments."""
    pip_cache: str = ""
    uv_cache: str = ""
    wheels: tuple[str, ...] = ()
    """Wheel files that something was installed from."""


class Origin(NamedTuple):
    """A wheel as an index knows it."""

    distribution: str
    """ "demo 1.0"."""
    sha256: str


def find(wanted: Iterable[Wanted], places: Places) -> dict[str, bytes]:
    """Digest -> content, of those that are found."""
    open_ones = list(wanted)
    found: dict[str, bytes] = {}
    steps = (
        lambda: _beside(open_ones, places.site_packages),
        lambda: _unpacked(open_ones, places.uv_cache),
        lambda: in_wheels(open_ones, (*places.wheels, *_cached_wheels(places.pip_cache))),
    )
    for step in steps:
        if open_ones:
            found.update(step())
            open_ones = [each for each in open_ones if each.entry.digest not in found]
    return found


def in_wheels(wanted: Iterable[Wanted], wheels: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Contents that are members of wheels. A member is unpacked when its name and size fit."""
    sizes: dict[tuple[str, int], set[str]] = {}
    for each in wanted:
        key = (os.path.basename(os.fsdecode(each.path)), each.entry.size)
        sizes.setdefault(key, set()).add(each.entry.digest)
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.infolist():
                    digests = sizes.get((member.filename.rpartition("/")[2], member.file_size), set())
                    content = archive.read(member) if digests else b""
                    if digest.of_bytes(content) in digests:
                        yield digest.of_bytes(content), content
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError):
            continue  # no wheel, or a damaged one


def download(python: str, origins: Iterable[Origin], environ: dict[str, str], into: str) -> list[str]:
    """Let pip fetch wheels, each only if it has the recorded SHA-256; returns the paths of those it got."""
    for number, origin in enumerate(origins):
        name, _, version = origin.distribution.partition(" ")
        listed = os.path.join(into, f"{number}.txt")
        with open(listed, "w", encoding="utf-8") as file:
            file.write(f"{name}=={version} --hash=sha256:{origin.sha256}\n")
        command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", into]
        subprocess.run(
            [*command, "--requirement", listed],
            env={**environ, "SYSVENV": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    return sorted(os.path.join(into, name) for name in os.listdir(into) if name.endswith(".whl"))


def downloaded(
    wanted: list[Wanted], python: str, origins: Iterable[Origin], environ: dict[str, str]
) -> dict[str, bytes]:
    """Digest -> content, of what is found in wheels that are fetched for it."""
    with tempfile.TemporaryDirectory(prefix="sysvenv-") as place:
        return dict(in_wheels(wanted, download(python, origins, environ, place)))


def _beside(wanted: list[Wanted], sites: Iterable[str]) -> dict[str, bytes]:
    """Files of the same distribution in other site-packages, where its RECORD there says the same of them as we do."""
    found: dict[str, bytes] = {}
    for site in sites:
        root, name = os.path.split(site)
        for distribution, place in _installed(root, os.fsencode(name)):
            theirs = [each for each in wanted if distribution in each.distributions]
            stated = _stated(root, place) if theirs else {}
            for each in theirs:
                path = os.path.join(os.fsencode(name), _in_site(each.path))
                content = objects.holding(each.entry, [os.path.join(os.fsencode(root), path)])
                if content is not None and stated.get(path) == digest.sha256(content):
                    found[each.entry.digest] = content
    return found


def _installed(root: str, site: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        places = dists.find_locations(root, site)
    except OSError:
        return
    for place in places:
        found = dists.read_distribution(root, place)
        yield f"{found.name} {found.version}", place


def _stated(root: str, place: bytes) -> dict[bytes, str]:
    record = read_regular(os.path.join(os.fsencode(root), place, b"RECORD"))
    return records.sha256_in(record, os.path.dirname(place), root)


def _unpacked(wanted: list[Wanted], cache: str) -> dict[str, bytes]:
    """uv keeps wheels unpacked: ``archive-v0/<id>/<path in site-packages>``."""
    found: dict[str, bytes] = {}
    kept = os.path.join(cache, "archive-v0")
    for name in _listed(kept) if cache else ():
        below = os.fsencode(os.path.join(kept, name))
        for each in wanted:
            content = objects.holding(each.entry, [os.path.join(below, _in_site(each.path))])
            if content is not None:
                found[each.entry.digest] = content
    return found


def _cached_wheels(cache: str) -> Iterator[str]:
    """pip keeps what it downloaded as ``http-v2/.../<hash>.body``, and what it built as ``wheels/.../*.whl``."""
    for directory, _, names in os.walk(cache) if cache else ():
        for name in sorted(names):
            path = os.path.join(directory, name)
            if name.endswith(".whl") or (name.endswith(".body") and read_regular(os.fsencode(path), 4) == _ZIP):
                yield path


def _in_site(path: bytes) -> bytes:
    """A path of the environment as it is within site-packages; others as they are."""
    return path.rpartition(b"/site-packages/")[2]


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
