"""Borrowing: a state of another environment in the same store, made right for this one.

Files are shared, bytecode too (Python puts the right path into it as it loads it); only what names the environment's
path is written anew: scripts, activate files, pyvenv.cfg, path files, and RECORD where it holds their digest.
"""

from __future__ import annotations

import os

from store import digest, disk, layout, trees
from store.errors import StoreError
from store.objects import write_file
from store.store import Store
from store.tree import FILE, Entry
from store.trees import Checkout
from sysvenv import history, relocate, snapshots, tracked
from sysvenv import manifest as manifests
from sysvenv.errors import NotFound, SysvenvError
from sysvenv.history import History
from sysvenv.home import Home
from sysvenv.operations.capture import Captured, annotated, capture_tree
from sysvenv.operations.session import Session

_MOST = 1 << 20
"""Bytes: no script or path file is larger."""
_LENT = "lent"
"""In the `about` of a borrowed state: the manifest it was made of."""


def state(session: Session, target: str, *, dry_run: bool) -> str:
    """The manifest of a snapshot of the user's own environment, or with ``ENV:NAME`` of another one, made right for
    this one; with ``dry_run`` as it is there. Raises NotFound or UsageError."""
    environment, colon, name = target.rpartition(":")
    for home in [session.home.own, *tracked.every(session.home)]:
        if not colon or os.path.basename(home.root) == environment:
            found = snapshots.resolve(home, History(home), name)
            _refuse_other_store(session, home, name)
            return found if home == session.home or dry_run else _borrowed(session, home, found)
    raise NotFound(f"There is no environment {environment!r}.", "Run: sysvenv envs")


def _refuse_other_store(session: Session, lender: Home, name: str) -> None:
    if os.path.realpath(lender.store) != os.path.realpath(session.home.store):
        raise SysvenvError(
            f"{name} of {lender.venv} is in another store, on another filesystem.",
            f"Run: sysvenv -C {lender.venv} share {name}, then: sysvenv import {name}.sysvenv",
        )


def _borrowed(session: Session, lender: Home, lent: str) -> str:
    """The state that ``lent`` is here: of an earlier time, or made now."""
    known = _earlier(session, lent)
    if known:
        return known
    with session.store_lock():
        checkout = layout.lay_out(session.store, lent, session.manifest(lent))
    try:
        captured = _settled(session, checkout, os.fsencode(lender.venv))
        name = annotated(session, captured.manifest, {_LENT: lent})
        trees.save_index(session.store, checkout.name, captured.found.replace(manifest=name))
    except BaseException:
        trees.bury_checkout(session.store, checkout)
        raise
    return name


def _earlier(session: Session, lent: str) -> str:
    """The state an earlier restore made of ``lent``; "" where there is none."""
    for operation in session.history.all()[0]:
        try:
            if operation.kind == history.RESTORE and session.manifest(operation.manifest).about.get(_LENT) == lent:
                return operation.manifest
        except StoreError:
            continue  # it is lost; another one is made
    return ""


def _settled(session: Session, checkout: Checkout, old: bytes) -> Captured:
    """Write anew in a checkout what names ``old``, and keep the outcome."""
    manifest = session.manifest(checkout.expected.manifest)
    entries = {
        path: entry
        for part in manifest.parts
        for path, entry in session.store.segments.read(part.segment).items()
        if entry.kind == FILE and entry.has_object
    }
    python = manifests.interpreter(manifest)
    site = python.site.encode() if python else session.site

    def read(path: bytes) -> bytes:
        return disk.read(os.path.join(checkout.path, path))

    texts: dict[bytes, bytes] = {}
    for path, entry in entries.items():
        if _may_name_the_place(path, site) and entry.size <= _MOST:
            changed = relocate.relocated(read(path), old, session.live)
            if changed is not None:
                texts[path] = changed
    texts |= relocate.records(entries, read, texts)
    for path, text in texts.items():
        _write(session.store, os.path.join(checkout.path, path), text, entries[path])
    return capture_tree(session, checkout.path, checkout.expected, session.audit_checkout(checkout))


def _may_name_the_place(path: bytes, site: bytes) -> bool:
    below = path[len(site) + 1 :] if path.startswith(site + b"/") else b""
    return b"/" not in below


def _write(store: Store, place: bytes, text: bytes, old: Entry) -> None:
    """Another text, with mode and mtime as they were: the object of an earlier time, so that states are the same."""
    os.unlink(place)  # other trees have it too
    new = old._replace(size=len(text), digest=digest.of_bytes(text), twin=0)
    if store.objects.intact(new):
        store.objects.link_out(new, place)
    else:
        write_file(place, text, new)
