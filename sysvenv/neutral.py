"""The neutral form of a state: what of it makes sense on another machine, and nothing that tells of this one.

Bytecode stays here: each file of it names its source by the whole path. Links to the interpreter stay too, the other
machine has its own. Files that name the environment's path name PLACE instead, wherever the environment lay.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

from store import bundling, digest
from store.bundling import Share
from store.manifests import Manifest
from store.named import NamedTuple
from store.store import Store
from store.tree import DIRECTORY, FILE, LINK, Entry
from store.untrusted import check, stays_inside
from sysvenv import manifest as manifests
from sysvenv import redact, relocate
from sysvenv.passport import PLACE, PYTHON

SCANNED = 16 << 20
"""Bytes: a larger file is not looked into. Scripts and path files have some hundred."""
_BASE = "/@sysvenv@/python"
_SETTINGS = {
    "home": f"{_BASE}/bin",
    "executable": f"{_BASE}/bin/python",
    "command": f"{_BASE}/bin/python -m venv {PLACE.decode()}",
    "base-prefix": _BASE,
    "base-exec-prefix": _BASE,
    "base-executable": f"{_BASE}/bin/python",
}


class Neutral(NamedTuple):
    """A state that can travel."""

    shares: tuple[Share, ...]
    contents: dict[str, bytes | Entry]
    """Digest -> the rewritten text, or the entry as this store has it."""
    pythons: tuple[str, ...]
    rewritten: tuple[str, ...]
    wheels: dict[str, tuple[str, ...]]
    """Tree path of a .dist-info -> the tags in its WHEEL."""
    notes: tuple[str, ...]
    """A sentence for each thing that does not travel."""


def neutral(store: Store, state: Manifest, places: Sequence[bytes]) -> Neutral:
    """The neutral form of a state of the environment at ``places`` (the same one, under several names)."""
    work = _Work(store, places)
    shares = [(part, store.segments.read(part.segment)) for part in state.parts if part.kind == manifests.FILES]
    trees = [(part.owner, part.kind, dict(work.entries(tree))) for part, tree in shares]
    work.mend_records(tree for _, _, tree in trees)
    for _, _, tree in trees:
        check(tree)
    return Neutral(
        tuple(Share(*each) for each in trees if each[2]),
        work.contents,
        tuple(sorted(work.pythons)),
        tuple(sorted(path.decode() for path in work.texts if PLACE in work.texts[path])),
        work.wheels,
        tuple(work.notes()),
    )


class _Work:
    """A state on its way to its neutral form."""

    def __init__(self, store: Store, places: Sequence[bytes]) -> None:
        self._store = store
        self._places = places
        self.contents: dict[str, bytes | Entry] = {}
        self.texts: dict[bytes, bytes] = {}
        """Rewritten files."""
        self.pythons: list[str] = []
        self.wheels: dict[str, tuple[str, ...]] = {}
        self._links: list[bytes] = []
        self._names: list[bytes] = []
        self._bound: list[bytes] = []

    def entries(self, tree: dict[bytes, Entry]) -> Iterable[tuple[bytes, Entry]]:
        """The entries that travel, each as it does."""
        for path, entry in sorted(tree.items()):
            if not _is_utf8(path):
                self._names.append(path)
            elif entry.kind == LINK:
                target = self._target(path, entry.target)
                if target is not None:
                    yield path, entry._replace(target=target)
            elif entry.kind == DIRECTORY:
                yield path, entry._replace(mode=entry.mode & 0o777)
            elif not (PYTHON.fullmatch(path.decode()) and self._is_binary(entry)):
                yield path, self._file(path, entry)._replace(mode=entry.mode & 0o777, twin=0)
            else:
                self.pythons.append(path.decode())

    def mend_records(self, trees: Iterable[dict[bytes, Entry]]) -> None:
        """Make each RECORD agree with the files that were rewritten. Several may name one file."""
        texts = dict(self.texts)
        for tree in trees:
            self._mend_records_of(tree, texts)

    def _mend_records_of(self, tree: dict[bytes, Entry], texts: dict[bytes, bytes]) -> None:
        for path, new in relocate.records(tree, lambda path: self._text(tree[path]), texts).items():
            tree[path] = self._written(path, tree[path], new)

    def notes(self) -> Iterable[str]:
        """A sentence for each kind of thing that is not as it was."""
        if self._links:
            yield f"Left out, as they lead out of the environment: {_some(self._links)}."
        if self._names:
            yield f"Left out, as their names are not UTF-8: {_some(self._names)}."
        if self._bound:
            yield f"These name the environment's path in binary, and will go on naming this one: {_some(self._bound)}."

    def _target(self, path: bytes, target: bytes) -> bytes | None:
        """What a link says there; None where it leads to this machine."""
        for place in self._places:
            if target.startswith(place + b"/"):
                target = os.path.relpath(target[len(place) + 1 :], os.path.dirname(path) or b".")
        if stays_inside(path, target):
            return target
        if PYTHON.fullmatch(path.decode()):
            self.pythons.append(path.decode())
        else:
            self._links.append(path)
        return None

    def _file(self, path: bytes, entry: Entry) -> Entry:
        if not entry.has_object or entry.size > SCANNED:
            self.contents.setdefault(entry.digest, entry)
            return entry
        old = self._read(entry)
        if path.endswith(b".dist-info/WHEEL"):
            lines = old.decode("utf-8", "replace").splitlines()
            self.wheels[os.path.dirname(path).decode()] = tuple(line[5:] for line in lines if line.startswith("Tag: "))
        new = old
        if path == b"pyvenv.cfg":
            new = relocate.settings(old, _SETTINGS)
        elif path.endswith(b".dist-info/direct_url.json"):
            new = _without_place(old)
        for place in self._places:
            if relocate.is_bound(new, place):
                self._bound.append(path)
            new = relocate.relocated(new, place, PLACE) or new
        if new == old:
            self.contents.setdefault(entry.digest, entry)
            return entry
        return self._written(path, entry, new)

    def _written(self, path: bytes, entry: Entry, text: bytes) -> Entry:
        self.texts[path] = text
        name = digest.of_bytes(text)
        self.contents[name] = text
        return entry._replace(size=len(text), digest=name)

    def _text(self, entry: Entry) -> bytes:
        """The text of an entry that was seen already."""
        if not entry.has_object:
            return b""
        known = self.contents[entry.digest]
        return known if isinstance(known, bytes) else self._read(known)

    def _read(self, entry: Entry) -> bytes:
        return b"".join(bundling.content(self._store, entry))

    def _is_binary(self, entry: Entry) -> bool:
        """Whether a file in an interpreter's place is one: a copy of the base's."""
        return entry.kind == FILE and entry.has_object and b"\0" in self._read(entry)[:4096]


def _without_place(text: bytes) -> bytes:
    """direct_url.json (PEP 610) without secrets and, of a file or directory, without where on this machine it lay."""
    try:
        old = json.loads(text)
        new = redact.redact_json(old)
        if str(new["url"]).startswith("file:"):
            new["url"] = f"file:///{redact.HIDDEN}/{new['url'].rstrip('/').rpartition('/')[2]}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    return text if new == old else json.dumps(new, sort_keys=True).encode()


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _some(paths: Sequence[bytes], most: int = 3) -> str:
    shown = ", ".join(path.decode("utf-8", "replace") for path in paths[:most])
    return shown + (f" and {len(paths) - most} more" if len(paths) > most else "")
