"""Sharing: the files and import names that distributions have in common since an operation.

It comes after every pip, so nothing is read of distributions that did not change, unless there is something to be said
of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from sysvenv import kinds, notices, records
from sysvenv.dists import Change, Distribution, source
from sysvenv.holdings import Holdings
from sysvenv.import_names import NEVER_MEANT, import_names, places
from sysvenv.metadata import read_regular
from sysvenv.notices import LostFiles, SharedFiles, SharedImport
from sysvenv.standards import required_name

_PACKAGE_MARKS = ("__init__.py", "__init__.pyi", "py.typed")
_NAMESPACE_MARKS = (b"extend_path(", b"declare_namespace(")
"""How a namespace package was declared before PEP 420: with pkgutil, or with pkg_resources."""


class Sharing:
    """What the distributions that came share with others, and what those that went have shared."""

    def __init__(
        self, root: bytes, site: str, changes: Sequence[Change], before: Holdings, after: Holdings,
        present: Sequence[Distribution],
    ) -> None:  # fmt: skip
        """`root` is the tree after the operation, `site` its site-packages, `present` its distributions."""
        self._root = root
        self._site = site.encode()
        self._came = {change.name for change in changes if change.after is not None}
        self._new = {change.name for change in changes if change.before is None}
        self._gone = {change.name for change in changes if change.after is None}
        self._before = before
        self._after = after
        self._present = {distribution.name: distribution for distribution in present}
        self._editable = [distribution.name for distribution in present if source(distribution) == "editable"]

    def files(self) -> tuple[SharedFiles, ...]:
        """The files that those which came and others say are their own."""
        old = self._before.shared
        fresh = {
            path: names
            for path, names in self._after.shared.items()
            if not self._came.isdisjoint(names)
            and not set(names) <= set(old.get(path, ()))
            and not kinds.in_cache(os.fsencode(path))
            and not self._is_joint(os.fsencode(path), names)
        }
        return notices.shared_files(fresh, self._came)

    def lost(self) -> tuple[LostFiles, ...]:
        """The files of those that stayed which others took along."""
        lost = {
            path: names
            for path, names in self._before.shared.items()
            if not self._gone.isdisjoint(names)
            and not kinds.in_cache(os.fsencode(path))
            and not os.path.lexists(os.path.join(self._root, os.fsencode(path)))
        }
        return notices.lost_files(lost, self._gone)

    def imports(self) -> tuple[SharedImport, ...]:
        """The import names that those which came and others bring in different files."""
        return notices.shared_imports(rivalry for name in sorted(self._came) for rivalry in self._rivalries(name))

    def _rivalries(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Import names of the distribution `name`, each with another that brings it."""
        ours = import_names(self._after.of(name), self._site) | self._linked(name)
        for imported, whole in ours.items():
            for other, theirs in self._bringing(imported).items():
                if other == name or not (whole or theirs) or self._are_related(name, other):
                    continue
                if not self._share(imported, {name, other}) and not self._were_rivals(imported, (name, other)):
                    yield imported, name, other

    def _bringing(self, imported: str) -> dict[str, bool]:
        """The distributions that bring an import name, each with what import_names says of it."""
        found = {name: True for name in self._editable if imported in self._linked(name)}
        for owner, paths in self._after.below(*places(imported, self._site)).items():
            names = import_names(paths, self._site)
            if imported in names:
                found[owner] = names[imported]
        return found

    def _linked(self, name: str) -> dict[str, bool]:
        """The import names of an editable install, whose files are elsewhere; of any other, none."""
        if name not in self._editable:
            return {}
        listed = self._metadata(name, b"top_level.txt")
        return dict.fromkeys(listed.decode("utf-8", "replace").split(), True)

    def _are_related(self, one: str, other: str) -> bool:
        """Whether one of them requires the other: families share a package on purpose (PyQt5 and PyQt5-sip)."""
        return any(
            required_name(line) == required
            for name, required in ((one, other), (other, one))
            if name in self._present
            for line in self._present[name].requires
        )

    def _share(self, imported: str, names: set[str]) -> bool:
        """Whether there are files of an import name which both say are their own: that is told of the files."""
        starts = tuple(map(os.fsdecode, places(imported, self._site)))
        return any(path.startswith(starts) and names <= set(owners) for path, owners in self._after.shared.items())

    def _were_rivals(self, imported: str, names: tuple[str, str]) -> bool:
        """Whether both brought it before; of an editable install, whether it was there."""
        had = self._before.below(*places(imported, self._site))
        return all(name in had or (name in self._editable and name not in self._new) for name in names)

    def _is_joint(self, path: bytes, names: Collection[str]) -> bool:
        """Whether a shared path makes a package of a directory that several fill on purpose: the same file in all of
        them (nvidia), or the declaration of a namespace."""
        if not path.startswith(self._site + b"/") or os.path.basename(path).decode("latin-1") not in _PACKAGE_MARKS:
            return False
        if os.fsdecode(path[len(self._site) + 1 :].partition(b"/")[0]) in NEVER_MEANT:
            return False
        digests = {self._sha256(name, path) for name in names}
        if len(digests) == 1 and "" not in digests:
            return True
        text = read_regular(os.path.join(self._root, path), 1 << 14)
        return any(mark in text for mark in _NAMESPACE_MARKS)

    def _sha256(self, name: str, path: bytes) -> str:
        """What the RECORD of a distribution says of a path; "" if nothing."""
        record = self._metadata(name, b"RECORD")
        place = path.removeprefix(self._site + b"/")
        row = next((line for line in record.split(b"\n") if line.startswith(place + b",")), b"")
        return records.sha256_in(row, self._site, os.fsdecode(self._root)).get(path, "")

    def _metadata(self, name: str, file: bytes) -> bytes:
        """A file of a distribution's metadata directory."""
        if name not in self._present:
            return b""
        return read_regular(os.path.join(self._root, self._present[name].location, file))
