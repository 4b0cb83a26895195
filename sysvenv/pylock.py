"""Reading pylock.toml (PEP 751): what it wants installed, as requirements with digests and a page of links for pip.

pip installs from a page of links as from an index: it takes the file that fits this machine, compares its digest, and
does not note the page down as the place a person asked for.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from store.named import NamedTuple
from sysvenv import toml
from sysvenv.errors import SysvenvError

_HINT = "Make the lock anew: uv export --format pylock.toml, pip lock, or sysvenv export"


class Wanted(NamedTuple):
    """What a lock asks for."""

    requirements: str
    """A requirements file."""
    links: str
    """A page of HTML with a link to each file."""
    requires_python: str
    """A version specifier, or ""."""


def read(text: str, path: str) -> Wanted:
    """What the lock at ``path`` asks for. Raises SysvenvError for what is no lock, or one pip cannot check."""
    try:
        value = toml.parse(text)
        if not str(value["lock-version"]).startswith("1."):
            raise SysvenvError(f"{path} is a lock of version {value['lock-version']}; only 1 is known.", _HINT)
        lines: list[str] = []
        links: list[str] = []
        for package in value.get("packages", []):
            lines.append(_requirement(package, path))
            links += _links(package, os.path.dirname(os.path.abspath(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SysvenvError(f"{path} is no pylock.toml: {error!r}.", _HINT) from None
    page = "<!DOCTYPE html>\n<title>Files of a lock</title>\n" + "".join(f"{link}\n" for link in links)
    return Wanted("".join(f"{line}\n" for line in lines), page, str(value.get("requires-python", "")))


def _requirement(package: Mapping[str, Any], path: str) -> str:
    name = _word(package["name"])
    for kind in ("vcs", "directory"):
        if kind in package:
            raise SysvenvError(f"{path} wants {name} from a {kind}, which has no digest.", "Install that one by hand.")
    archive = package.get("archive")
    files = [archive] if archive is not None else _files(package)
    hashes = sorted({_word(each["hashes"]["sha256"]) for each in files})
    if not hashes:
        raise SysvenvError(f"{path} names no file for {name}.", _HINT)
    if archive is not None:
        what = f"{name} @ {_url(archive, os.path.dirname(os.path.abspath(path)))}"
    else:
        what = f"{name}=={_word(package['version'])}"
    marker = f" ; {_line(package['marker'])}" if "marker" in package else ""
    return what + marker + "".join(f" --hash=sha256:{each}" for each in hashes)


def _files(package: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sdist = package.get("sdist")
    return [*package.get("wheels", []), *([sdist] if sdist is not None else [])]


def _links(package: Mapping[str, Any], base: str) -> Iterator[str]:
    for each in _files(package):
        if "url" in each or "path" in each:
            url = _url(each, base)
            name = str(each.get("name") or unquote(urlsplit(url).path.rpartition("/")[2]))
            target = html.escape(f"{url}#sha256={_word(each['hashes']['sha256'])}")
            yield f'<a href="{target}">{html.escape(name)}</a>'


def _url(file: Mapping[str, Any], base: str) -> str:
    if "url" in file:
        return _word(file["url"])
    return "file://" + quote(os.path.join(base, str(file["path"])))


def _word(value: object) -> str:
    """A value that is one word of a requirements file. Raises ValueError."""
    if not isinstance(value, str) or not value or not value.isprintable() or value.startswith("-") or " " in value:
        raise ValueError(f"it holds {value!r}")
    return value


def _line(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or "--" in value or "#" in value:
        raise ValueError(f"it holds {value!r}")
    return value
