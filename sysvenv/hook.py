"""The files we lay into a managed venv so that its pip calls us. What they do: sysvenv/pip_hook.py and pip_gate.py.

A ``.pth`` line is the only way in that every pip takes: wrappers in ``bin/`` are overwritten by one
``pip install --force-reinstall pip``, sitecustomize is shadowed on Debian, shims on the PATH miss
``python -m pip``. PEP 829 retires import lines after Python 3.17 in favour of ``.start`` files; hence both.
"""

from __future__ import annotations

import os

from store import trees
from sysvenv.home import Home

# Every start of the venv's Python runs this line, so it only looks for the word in the command line, which
# costs a microsecond. sys.orig_argv came with Python 3.10; before, the module itself looks. A damaged module
# costs one line on stderr, not pip; one, although the line runs twice (cpython #75723). No bytecode of ours is
# written, so that a pip which changes nothing leaves every directory's time alone; compiling costs it 8 ms.
_PTH = (
    "import sys; 'pip' in ' '.join(getattr(sys, 'orig_argv', ('pip',))) and exec('"
    r"keep = sys.dont_write_bytecode\ntry:\n try:\n  sys.dont_write_bytecode = True; import _sysvenv\n"
    r" finally:\n  sys.dont_write_bytecode = keep\n _sysvenv.start()\n"
    r"except Exception as error:\n getattr(sys, \'_sysvenv_told\', 0) or sys.stderr.write("
    r'f"sysvenv: the hook of this venv is damaged ({error}); '
    r'this pip is not recorded. Run sysvenv doctor --fix\\n")'
    r"\n sys._sysvenv_told = 1"
    "')\n"
)
_START = "_sysvenv:start\n"
_BAKED = 'TOOL_PYTHON = ""'
_BAKED_HOME = 'HOME = ""'
_IMPORT = "from sysvenv import pip_gate"


def files(tool_python: str, site: bytes, home: Home | None = None) -> dict[bytes, bytes]:
    """Tree path -> contents, for a venv whose site-packages is `site` (relative to the venv).

    A venv that lies in its home finds it there; into others the `home` is written.

    `tool_python` is the interpreter sysvenv is installed in; it is named here as given, so that a symlink
    (``current/bin/python``) goes on naming the newest tool environment.
    """
    gate = _source("pip_gate.py").replace(_BAKED, f"TOOL_PYTHON = {tool_python!a}", 1)
    module = _source("pip_hook.py").replace(_IMPORT, "import _sysvenv_gate as pip_gate", 1)
    if home is not None and home.is_tracked:
        module = module.replace(_BAKED_HOME, f"HOME = {home.root!a}", 1)
    return {
        site + b"/_sysvenv_gate.py": gate.encode(),
        site + b"/_sysvenv.py": module.encode(),
        site + b"/_sysvenv.start": _START.encode(),
        site + b"/_sysvenv.pth": _PTH.encode(),
    }


def _source(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as stream:
        return stream.read()


def missing(home: Home, site: bytes, tool_python: str) -> list[bytes]:
    """Tree paths of the hook's files that are absent from the home's venv or not as `lay` writes them."""
    return [path for path, content in files(tool_python, site, home).items() if _read(home.venv, path) != content]


def lay(home: Home, site: bytes, tool_python: str) -> list[bytes]:
    """Write what `missing` names, and return it.

    The modules come before the line that calls them, so there is no instant at which the hook is damaged. Raises
    OSError, and StoreError where site-packages is reached through a symlink.
    """
    written = trees.lay_ours(os.fsencode(home.area), os.fsencode(home.venv), files(tool_python, site, home))
    if any(path.endswith(b".py") for path in written):
        _drop_bytecode(home.venv, site)
    return written


def remove(root: str, site: bytes) -> None:
    """Take the hook out of the venv `root`: pip is then as if we had never been there. Raises OSError."""
    for path in reversed(files("", site)):
        try:
            os.unlink(_join(root, path))
        except FileNotFoundError:
            continue
    _drop_bytecode(root, site)


def _drop_bytecode(root: str, site: bytes) -> None:
    """Bytecode counts as current if its source has the same size and mtime *in seconds*: not enough here."""
    cache = _join(root, site + b"/__pycache__")
    try:
        names = os.listdir(cache)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith((b"_sysvenv.", b"_sysvenv_gate.")):
            os.unlink(os.path.join(cache, name))


def _read(root: str, path: bytes) -> bytes | None:
    try:
        with open(_join(root, path), "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _join(root: str, path: bytes) -> bytes:
    return os.path.join(os.fsencode(root), path)
