"""What doctor looks at around the environment: home, permissions, configuration, store, history."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from store import areas, disk, swap
from store import store as stores
from store.errors import Damaged, StoreError
from sysvenv import config, storage
from sysvenv.errors import SysvenvError
from sysvenv.home import Home
from sysvenv.operations import checks_history
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import FIX, Problem, fine, some
from sysvenv.operations.session import Context

PRIVATE = 0o700


def examine(context: Context, *, busy: bool) -> Iterator[Problem]:
    """Look at everything that needs no session. ``busy``: somebody holds the lock, so unfinished work is normal."""
    home = context.home
    yield _writable(home)
    yield from _private(home)
    yield from _owners(home)
    yield _configuration(home)
    yield from _locks(home)
    yield from _store(home)
    yield from _live(home)
    yield _one_filesystem(home)
    yield from checks_history.examine(home)
    if not busy:
        yield from _unfinished(home)


def _writable(home: Home) -> Problem:
    places = [home.root, home.history, home.store]
    closed = [place for place in places if os.path.isdir(place) and not os.access(place, os.W_OK | os.X_OK)]
    if closed:
        remedy = "Give yourself write permission there, or run sysvenv as the owner."
        return Problem(Finding("error", "home", f"You cannot write to {some(closed)}.", remedy))
    return fine("home", f"{home.root} can be written to.")


def _private(home: Home) -> Iterator[Problem]:
    """Objects are other names of the environment's files: who may write there could change them."""
    for place in (home.history, home.snapshots, home.store):
        if not os.path.isdir(place):
            continue
        mode = stat.S_IMODE(os.stat(place).st_mode)
        if mode != PRIVATE:
            finding = Finding("warning", "permissions", f"{place} has mode {mode:04o} instead of 0700.", FIX)
            yield Problem(finding, early=_close(place))


def _close(place: str) -> Callable[[], str]:
    def close() -> str:
        os.chmod(place, PRIVATE)
        return "It is 0700 now."

    return close


def _owners(home: Home) -> Iterator[Problem]:
    """`sudo pip` leaves files of root's behind, which their user can no longer read."""
    owner = os.stat(home.root).st_uid
    strange = []
    for place in (home.root, home.history, home.snapshots, home.store, home.store + "/manifests"):
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        paths = [os.path.join(place, name) for name in names]
        strange += [path for path in paths if os.lstat(path).st_uid != owner]
    if strange:
        sentence = f"Not owned by the owner of {home.root}: {some(strange)}."
        yield Problem(Finding("warning", "permissions", sentence, f"Run: sudo chown -R {owner} {home.root}"))


def _configuration(home: Home) -> Problem:
    try:
        _, warnings = config.load(home.config)
    except SysvenvError as error:
        return Problem(Finding("error", "config", f"{error.message}.", error.hint))
    if warnings:
        return Problem(Finding("warning", "config", f"{some(warnings)}.", "Run: sysvenv config"))
    return fine("config", "The settings can be read.")


def _store(home: Home) -> Iterator[Problem]:
    try:
        storage.opened(home)
    except Damaged as error:
        yield Problem(Finding("error", "store", error.message, FIX), early=lambda: _state_version(home))
    except StoreError as error:
        yield Problem(Finding("error", "store", error.message, error.hint))
        return
    shared, own = (os.fsencode(place) for place in (home.store, home.area))
    directories = [*(os.path.join(shared, name) for name in stores.SHARED), *(os.path.join(own, n) for n in areas.OWN)]
    lost = [place for place in directories if not os.path.isdir(place)]
    if lost:
        missing = some(os.path.relpath(place, shared) for place in lost)

        def complete() -> str:
            for place in lost:
                if os.path.lexists(place):
                    disk.set_aside(place)
            storage.create(home)
            return "They were made anew, empty."

        yield Problem(
            Finding("error", "store", f"Directories of the store are missing: {missing}.", FIX), early=complete
        )
    else:
        yield fine("store", "The store has a version this sysvenv reads.")


def _state_version(home: Home) -> str:
    """Only of a store whose manifests are of the version this sysvenv reads, as far as there are any."""
    store = storage.of(home)
    for name in store.manifests.names():
        try:
            store.manifests.read(name)
        except Damaged:
            continue
        break
    if os.path.lexists(version := store.root + b"/VERSION"):
        disk.set_aside(version)
    stores.state_version(store.root)
    return "It was written anew."


def _live(home: Home) -> Iterator[Problem]:
    """Something else than a directory where the live tree belongs: behind a link, nothing can be swapped."""
    if not os.path.lexists(home.venv) or (os.path.isdir(home.venv) and not os.path.islink(home.venv)):
        return
    what = f"a symlink to {os.readlink(home.venv)}" if os.path.islink(home.venv) else "no directory"
    sentence = f"{home.venv} is {what}; the environment must be a directory of its own."

    def aside() -> str:
        return f"{_aside(home.venv)()} sysvenv undo brings the environment back."

    yield Problem(Finding("error", "environment", sentence, FIX), early=aside)


def _locks(home: Home) -> Iterator[Problem]:
    """A lock is taken on a plain file; what else stands there keeps everybody out."""
    for path in (home.lock, home.store + "/lock"):
        if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
            finding = Finding("error", "lock", f"{path} is no file, so the lock cannot be taken.", FIX)
            yield Problem(finding, early=_aside(path))


def _aside(path: str) -> Callable[[], str]:
    return lambda: f"It is {os.fsdecode(disk.set_aside(os.fsencode(path)))} now."


def _one_filesystem(home: Home) -> Problem:
    try:
        devices = {os.stat(place).st_dev for place in (home.venv, home.store + "/objects") if os.path.isdir(place)}
    except OSError as error:
        return Problem(Finding("error", "filesystem", f"It cannot be told whether hardlinks are possible: {error}."))
    if len(devices) > 1:
        sentence = f"{home.venv} and {home.store} are on different filesystems; hardlinks cannot cross."
        remedy = "Keep both on one filesystem; SYSVENV_HOME moves them together."
        return Problem(Finding("error", "filesystem", sentence, remedy))
    return fine("filesystem", "Environment and store are on one filesystem.")


def _unfinished(home: Home) -> Iterator[Problem]:
    """What a session that is killed leaves lying; the next one that takes the lock clears it away."""
    store = storage.of(home)
    if os.path.lexists(os.path.join(store.area, swap.JOURNAL)):
        finding = Finding("error", "trees", "An exchange of trees was cut off half-way.", FIX)
        yield Problem(finding, repair=lambda session: "It is finished.")
