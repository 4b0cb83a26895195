"""Holdings: which distribution has which files, in one state of the environment."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable

from store.index import Index
from store.manifests import Manifest
from sysvenv import manifest as manifests


class Holdings:
    """What a manifest and the index of a checkout of it tell; bytecode is left out. No file is read."""

    def __init__(self, manifest: Manifest, checkout: Index) -> None:
        self.shared = manifests.shared(manifest)
        """Paths that more than one distribution claims -> their names."""
        self._blocks = {
            part.owner: checkout.blocks[part.segment]
            for part in manifest.parts
            if part.kind == manifests.FILES and part.segment in checkout.blocks
        }

    def of(self, owner: str) -> Iterable[bytes]:
        """The paths of one distribution."""
        yield from self._blocks[owner].paths if owner in self._blocks else ()
        yield from (os.fsencode(path) for path, names in self.shared.items() if owner in names)

    def below(self, *starts: bytes) -> dict[str, list[bytes]]:
        """Distribution -> its paths that begin with one of `starts`; those without one are left out."""
        found: dict[str, list[bytes]] = {}
        for owner, block in self._blocks.items():
            if owner == manifests.REST:
                continue
            for first, last in ((0, block.shared), (block.shared, block.count)):  # each run is sorted
                for start in starts:
                    position = bisect_left(block.paths, start, first, last)
                    while position < last and block.paths[position].startswith(start):
                        found.setdefault(owner, []).append(block.paths[position])
                        position += 1
        return found
