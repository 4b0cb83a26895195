"""Arriving: the tree of a bundle is laid out aside, made right for this machine, and captured like any other tree.

So nothing a stranger says of a state is believed: the manifest that is kept is told from the files themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from store import disk, layout, scan, trees
from store.bundle import Bundle
from store.objects import write_file
from store.tree import FILE, Entry
from sysvenv import relocate
from sysvenv.fit import Target
from sysvenv.operations.capture import Captured, annotated, capture_tree
from sysvenv.operations.session import Session
from sysvenv.passport import PLACE, Passport


def take_in(
    session: Session,
    bundle: Bundle,
    passport: Passport,
    target: Target,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, Captured]:
    """Keep the state of a verified bundle, durably; returns its manifest's name and what was captured."""
    place = trees.free_slot(session.store) + trees.BUILDING
    try:
        bundle.lay_out(place, progress)
        settle_in(place, bundle.tree, passport, target, os.fsencode(session.home.venv))
        links = {path.encode() for path in passport.pythons}
        captured = capture_new(session, place, bundle.tree.keys() | links)
    finally:
        if os.path.lexists(place):
            trees.bury(session.store, place)
    return with_origins(session, captured, passport.origins), captured


def capture_new(session: Session, place: bytes, tracked: Iterable[bytes]) -> Captured:
    """Keep the tree at ``place``, which no state is the base of; the paths in ``tracked`` belong to it whatever they
    are called."""
    empty = layout.expected(session.store, "", session.manifest(""))
    sort = session.sorter(place, empty, frozenset(tracked))
    return capture_tree(session, place, empty, scan.survey(place, empty, [], [b""], sort))


def with_origins(session: Session, captured: Captured, origins: Mapping[str, Any]) -> str:
    """Keep the captured state together with where its distributions came from; returns that manifest's name."""
    return annotated(session, captured.manifest, {"origins": dict(origins)})


def settle_in(root: bytes, tree: Mapping[bytes, Entry], passport: Passport, target: Target, place: bytes) -> None:
    """Make the tree at ``root`` right for ``place``: its interpreter, and what its files say. Their mtimes stay, for
    no bytecode that could outlive its source came along."""
    mtime = tree[b"pyvenv.cfg"].mtime
    for python in passport.pythons:
        link = os.path.join(root, python.encode())
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(target.base, link)
        os.utime(link, ns=(mtime, mtime), follow_symlinks=False)  # the same each time, so that states are
    texts: dict[bytes, bytes] = {}
    for path in (b"pyvenv.cfg", *(each.encode() for each in passport.rewritten)):
        text = texts.get(path) or disk.read(os.path.join(root, path))
        if path == b"pyvenv.cfg":
            text = relocate.settings(text, _settings(target, place))
        texts[path] = relocate.relocated(text, PLACE, place) or text
    texts |= relocate.records(tree, lambda path: disk.read(os.path.join(root, path)), texts)
    for path, text in texts.items():
        os.unlink(os.path.join(root, path))
        write_file(os.path.join(root, path), text, tree[path])


def check(tree: Mapping[bytes, Entry], passport: Passport, ours: Iterable[bytes]) -> None:
    """Raises ValueError where a passport does not belong to the tree it came with, or the tree is no environment."""
    names = {path.encode() for path in passport.rewritten} | {b"pyvenv.cfg"}
    if any(path not in tree or tree[path].kind != FILE for path in names):
        raise ValueError("its passport names files that are not in it")
    links = {path.encode() for path in passport.pythons}
    if b"bin/python" not in tree.keys() | links or links & tree.keys():
        raise ValueError("it is no environment: it has no bin/python, or two")
    site = f"lib/python{passport.minor}/site-packages".encode()
    if passport.implementation == "cpython" and passport.site.encode() not in (site, site.replace(b"/site", b"t/site")):
        raise ValueError(f"its packages lie in {passport.site!r}")
    if not any(path.startswith(passport.site.encode() + b"/") for path in tree):
        raise ValueError("it is no environment: it has no site-packages")
    for path in ours:
        if path in tree:
            raise ValueError(f"it holds {os.fsdecode(path)!r}, which only sysvenv itself lays down")


def _settings(target: Target, place: bytes) -> dict[str, str]:
    """What pyvenv.cfg says of the interpreter, in the words of venv, virtualenv and uv."""
    return {
        "home": os.path.dirname(target.base),
        "executable": os.path.realpath(target.base),
        "command": f"{target.base} -m venv {os.fsdecode(place)}",
        "base-prefix": target.prefix,
        "base-exec-prefix": target.prefix,
        "base-executable": target.base,
        "version": target.version,
        "version_info": f"{target.version}.final.0",
    }
