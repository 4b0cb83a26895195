"""Import names: the modules and packages that files in site-packages give, told from their paths alone."""

from __future__ import annotations

import os
from collections.abc import Iterable

_IMPORTABLE = (b".py", b".so", b".pyd")

NEVER_MEANT = frozenset({"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmarks", "scripts"})
"""What is at the top of many projects, and gets into wheels by mistake: nobody shares these on purpose."""


def import_names(paths: Iterable[bytes], site: bytes) -> dict[str, bool]:
    """The import names that tree paths below the site-packages `site` give.

    True: a module, or a package with an __init__, which is all that import finds under this name; False: only a part
    of a namespace package (PEP 420), to which others may add.
    """
    found: dict[str, bool] = {}
    start = len(site) + 1
    for path in paths:
        if not path.endswith(_IMPORTABLE) or not path.startswith(site):
            continue
        top, _, rest = path[start:].partition(b"/")
        name = os.fsdecode(top if rest else top.partition(b".")[0])
        whole = not rest or rest.partition(b".")[0] == b"__init__"
        if (whole or name not in found) and name.isidentifier():
            found[name] = whole
    return found


def places(name: str, site: bytes) -> tuple[bytes, bytes]:
    """How the tree paths that give an import name begin: a package's, and a module's."""
    place = site + b"/" + os.fsencode(name)
    return place + b"/", place + b"."
