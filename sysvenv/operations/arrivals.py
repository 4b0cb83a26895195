"""Arrivals: the distributions a pip has finished while it still installs others.

pip writes a distribution's RECORD when all its files are there, so these can be read, packed and linked into the store
at once. What is the same when pip has ended need not be looked at again then, when somebody waits.
"""

from __future__ import annotations

import os
import stat
import time

from store.errors import Changed
from store.index import RACY
from store.intake import Beforehand, Portion
from store.row import Seen
from sysvenv import dists, kinds
from sysvenv.operations.session import Session

_Stamp = tuple[int, int]
"""Inode number and mtime of a RECORD."""


class Arrivals:
    """What came into the live tree of a session since it was first looked at."""

    def __init__(self, session: Session) -> None:
        self.taken = Beforehand()
        """What was taken in."""
        self._session = session
        self._root = os.fsdecode(session.live)
        self._site = b""
        self._looked: _Stamp | None = None
        self._known: dict[bytes, _Stamp] = {}

    def look(self) -> None:
        """Take in the distributions that became complete since the last look. Raises StoreError and OSError."""
        if not self._site:
            self._site = self._session.site
            self._known = self._records()
        stamp = self._stamp(self._site)
        if stamp == self._looked:
            return  # nothing new since; the last to come are taken in when pip has ended
        self._looked = stamp
        for location, record in self._records().items():
            if self._known.get(location) == record:
                continue
            if record[1] > time.time_ns() - RACY:
                self._looked = None  # too young to be believed: the next time
                continue
            self._known[location] = record
            self._take_in(location)

    def _take_in(self, location: bytes) -> None:
        found: dict[bytes, Seen] = {}
        for path in dists.claims(self._root, location):
            try:
                seen = os.lstat(self._session.live + b"/" + path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # RECORD names what is not there
            if stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode):
                found[path] = Seen.by(seen)
        cached = [path for path in found if kinds.in_cache(path)]
        rest = [path for path in found if not kinds.in_cache(path)]
        with self._session.store_lock():
            for paths, guarded in ((rest, True), (cached, False)):
                if paths:
                    self._keep(Portion({}, paths, guarded), found)

    def _keep(self, portion: Portion, found: dict[bytes, Seen]) -> None:
        try:
            self.taken.take(self._session.store, self._session.live, portion, found)
        except Changed:
            return  # it is not complete yet, whatever its RECORD says

    def _records(self) -> dict[bytes, _Stamp]:
        """The stamp of the RECORD of each distribution that has one."""
        stamps = {place: self._stamp(place + b"/RECORD") for place in dists.find_locations(self._root, self._site)}
        return {place: stamp for place, stamp in stamps.items() if stamp is not None}

    def _stamp(self, path: bytes) -> _Stamp | None:
        try:
            found = os.lstat(self._session.live + b"/" + path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
