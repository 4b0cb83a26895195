"""Joining: new files that no RECORD names yet, which belong to the environment as they came with its code."""

from collections.abc import Iterator

from store.index import Index
from store.row import rows_of
from store.scan import Drift


class Known:
    """The paths of an index, and some more; the set is made only when somebody asks."""

    def __init__(self, index: Index, more: frozenset[bytes]) -> None:
        self._index = index
        self._more = more
        self._paths: set[bytes] | None = None

    def __contains__(self, path: object) -> bool:
        if path in self._more:
            return True
        if self._paths is None:
            self._paths = {known for block in self._index.blocks.values() for known in block.paths}
        return path in self._paths


def joining(fresh: set[bytes], drift: Drift, index: Index, site: bytes, *, wide: bool) -> Iterator[bytes]:
    """The new files that came together with code (an edit in place brings nothing)."""
    rows = rows_of(index, drift.changed)
    came = {p for p, found in drift.changed.items() if found and (p not in rows or rows[p].ino != found.st_ino)}
    beside = {path[: path.rfind(b"/")] for path in came}
    tops = {_top(path, site) for path in came} - {b""}
    for path in fresh:
        if not path.startswith(site + b"/"):
            continue
        parent = path[: path.rfind(b"/")]
        new = [p for p in _between(parent, site) if p not in index.directories]
        under_new = bool(new) and any(each.startswith(new[0] + b"/") for each in came)
        if (parent in beside and parent != site) or under_new or (wide and _top(path, site) in tops):
            yield path


def _top(path: bytes, site: bytes) -> bytes:
    if not path.startswith(site + b"/"):
        return b""
    end = path.find(b"/", len(site) + 1)
    return path[:end] if end > 0 else b""


def _between(directory: bytes, site: bytes) -> list[bytes]:
    """The directories below site-packages that lead to ``directory``, outermost first."""
    found = []
    end = directory.find(b"/", len(site) + 1)
    while end > 0:
        found.append(directory[:end])
        end = directory.find(b"/", end + 1)
    return [*found, directory] if directory != site else []
