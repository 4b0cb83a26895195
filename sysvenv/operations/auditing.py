"""Auditing: the live tree and, along with it, the checkout that will probably take its place."""

import os
from collections.abc import Collection

from store import audit, second, trees
from store.audit import Audit, Looked
from store.index import Index, chosen
from store.second import Second
from store.store import Store
from store.trees import Checkout


class Auditor:
    """The audits of one session, shared with a second process where that pays."""

    def __init__(self, begun: Second | None) -> None:
        self.target: Checkout | None = None
        """The checkout that will probably go live."""
        self._begun = begun
        self._spent: list[Second] = []
        self._looked: Looked | None = None

    def known(self, path: bytes) -> Index | None:
        """The index at ``path``, if a second process was begun with it and it is still there."""
        begun = self._begun
        return begun.index if begun is not None and begun.path == path and os.path.exists(path) else None

    def look(self, store: Store, live: Checkout) -> Looked:
        """Look at everything in the live tree, and at what that does not prove of the target."""
        audits, files = [Audit(live.path, live.expected)], [trees.index_path(store, live.name)]
        if self.target is not None:
            expected = self.target.expected
            audits.append(Audit(self.target.path, expected, audit.unproven(expected, live.expected)))
            files.append(trees.index_path(store, self.target.name))
        looked = self._carry_out(audits, files)
        self._looked = looked[1] if self.target is not None else None
        return looked[0]

    def look_at_directories(self, live: Checkout) -> list[bytes]:
        """Look at the directories of the live tree only."""
        audits = [Audit(live.path, live.expected, [])]
        return self._carry_out(audits, [])[0][1]

    def look_at(self, checkout: Checkout, live: Index, suspicious: Collection[bytes]) -> Looked:
        """The audit of a checkout that is about to go live, after one of the live tree that found ``suspicious`` paths.

        Inodes that agreed there are not looked at again.
        """
        if checkout is self.target and self._looked is not None and not suspicious:
            return self._looked
        blocks = audit.unproven(checkout.expected, live)
        doubted = chosen(checkout.expected.blocks.values(), suspicious)
        return audit.look(checkout.path, checkout.expected, [*blocks, *doubted])

    def forget(self) -> None:
        """What was begun is not the live tree."""
        if self._begun is not None:
            self._begun.close()
        self._begun = None

    def close(self) -> None:
        """See that no process is left behind."""
        self.forget()
        for each in self._spent:
            each.close()
        self._spent = []

    def _carry_out(self, audits: list[Audit], files: list[bytes]) -> list[Looked]:
        """Audits, and the files of the indexes they go by. The first may have been begun."""
        helper, self._begun = self._begun, None
        if helper is None and files and audits[0].index.digest:
            helper = second.start(files[0], audits[0].index, files[1:])
            if helper is not None:
                helper.begin(audits[0].root, files[0])
        if helper is None:
            return [each.look() for each in audits]
        self._spent.append(helper)  # it is waited for at the end, when it has long ended
        for each, file in zip(audits[1:], files[1:], strict=True):
            helper.begin(each.root, file)
        return helper.finish(audits)
