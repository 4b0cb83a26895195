"""Manifests: a tree as the list of its segments, with what the caller wants to remember of it. JSON, content-named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from store import digest, disk
from store.errors import Damaged, StoreError
from store.named import NamedTuple

VERSION = 1


class Part(NamedTuple):
    """One segment of a manifest."""

    owner: str
    """Whose entries these are, in the caller's words."""
    kind: str
    """Which of the owner's segments, in the caller's words."""
    segment: str
    """The segment's name."""
    guarded: bool
    """Whether pristine copies of its files are kept."""


class Manifest(NamedTuple):
    """One state of a tree."""

    parts: tuple[Part, ...]
    about: dict[str, Any]
    """What the caller wrote beside the tree; the store does not look into it."""

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of its segments."""
        return tuple(part.segment for part in self.parts)


EMPTY = Manifest((), {})


def encode(manifest: Manifest) -> bytes:
    """Canonical JSON: equal manifests give equal bytes."""
    parts = [{"owner": p.owner, "kind": p.kind, "segment": p.segment, "guarded": p.guarded} for p in manifest.parts]
    value = {"version": VERSION, "parts": parts, "about": manifest.about}
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def decode(content: bytes) -> Manifest:
    """Raises ValueError or KeyError for what :func:`encode` cannot have written, StoreError for another version."""
    value = json.loads(content)
    if value["version"] != VERSION:
        raise StoreError(
            f"A manifest has format version {value['version']}; this sysvenv reads version {VERSION}.",
            "It was written by a newer sysvenv: install that one again.",
        )
    parts = tuple(Part(p["owner"], p["kind"], p["segment"], p["guarded"]) for p in value["parts"])
    for part in parts:
        if not all(isinstance(word, str) for word in part[:3]) or not digest.is_one(part.segment):
            raise ValueError(f"{part.segment!r} is not the name of a segment")
    if not isinstance(value["about"], dict):
        raise ValueError("it says nothing of its state")
    return Manifest(parts, value["about"])


class Manifests:
    """The manifests kept below one directory, ``<32 hex digits>.json`` each."""

    def __init__(self, root: bytes) -> None:
        self.root = root

    def path(self, name: str) -> bytes:
        """Where the manifest ``name`` lies."""
        return b"%s/%s.json" % (self.root, name.encode())

    def write(self, manifest: Manifest) -> tuple[str, bytes]:
        """Keep a manifest. Returns its name and the path the caller must still make durable."""
        content = encode(manifest)
        name = digest.of_bytes(content)
        disk.write_beside(self.path(name), content, durable=False)
        return name, self.path(name)

    def read(self, name: str) -> Manifest:
        """The manifest ``name``. Raises Damaged when it is missing or not what its name says."""
        if not digest.is_one(name):
            raise Damaged(f"{name!r} is not the name of a manifest.", "Run: sysvenv verify")
        try:
            content = disk.read(self.path(name))
        except FileNotFoundError:
            raise Damaged(f"Manifest {name} of the store is missing.", "Run: sysvenv verify") from None
        except IsADirectoryError:
            raise Damaged(f"Manifest {name} of the store is a directory.", "Run: sysvenv verify") from None
        if digest.of_bytes(content) != name:
            raise Damaged(f"Manifest {name} of the store is damaged.", "Run: sysvenv verify")
        try:
            return decode(content)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"Manifest {name} cannot be read: {error}.", "Run: sysvenv verify") from None

    def names(self) -> Iterator[str]:
        """The name of every manifest."""
        for name in sorted(os.listdir(self.root)):
            if name.endswith(b".json"):
                yield os.fsdecode(name[:-5])
