"""Which files of the tree are the environment, and which are bytecode, the user's data, or ours."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from enum import IntEnum
from stat import S_ISDIR, S_ISLNK, S_ISREG

from sysvenv import dists


class Kind(IntEnum):
    """What a path is to us, and so what undo does with it."""

    ENVIRONMENT = 1
    """Rolled back; a change by hand is an operation."""
    BYTECODE = 2
    """Goes along with its source; never an operation."""
    DATA = 3
    """The user's: carried over, never rolled back, never copied."""
    OURS = 4
    """Hook, marker, uv's lock: laid anew by us, in no manifest."""


# The members themselves, for loops over every file of a tree.
ENVIRONMENT = Kind.ENVIRONMENT
BYTECODE = Kind.BYTECODE
DATA = Kind.DATA
OURS = Kind.OURS

# What Python imports (.pyi: what type checkers import). Extension modules all end in .so or .pyd.
_IMPORTABLE = (b".py", b".so", b".pyd", b".pyi")

# Direct children of site-packages only: deeper down a .pth is a model of torch, not a path file.
_SITE_FILES = (b".pth", b".start", b".egg-link")

# Where environments have directories of their own; elsewhere an empty directory is the user's.
_SKELETON = (b"lib", b"lib64", b"bin", b"include", b"share", b"etc")

# What venv (from 3.13 on), virtualenv and uv put into the root.
_ROOT_FILES = (b"pyvenv.cfg", b".gitignore", b"CACHEDIR.TAG")

_HOOK_FILES = (b"_sysvenv.pth", b"_sysvenv.start", b"_sysvenv.py", b"_sysvenv_gate.py")

_METADATA_DIRS = (b".dist-info/", b".egg-info/", b".egg/")

# `sys.implementation.cache_tag`, as it stands between a module's name and .pyc
_CACHE_TAG = re.compile(rb"\.(?=(?:cpython|pypy|graalpy)-?\d)")


class Classifier:
    """Decides the kind of each path of one tree. Reads each RECORD at most once, and only if a path needs it."""

    def __init__(self, root: str, site: bytes, known: Container[bytes] = frozenset()) -> None:
        """`root` is the tree, `site` its site-packages as a tree path.

        `known` are paths that are the environment whatever their names say: those of the last manifest, and
        those an operation that never finished brought in (no RECORD names them).
        """
        self._root = root
        self._site = site
        self._below_site = site + b"/"
        self._known = known
        self._recorded: set[bytes] = set()
        self._unread: Iterator[bytes] | None = None
        self._ours = {b".sysvenv", b".lock", *(self._below_site + name for name in _HOOK_FILES)}
        self._our_bytecode = (site + b"/__pycache__/_sysvenv.", site + b"/__pycache__/_sysvenv_gate.")

    def kind(self, path: bytes, mode: int) -> Kind:
        """Kind of the tree path `path` with st_mode `mode`. The first fitting rule decides.

        Of a directory it says what an empty one is: part of the skeleton installers make, or somebody's own.
        """
        if path in self._ours or path.startswith(self._our_bytecode):
            return OURS
        if S_ISDIR(mode):
            return ENVIRONMENT if path.split(b"/", 1)[0] in _SKELETON else DATA
        if not S_ISREG(mode):
            return ENVIRONMENT if S_ISLNK(mode) else DATA
        if path.endswith(b".pyc") or in_cache(path):
            return ENVIRONMENT if self._is_sourceless(path) else BYTECODE
        if path.startswith(b"bin/") or path in _ROOT_FILES:
            return ENVIRONMENT
        if path.startswith(self._below_site) and _is_code(path[len(self._below_site) :]):
            return ENVIRONMENT
        if path in self._known or self._is_claimed(path):
            return ENVIRONMENT
        return DATA

    def _is_sourceless(self, path: bytes) -> bool:
        """Whether `path` is a module shipped as bytecode only: nothing could build it again, so it is no
        cache.

        Python imports pkg/m.pyc only where there is no pkg/m.py; what lies in __pycache__ never without its
        source.
        """
        if in_cache(path) or not path.startswith(self._below_site):
            return False
        return not os.path.lexists(os.path.join(os.fsencode(self._root), path[:-1]))

    def _is_claimed(self, path: bytes) -> bool:
        """Whether a RECORD names it. Only what just came is asked for, so the newest are read first, until one does."""
        if self._unread is None:
            self._unread = iter(dists.newest_first(self._root, dists.find_locations(self._root, self._site)))
        while path not in self._recorded:
            location = next(self._unread, None)
            if location is None:
                return False
            self._recorded |= dists.claims(self._root, location)
        return True


def source_of(pyc: bytes) -> bytes | None:
    """The source a bytecode path was compiled from; None if the path is no bytecode of a source.

    PEP 3147 `pkg/__pycache__/m.cpython-311.opt-1.pyc` and the legacy `pkg/m.pyc` both come from `pkg/m.py`.
    """
    if not pyc.endswith(b".pyc"):
        return None
    directory, slash, name = pyc.rpartition(b"/")
    parent, _, last = directory.rpartition(b"/")
    if last != b"__pycache__":
        return pyc[:-1] if name != b".pyc" else None
    # Tools put their own name and version behind the tag: test_x.cpython-311-pytest-8.3.4.pyc
    module = _CACHE_TAG.split(name)[0]
    if not module or module == name:
        return None
    return (parent + slash if parent else b"") + module + b".py"


def in_cache(path: bytes) -> bool:
    """Whether a path is what Python can build again from its source: anything in __pycache__."""
    return b"/__pycache__/" in path or path.startswith(b"__pycache__/")


def _is_code(path: bytes) -> bool:
    """Whether a path in site-packages (relative to it) is the environment by its name alone."""
    if path.endswith(_IMPORTABLE):
        return True
    if b"/" not in path:
        return path.endswith(_SITE_FILES) or path.endswith((b".egg", b".egg-info"))
    # `~umpy/...` is what pip moved aside and did not get to delete: no RECORD names it, nobody keeps data
    # there.
    return path.startswith(b"~") or any(part in path for part in _METADATA_DIRS)
