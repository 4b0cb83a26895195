"""Lock formats: what a state holds as requirements with digests, pylock.toml (PEP 751), or as pip freeze has it.

Only what is known is written. What is not is left out of a lock, said in a comment, and returned to be said aloud.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from store.named import NamedTuple
from sysvenv import dists, redact
from sysvenv.dists import Distribution
from sysvenv.origins import Origin

FORMATS = ("requirements", "pylock", "freeze", "json")
_VCS = "a version-control checkout has no digest"
_DIRECTORY = "it was installed from a directory of its own machine"
_HIDDEN = "its address held a secret"
_NO_DIGEST = "pip did not tell its digest"


class State(NamedTuple):
    """What is exported."""

    name: str
    """As it was asked for: "webdev", "@4"."""
    python: str
    """Full version."""
    implementation: str
    distributions: Sequence[Distribution]
    origins: Mapping[str, Origin]


class Lock(NamedTuple):
    """An exported state."""

    text: str
    listed: int
    """How many distributions are in it."""
    unknown: tuple[str, ...]
    """ "six 1.16.0: why it is not in the lock" """


def export(state: State, form: str) -> Lock:
    """The state in one of FORMATS."""
    writers: dict[str, Callable[[State], Lock]] = {
        "requirements": _requirements,
        "pylock": _pylock,
        "freeze": _freeze,
        "json": _json,
    }
    return writers[form](state)


class _Source(NamedTuple):
    """Where the files of a distribution are to be had, as far as it is known."""

    url: str = ""
    sha256: str = ""
    direct: bool = False
    """Whether a person gave the URL, so that a requirement must name it."""
    vcs: Mapping[str, str] | None = None
    missing: str = ""
    """Why it cannot be locked; "" if it can."""


def _source(state: State, distribution: Distribution) -> _Source:
    origin = state.origins.get(distribution.name, {})
    url, sha256 = str(origin.get("url", "")), str(origin.get("sha256", ""))
    direct = distribution.direct_url
    if direct is None:
        if redact.HIDDEN in url:
            url = ""
        return _Source(url, sha256, missing="" if sha256 else _NO_DIGEST)
    if "dir_info" in direct:
        return _Source(missing=_DIRECTORY)
    vcs = direct.get("vcs_info")
    if isinstance(vcs, dict):
        return _Source(str(direct["url"]), vcs=vcs, missing=_HIDDEN if redact.HIDDEN in direct["url"] else _VCS)
    url = str(direct["url"])
    sha256 = sha256 or archive_digest(direct)
    missing = _HIDDEN if redact.HIDDEN in url else "" if sha256 else _NO_DIGEST
    return _Source(url, sha256, True, missing=missing)


def archive_digest(direct_url: Mapping[str, Any]) -> str:
    """The sha256 that direct_url.json (PEP 610) has of an archive."""
    info = direct_url.get("archive_info")
    if not isinstance(info, dict):
        return ""
    hashes = info.get("hashes")
    if isinstance(hashes, dict) and isinstance(hashes.get("sha256"), str):
        return str(hashes["sha256"])
    kind, _, value = str(info.get("hash", "")).partition("=")
    return value if kind == "sha256" else ""


def _head(state: State, what: str) -> list[str]:
    return [f"# {what} of {state.name}, Python {state.python}, by sysvenv"]


def _told(unknown: Sequence[str]) -> list[str]:
    return ["# Not in this lock:", *(f"#   {each}" for each in unknown)] if unknown else []


def _sorted(state: State) -> list[Distribution]:
    return sorted(state.distributions, key=lambda distribution: (distribution.name, distribution.version))


def _missing(distribution: Distribution, why: str) -> str:
    return f"{_spelled(distribution)} {distribution.version}: {why}"


def _spelled(distribution: Distribution) -> str:
    return distribution.title or distribution.name


def _requirements(state: State) -> Lock:
    lines, unknown, own = [], [], []
    for distribution in _sorted(state):
        source = _source(state, distribution)
        if source.missing and distribution.name in dists.TOOLS:
            own.append(_brought(distribution))
        elif source.missing:
            unknown.append(_missing(distribution, source.missing))
        else:
            where = f" @ {source.url}" if source.direct else f"=={distribution.version}"
            lines.append(f"{_spelled(distribution)}{where} --hash=sha256:{source.sha256}")
    head = [
        *_head(state, "Requirements"),
        "# Each digest is of the one file that was installed.",
        *_told(unknown),
        *own,
    ]
    return Lock("\n".join([*head, *lines]) + "\n", len(lines), tuple(unknown))


def _brought(distribution: Distribution) -> str:
    return f"# {_spelled(distribution)}=={distribution.version} comes with an environment"


def _freeze(state: State) -> Lock:
    lines = []
    for distribution in _sorted(state):
        direct, name = distribution.direct_url, _spelled(distribution)
        if direct is None:
            if distribution.name not in dists.TOOLS:
                lines.append(f"{name}=={distribution.version}")
            continue
        editable = isinstance(direct.get("dir_info"), dict) and direct["dir_info"].get("editable") is True
        lines.append(f"-e {direct['url']}  # {name}" if editable else f"{name} @ {pinned(direct)}")
    return Lock("".join(f"{line}\n" for line in lines), len(lines), ())


def pinned(direct_url: Mapping[str, Any]) -> str:
    """The URL of direct_url.json (PEP 610) as a requirement names it, at the commit that was installed."""
    vcs, url = direct_url.get("vcs_info"), str(direct_url["url"])
    if isinstance(vcs, dict):
        url = f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"
    return f"{url}#subdirectory={direct_url['subdirectory']}" if "subdirectory" in direct_url else url


def _json(state: State) -> Lock:
    value = {
        "sysvenv-export": 1,
        "name": state.name,
        "python": {"implementation": state.implementation, "version": state.python},
        "distributions": [
            {**dists.to_json(distribution), "origin": state.origins.get(distribution.name)}
            for distribution in _sorted(state)
        ],
    }
    return Lock(json.dumps(value, indent=2) + "\n", len(state.distributions), ())


def _pylock(state: State) -> Lock:
    minor = ".".join(state.python.split(".")[:2])
    blocks, unknown, own = [], [], []
    for distribution in _sorted(state):
        block, missing = _package(state, distribution)
        if not missing:
            blocks.append(block)
        elif distribution.name in dists.TOOLS:
            own.append(_brought(distribution))
        else:
            unknown.append(_missing(distribution, missing))
    head = [
        *_head(state, "Lock (PEP 751)"),
        *_told(unknown),
        *own,
        'lock-version = "1.0"',
        f"requires-python = {_text(f'=={minor}.*')}",
        'created-by = "sysvenv"',
    ]
    if not blocks:
        head.append("packages = []")
    return Lock("\n".join([*head, *blocks]) + "\n", len(blocks), tuple(unknown))


def _package(state: State, distribution: Distribution) -> tuple[str, str]:
    """The table of a distribution, or why there can be none."""
    source = _source(state, distribution)
    lines = ["", "[[packages]]", f"name = {_text(distribution.name)}"]
    if source.vcs is not None and source.missing != _HIDDEN:
        requested = source.vcs.get("requested_revision")
        lines += [
            f"version = {_text(distribution.version)}",
            "[packages.vcs]",
            f"type = {_text(str(source.vcs.get('vcs', '')))}",
            f"url = {_text(source.url)}",
            *([f"requested-revision = {_text(str(requested))}"] if requested else []),
            f"commit-id = {_text(str(source.vcs.get('commit_id', '')))}",
        ]
        return "\n".join(lines), ""
    if source.missing or not source.url:
        return "", source.missing or "pip did not tell its address"
    name = unquote(urlsplit(source.url).path.rpartition("/")[2])
    hashes = f"hashes = {{sha256 = {_text(source.sha256)}}}"
    lines.append(f"version = {_text(distribution.version)}")
    if source.direct:
        lines += ["[packages.archive]", f"url = {_text(source.url)}", hashes]
    elif name.endswith(".whl"):
        lines += ["[[packages.wheels]]", f"name = {_text(name)}", f"url = {_text(source.url)}", hashes]
    else:
        lines += ["[packages.sdist]", f"name = {_text(name)}", f"url = {_text(source.url)}", hashes]
    return "\n".join(lines), ""


def _text(value: str) -> str:
    """A basic string of TOML: its escapes are JSON's, and it wants DEL escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
