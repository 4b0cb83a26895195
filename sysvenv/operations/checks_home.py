"""What doctor looks at around the environment: home, permissions, configuration, store, history."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator

from store import store as stores
from store import swap, trees
from store.errors import StoreError
from store.store import Store
from sysvenv import config, history, pruned
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.history import History
from sysvenv.home import Home
from sysvenv.operations import look
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
    yield _store(home)
    yield _one_filesystem(home)
    yield _head(home)
    yield from _pruned(home)
    yield from _records(home)
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


def _store(home: Home) -> Problem:
    root = os.fsencode(home.store)
    try:
        stores.open_store(root)
    except StoreError as error:
        return Problem(Finding("error", "store", error.message, error.hint))
    lost = [name for name in stores.DIRECTORIES if not os.path.isdir(os.path.join(root, name))]
    if lost:

        def complete() -> str:
            stores.create(root)
            return "They were made anew, empty."

        finding = Finding("error", "store", f"Directories of the store are missing: {some(lost)}.", FIX)
        return Problem(finding, early=complete)
    return fine("store", "The store has a version this sysvenv reads.")


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


def _head(home: Home) -> Problem:
    try:
        found = look.whereabouts(home)
    except SysvenvError as error:
        return Problem(Finding("error", "history", error.message, error.hint))
    if not found.trouble:
        return fine("history", f"The environment stands at @{found.position.operation}.")

    def rewrite() -> str:
        _keep_evidence(home.head)
        history.write_head(home, found.position)
        return f"It was written anew: the environment stands at {found.chosen}."

    return Problem(Finding("error", "history", found.trouble, FIX), early=rewrite)


def _keep_evidence(path: str) -> None:
    """Set a damaged file aside under another name."""
    if os.path.lexists(path):
        os.rename(path, path + ".damaged")


def _records(home: Home) -> Iterator[Problem]:
    records = History(home)
    numbers = records.numbers()
    for number in numbers:
        try:
            records.read(number)
        except SysvenvError as error:
            sentence = error.message
        except OSError as error:
            sentence = f"The records of @{number} cannot be read: {error}."
        else:
            continue
        before, after = (os.path.join(home.history, f"{number:03d}_{half}.json") for half in ("before", "after"))
        if number == numbers[-1] and not os.path.exists(after) and _is_damaged(records, number):
            finding = Finding("error", "history", sentence, FIX)
            yield Problem(finding, early=_set_aside(before))
        else:
            remedy = f"undo cannot go past @{number}; sysvenv restore can, to any other @N or snapshot."
            yield Problem(Finding("error", "history", sentence, remedy))


def _pruned(home: Home) -> Iterator[Problem]:
    """A statement that cannot be read is made anew: what is missing below the newest record counts as pruned."""
    try:
        pruned.read(home)
    except DamageFound as error:

        def restate() -> str:
            _keep_evidence(home.pruned)
            numbers = History(home).numbers()
            missing = set(range(numbers[-1] if numbers else 0)).difference(numbers)
            pruned.write(home, pruned.joined(pruned.Pruned(), missing, time.time()))
            return f"It was written anew: {len(missing)} operations count as pruned."

        yield Problem(Finding("error", "history", error.message, error.hint), early=restate)
    except SysvenvError as error:
        yield Problem(Finding("error", "history", error.message, error.hint))


def _is_damaged(records: History, number: int) -> bool:
    """Damaged, not of a newer version or out of reach."""
    try:
        records.read(number)
    except DamageFound:
        return True
    except (SysvenvError, OSError):
        return False
    return False


def _set_aside(before: str) -> Callable[[], str]:
    """The record of how an operation began, which has no end: without it, what it did is a change like any other."""

    def aside() -> str:
        _keep_evidence(before)
        return f"It is {os.path.basename(before)}.damaged now; what that operation did counts as done without pip."

    return aside


def _unfinished(home: Home) -> Iterator[Problem]:
    """What a session that is killed leaves lying; the next one that takes the lock clears it away."""
    store = Store(os.fsencode(home.store))
    try:
        standing = {os.path.basename(tree.path) for tree in trees.standing(store)}
        left = [name for name in sorted(os.listdir(store.trees)) if name not in standing]
    except OSError:
        return  # _store tells of it
    if left:
        finding = Finding("warning", "trees", f"Half-built trees are left over: {some(left)}.", FIX)
        yield Problem(finding, repair=lambda session: "They are in the trash.")
    if os.path.lexists(os.path.join(store.root, swap.JOURNAL)):
        finding = Finding("error", "trees", "An exchange of trees was cut off half-way.", FIX)
        yield Problem(finding, repair=lambda session: "It is finished.")
