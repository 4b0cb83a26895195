"""Snapshots: names for states. ``NAME.json`` is the label, ``NAME.txt`` the same for people, as a requirements file."""

from __future__ import annotations

import os
import re
from typing import Any

from store import disk
from store.named import NamedTuple
from sysvenv.dists import Distribution
from sysvenv.errors import DamageFound, NotFound, SysvenvError, UsageError
from sysvenv.history import FAR, History
from sysvenv.home import Home

VERSION = 1
BASELINE = "baseline"
LIVE = "live"
"""What diff calls the environment as it is: no snapshot may have that name."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OPERATION = re.compile(r"@([0-9]+)")


class Snapshot(NamedTuple):
    """A label on a state."""

    name: str
    manifest: str
    operation: int
    """The operation the environment stood at."""
    created: float
    """Seconds since the epoch."""
    message: str
    distributions: int
    python: str
    current: bool = False
    """Whether the environment is in that state."""
    recorded: bool = True
    """Whether history still holds the operation."""


def resolve(home: Home, history: History, target: str) -> str:
    """The manifest a person means by a snapshot's name or ``@N``. Raises NotFound or UsageError."""
    match = _OPERATION.fullmatch(target)
    if match:
        operation = history.read(int(match[1]))
        if not operation.manifest:
            raise NotFound(f"Operation @{operation.number} has no recorded outcome.", "Run: sysvenv history")
        return operation.manifest
    return read(home, target).manifest


def stands_at(home: Home, target: str) -> int:
    """The operation at which the state of a snapshot's name or ``@N`` was reached. Raises NotFound or UsageError."""
    match = _OPERATION.fullmatch(target)
    return int(match[1]) if match else read(home, target).operation


def check_name(name: str) -> str:
    """The name, if it may be one. Raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a snapshot.",
            "Use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    return name


def names(home: Home) -> list[str]:
    """The names of all snapshots."""
    found = os.listdir(home.snapshots) if os.path.isdir(home.snapshots) else []
    return sorted(name[:-5] for name in found if name.endswith(".json") and NAME.fullmatch(name[:-5]))


def read(home: Home, name: str) -> Snapshot:
    """One snapshot. Raises NotFound, or DamageFound when its file cannot be read."""
    import json

    check_name(name)
    try:
        value = json.loads(disk.read(os.fsencode(_path(home, name, "json"))))
    except FileNotFoundError:
        raise NotFound(f"There is no snapshot {name!r}.", "Run: sysvenv list-snapshots") from None
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise _damaged(home, name, error) from None
    return _from_json(home, name, value)


def strangers(home: Home) -> list[str]:
    """The files among the snapshots that sysvenv did not write, or not under that name."""
    found = os.listdir(home.snapshots) if os.path.isdir(home.snapshots) else []
    ours = {f"{name}.{suffix}" for name in names(home) for suffix in ("json", "txt")}
    return sorted(name for name in found if name not in ours and not name.endswith((".tmp", ".damaged")))


def list_snapshots(home: Home, current: str = "") -> tuple[list[Snapshot], list[str]]:
    """Every snapshot that can be read, oldest first, and a sentence for each that cannot; the one whose manifest is
    ``current`` is marked."""
    found, broken = [], []
    for name in names(home):
        try:
            found.append(read(home, name))
        except SysvenvError as error:
            broken.append(error.message)
    marked = [snapshot._replace(current=bool(current) and snapshot.manifest == current) for snapshot in found]
    return sorted(marked, key=lambda snapshot: (snapshot.created, snapshot.name)), broken


def write(home: Home, snapshot: Snapshot, distributions: list[Distribution]) -> None:
    """Keep a label, durably; a label of that name is replaced."""
    import json

    value = {"version": VERSION, **snapshot._asdict()}
    del value["current"], value["recorded"]
    disk.make_directory(os.fsencode(home.snapshots), home.mode)
    disk.write_durably(os.fsencode(_path(home, snapshot.name, "txt")), _text(snapshot, distributions).encode())
    disk.write_durably(os.fsencode(_path(home, snapshot.name, "json")), json.dumps(value, indent=1).encode() + b"\n")


def delete(home: Home, name: str) -> Snapshot:
    """Drop a label, one that cannot be read too; the state stays as long as history or another label holds it."""
    try:
        snapshot = read(home, name)
    except DamageFound:
        snapshot = Snapshot(name, "", -1, 0.0, "", 0, "")
    disk.discard(os.fsencode(_path(home, name, "json")))
    disk.discard(os.fsencode(_path(home, name, "txt")))
    disk.sync_directory(os.fsencode(home.snapshots))
    return snapshot


def _path(home: Home, name: str, suffix: str) -> str:
    return os.path.join(home.snapshots, f"{name}.{suffix}")


def _text(snapshot: Snapshot, distributions: list[Distribution]) -> str:
    lines = [f"# sysvenv snapshot {snapshot.name} (Python {snapshot.python})"]
    lines += [f"# {line}" for line in snapshot.message.splitlines()]
    return "\n".join([*lines, *sorted(_requirement(d) for d in distributions)]) + "\n"


def _requirement(distribution: Distribution) -> str:
    url = (distribution.direct_url or {}).get("url")
    name = distribution.title or distribution.name
    return f"{name} @ {url}" if url else f"{name}=={distribution.version}"


def _from_json(home: Home, name: str, value: dict[str, Any]) -> Snapshot:
    try:
        if value["version"] != VERSION:
            raise SysvenvError(
                f"Snapshot {name} has format version {value['version']}; this sysvenv reads version {VERSION}.",
                "It was written by a newer sysvenv: install that one again.",
            )
        created = float(value["created"])
        if not 0 <= created < FAR:
            raise ValueError("its time is none")
        if not value["manifest"]:
            raise ValueError("it names no state")
        return Snapshot(
            name=name,
            manifest=str(value["manifest"]),
            operation=int(value["operation"]),
            created=created,
            message=str(value["message"]),
            distributions=int(value["distributions"]),
            python=str(value["python"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(home, name, error) from None


def _damaged(home: Home, name: str, error: Exception) -> DamageFound:
    return DamageFound(
        f"The label {_path(home, name, 'json')} is damaged ({error}).",
        f"Run: sysvenv snapshot --delete {name}, then restore @N and label it anew.",
    )
