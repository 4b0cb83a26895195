"""Noticing: what the records and files of two states show of what an operation did besides what was asked for.

It comes after every pip, so it looks only where something changed: nothing is read of distributions that did not,
unless there is something to be said of them.
"""

# No `from __future__ import annotations`: NamedTuple compiles string annotations, 0.15 ms a field.

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from store.index import Index
from store.manifests import Manifest
from sysvenv import history, kinds, manifest, notices, os_packages, records
from sysvenv.dists import Distribution, source
from sysvenv.history import History, Operation
from sysvenv.import_names import NEVER_MEANT, import_names, places
from sysvenv.metadata import read_regular
from sysvenv.notices import LostFiles, Notices, SharedFiles, SharedImport
from sysvenv.operations.listing import ancestors
from sysvenv.standards import required_name
from sysvenv.venv import Interpreter


class State(NamedTuple):
    """One side of an operation."""

    manifest: Manifest
    checkout: Index
    distributions: Sequence[Distribution]


def notice(root: bytes, records: History, operation: Operation, before: State, after: State) -> dict[str, Any]:
    """What there is to say of an operation that made the tree at `root` one of another state, as JSON values.

    Of one that did not come to its end, only what got older.
    """
    python = manifest.interpreter(after.manifest)
    if python is None or not operation.packages:
        return {}
    told = Notices(notices.downgrades(operation.packages, after.distributions, python))
    if operation.status == history.DONE:
        news = _News(root, python, operation, before, after)
        told = told._replace(
            files=news.files(),
            lost=news.lost(),
            imports=news.imports(),
            system=news.system(),
            orphans=_orphans(records, operation, before, after, python),
        )
    return notices.to_json(told)


def _orphans(
    records: History, operation: Operation, before: State, after: State, python: Interpreter
) -> tuple[str, ...]:
    """Not among them is what a pip of this history was told to install: pip marks only what it does install as asked
    for, so not what had come as a dependency before."""
    found = notices.orphans(before.distributions, after.distributions, python)
    if not found:
        return ()
    past = {each.number: each for each in records.all()[0]}
    line = (past[number] for number in ancestors(list(past.values()), operation.number))
    named = {required_name(word) for each in line if each.kind == history.PIP for word in each.command}
    return notices.orphans(before.distributions, after.distributions, python, named)


