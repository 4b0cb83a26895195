"""Borrowing: a state of another environment in the same store, made right for this one.

Files are shared, bytecode too (Python puts the right path into it as it loads it); only what names the environment's
path is written anew: scripts, activate files, pyvenv.cfg, path files, and RECORD where it holds their digest.
"""

from __future__ import annotations

import os

from store import digest, disk, layout, trees
from store.objects import write_file
from store.store import Store
from store.tree import FILE, Entry
from store.trees import Checkout
from sysvenv import manifest as manifests
from sysvenv import relocate, snapshots, tracked
from sysvenv.errors import NotFound, SysvenvError
from sysvenv.history import History
from sysvenv.home import Home
from sysvenv.operations.capture import capture_tree
from sysvenv.operations.session import Session

_MOST = 1 << 20
"""Bytes: no script or path file is larger."""
_RECORD = b".dist-info/RECORD"


def resolve(session: Session, target: str, *, dry_run: bool) -> str:
    """The manifest a person means by ``@N``, a snapshot of this environment or of the user's own, or by ``ENV:NAME``
    one of another. Raises NotFound or UsageError."""
    environment, colon, name = target.rpartition(":")
    if not colon:
        try:
            return snapshots.resolve(session.home, session.history, target)
        except NotFound:
            own = session.home.own
            if own == session.home or target not in snapshots.names(own):
                raise
            return _borrowed(session, own, target, dry_run)
    for home in [session.home.own, *tracked.every(session.home)]:
        if os.path.basename(home.root) == environment:
            return _borrowed(session, home, name, dry_run)
    raise NotFound(f"There is no environment {environment!r}.", "Run: sysvenv envs")


def _borrowed(session: Session, lender: Home, name: str, dry_run: bool) -> str:
    state = snapshots.resolve(lender, History(lender), name)
    if os.path.realpath(lender.store) != os.path.realpath(session.home.store):
        raise SysvenvError(
            f"{name} of {lender.venv} is in another store, on another filesystem.",
            f"Run: sysvenv -C {lender.venv} share {name}, then: sysvenv import {name}.sysvenv",
        )
    if lender == session.home or dry_run:
        return state
    with session.store_lock():
        checkout = layout.lay_out(session.store, state, session.manifest(state))
    try:
        return _settled(session, checkout, os.fsencode(lender.venv))
    except BaseException:
        trees.bury_checkout(session.store, checkout)
        raise


def _settled(session: Session, checkout: Checkout, old: bytes) -> str:
    """Write anew in a checkout what names ``old``, and keep the outcome; the checkout stands ready for it."""
    manifest = session.manifest(checkout.expected.manifest)
    entries = {
        path: entry
        for part in manifest.parts
        for path, entry in session.store.segments.read(part.segment).items()
        if entry.kind == FILE and entry.has_object
    }
    python = manifests.interpreter(manifest)
    site = python.site.encode() if python else session.site
    texts: dict[bytes, bytes] = {}
    for path, entry in entries.items():
        if _may_name_the_place(path, site) and entry.size <= _MOST:
            changed = relocate.relocated(disk.read(os.path.join(checkout.path, path)), old, session.live)
            if changed is not None:
                texts[path] = changed
    for path in [path for path in entries if path.endswith(_RECORD)]:
        text = disk.read(os.path.join(checkout.path, path))
        mended = relocate.record(text, path, texts)
        if mended != text:
            texts[path] = mended
    for path, text in texts.items():
        _write(session.store, os.path.join(checkout.path, path), text, entries[path])
    captured = capture_tree(session, checkout.path, checkout.expected, session.audit_checkout(checkout))
    trees.save_index(session.store, checkout.name, captured.found)
    return captured.name


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
