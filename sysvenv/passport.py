"""A passport: what travels with a bundle's tree, so that another machine can tell whether it fits, and make it its own.

It says nothing of who made it or where: no user name, no path, no host. What a stranger wrote in one is only compared
and shown, or names files of the tree it came with.
"""

from __future__ import annotations

import re
from typing import Any

from store.named import NamedTuple

PYTHON = re.compile(r"bin/(?:python|pypy|graalpy)[0-9.]*t?")
"""Where an environment has its interpreter: these paths are made anew on each machine."""
PLACE = b"/@sysvenv@/venv"
"""What stands in the files of a bundle for the path of the environment. No shell needs to quote it."""
_LONGEST = 300
"""Characters of a word of a passport: compressed tags of a wheel have some 60."""


class Item(NamedTuple):
    """One distribution of the state."""

    name: str
    version: str
    tags: tuple[str, ...] = ()
    """Of its WHEEL; empty where it was not installed from one."""
    source: str = ""
    """One of "editable", "vcs", "url", "local", "index", "uv" or "" (sysvenv.dists.source)."""


class Passport(NamedTuple):
    """What a bundle says of itself."""

    implementation: str
    """ "cpython" """
    version: str
    """ "3.11.7" """
    abi: str
    """SOABI, or ""."""
    platform: str
    """ "linux-x86_64" """
    site: str
    """site-packages within the tree."""
    libc: str
    """ "glibc", "musl", or "" where there is only one."""
    libc_version: str
    """ "2.36", or ""."""
    items: tuple[Item, ...]
    pythons: tuple[str, ...]
    """Paths at which links to the base interpreter stood."""
    rewritten: tuple[str, ...]
    """Files that name PLACE."""
    origins: dict[str, dict[str, Any]]
    """Distribution name -> url and sha256 of the file it was installed from, as far as pip told."""

    @property
    def minor(self) -> str:
        """ "3.11" """
        return ".".join(self.version.split(".")[:2])


def to_json(passport: Passport) -> dict[str, Any]:
    """What a bundle's manifest keeps as ``about``."""
    return {**passport._asdict(), "items": [item._asdict() for item in passport.items]}


def from_json(value: dict[str, Any]) -> Passport:
    """The inverse. Raises ValueError, KeyError or TypeError for what to_json cannot have made."""
    pythons = _words(value["pythons"])
    if not all(PYTHON.fullmatch(path) for path in pythons) or len(set(pythons)) < len(pythons):
        raise ValueError("its passport names interpreters in odd places")
    return Passport(
        **{key: _word(value[key]) for key in _WORDS},
        items=tuple(
            Item(_word(item["name"]), _word(item["version"]), _words(item["tags"]), _word(item["source"]))
            for item in value["items"]
        ),
        pythons=pythons,
        rewritten=_words(value["rewritten"], 4096),
        origins={_word(name): _origin(each) for name, each in value["origins"].items()},
    )


_WORDS = ("implementation", "version", "abi", "platform", "site", "libc", "libc_version")


def _word(value: object, longest: int = _LONGEST) -> str:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ValueError(f"its passport holds {str(value)[:60]!r}")
    return value


def _words(value: object, longest: int = _LONGEST) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("its passport makes no sense")
    return tuple(_word(each, longest) for each in value)


def _origin(value: Any) -> dict[str, Any]:
    return {
        "url": _word(value["url"], 4096),
        "sha256": _word(value["sha256"]),
        "requested": bool(value.get("requested", False)),
    }