class _News:
    """What the distributions that came share with others, and those that went did."""

    def __init__(self, root: bytes, python: Interpreter, operation: Operation, before: State, after: State) -> None:
        self._root = root
        self._python = python
        self._site = python.site.encode()
        self._changes = operation.packages
        self._came = {change.name for change in operation.packages if change.after is not None}
        self._before = _Files(before)
        self._after = _Files(after)
        self._known = {distribution.name for distribution in before.distributions}
        self._by_name = {distribution.name: distribution for distribution in after.distributions}
        self._editable = {each.name: each.location for each in after.distributions if source(each) == "editable"}
        self._stated: dict[str, dict[bytes, str]] = {}

    def system(self) -> tuple[str, ...]:
        """Which of them the operating system has, too."""
        if all(change.before is not None for change in self._changes):
            return ()
        return notices.also_system(self._changes, os_packages.names(self._python))

    def files(self) -> tuple[SharedFiles, ...]:
        """The files that they and others say are their own."""
        old, new = self._before.shared, self._after.shared
        fresh = {
            path: names
            for path, names in new.items()
            if set(names) - set(old.get(path, ())) and not self._came.isdisjoint(names) and not self._is_joint(path)
        }
        return notices.shared_files(fresh, self._came)

    def lost(self) -> tuple[LostFiles, ...]:
        """The files of those that stayed which others took along."""
        gone = {change.name for change in self._changes if change.after is None}
        lost = {
            path: names
            for path, names in self._before.shared.items()
            if not gone.isdisjoint(names)
            and not kinds.in_cache(os.fsencode(path))
            and not os.path.lexists(os.path.join(self._root, os.fsencode(path)))
        }
        return notices.lost_files(lost, gone)

    def imports(self) -> tuple[SharedImport, ...]:
        """The import names that they and others bring in different files."""
        return notices.shared_imports(claim for name in sorted(self._came) for claim in self._rivals(name))

    def _rivals(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Import names of the distribution `name`, each with another that brings it."""
        ours = import_names(self._after.of(name), self._site) | self._linked(name)
        for imported, whole in ours.items():
            for other, theirs in self._others(imported).items():
                if other == name or not (whole or theirs) or self._are_related(name, other):
                    continue
                if not self._share(imported, name, other) and not self._were_rivals(imported, name, other):
                    yield imported, name, other

    def _others(self, imported: str) -> dict[str, bool]:
        """The distributions that bring an import name; and whether as a whole, as import_names has it."""
        found = {}
        for owner, paths in self._after.below(places(imported, self._site)).items():
            names = import_names(paths, self._site)
            if imported in names and owner != manifest.REST:
                found[owner] = names[imported]
        return found | {name: True for name in self._editable if imported in self._linked(name)}

    def _linked(self, name: str) -> dict[str, bool]:
        """The import names of an editable install, whose files are elsewhere; of any other, none."""
        if name not in self._editable:
            return {}
        listed = read_regular(os.path.join(self._root, self._editable[name], b"top_level.txt"), 1 << 14)
        return dict.fromkeys(listed.decode("utf-8", "replace").split(), True)

    def _are_related(self, one: str, other: str) -> bool:
        """Whether one of them requires the other: families share a package on purpose (PyQt5 and PyQt5-sip)."""
        return any(
            required_name(line) == required
            for name, required in ((one, other), (other, one))
            if name in self._by_name
            for line in self._by_name[name].requires
        )

    def _share(self, imported: str, one: str, other: str) -> bool:
        """Whether there are files of that import name which both say are their own: that is told of the files."""
        starts = tuple(map(os.fsdecode, places(imported, self._site)))
        return any(
            path.startswith(starts) and one in names and other in names for path, names in self._after.shared.items()
        )

    def _were_rivals(self, imported: str, one: str, other: str) -> bool:
        """Whether both had it before; of an editable install, whether it was there."""
        had = self._before.below(places(imported, self._site)).keys()
        return all(name in had or (name in self._editable and name in self._known) for name in (one, other))

    def _is_joint(self, path: str) -> bool:
        """Whether a shared path is bytecode, or the __init__ of a package that several bring on purpose: the same in
        all of them (nvidia), or one that declares a namespace, as was done before PEP 420."""
        tree_path = os.fsencode(path)
        if kinds.in_cache(tree_path):
            return True
        if not path.endswith("/__init__.py") or not tree_path.startswith(self._site + b"/"):
            return False
        if path[len(self._site) + 1 :].partition("/")[0] in NEVER_MEANT:
            return False
        digests = {self._sha256(name).get(tree_path, "") for name in self._after.shared[path]}
        if len(digests) == 1 and "" not in digests:
            return True
        text = read_regular(os.path.join(self._root, tree_path), 1 << 14)
        return b"extend_path(" in text or b"declare_namespace(" in text

    def _sha256(self, name: str) -> dict[bytes, str]:
        """Tree path -> SHA-256, as the RECORD of a distribution says."""
        if name not in self._stated:
            location = self._by_name[name].location if name in self._by_name else b""
            record = read_regular(os.path.join(self._root, location, b"RECORD"))
            self._stated[name] = records.sha256_in(record, self._site, os.fsdecode(self._root))
        return self._stated[name]


class _Files:
    """Which distribution has which files, in one state."""

    def __init__(self, state: State) -> None:
        self.shared = manifest.shared(state.manifest)
        """Paths that more than one distribution claims -> their names."""
        blocks = state.checkout.blocks
        self._blocks = {
            part.owner: blocks[part.segment]
            for part in state.manifest.parts
            if part.kind == manifest.FILES and part.segment in blocks
        }

    def of(self, owner: str) -> Iterable[bytes]:
        """The paths of one distribution."""
        yield from self._blocks[owner].paths if owner in self._blocks else ()
        yield from (os.fsencode(path) for path, names in self.shared.items() if owner in names)

    def below(self, starts: Iterable[bytes]) -> dict[str, list[bytes]]:
        """Owner -> its paths that begin with one of `starts`; owners without one are left out."""
        found: dict[str, list[bytes]] = {}
        for owner, block in self._blocks.items():
            for first, last in ((0, block.shared), (block.shared, block.count)):  # each run is sorted
                for start in starts:
                    position = bisect_left(block.paths, start, first, last)
                    while position < last and block.paths[position].startswith(start):
                        found.setdefault(owner, []).append(block.paths[position])
                        position += 1
        return found
