"""The bars: how fast is fast enough, as data. The report, the gate of `--quick` and the README all read this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TOLERANCE = 1.2
"""`--quick` fails where a gated ratio is worse than its bar by more than this factor."""


class Bar(NamedTuple):
    """One limit on one ratio."""

    ratio: str
    """Name of the ratio in the results."""
    what: str
    """What is compared with what, for people."""
    limit: float
    at_most: bool = True
    """Whether the ratio must stay below the limit or reach it."""
    gated: bool = False
    """Whether `--quick` fails on it: ratios against the floor and against plain pip."""
    unit: str = "x"
    """Of value and limit: "x" for ratios, "%" of the venv, "MB"."""

    def met(self, value: float) -> bool:
        """Whether `value` keeps the bar."""
        return value <= self.limit if self.at_most else value >= self.limit

    def tolerable(self, value: float) -> bool:
        """Whether `value` keeps the bar or misses it by no more than TOLERANCE."""
        return value <= self.limit * TOLERANCE if self.at_most else value >= self.limit / TOLERANCE


def _floors() -> list[Bar]:
    limits = {"1k": 1.2, "9k": 1.0, "20k": 0.85, "ml": 0.85, "50k": 0.85, "100k": 0.85, "200k": 0.85}
    found = []
    for size, limit in limits.items():
        files = "ML venv" if size == "ml" else f"{size} files"
        for verb in ("undo", "redo", "restore"):
            found.append(Bar(f"{verb}/{size}", f"{verb} / floor, {files}", limit, gated=True))
        if limit == 0.85 and size != "ml":
            found.append(Bar(f"undo-one-core/{size}", f"undo / floor, {files}, one core", 1.45, gated=True))
    for operation in ("twenty", "whole"):
        for verb in ("undo", "redo"):
            found.append(Bar(f"{verb}/ml-{operation}", f"{verb} / floor, ML venv, {_INSTALLED[operation]}", 0.85))
    return found


_INSTALLED = {"twenty": "20 packages upgraded", "whole": "all of it installed"}

_RECORDED = {
    "fresh-no-deps": "fresh venv, --no-deps",
    "fresh": "fresh venv",
    "ml-no-deps": "ML venv, --no-deps",
    "ml": "ML venv",
    "9k-no-deps": "9k files, --no-deps",
}

BARS = (
    *_floors(),
    Bar("undo/200k-to-100k", "undo at 200k / undo at 100k files", 2.2),
    Bar("undo/1000-to-1-operations", "undo with 1,000 operations of history / with one, each against its floor", 1.1),
    Bar("undo/reinstall", "pip uninstall + reinstall of the ML stack / undo", 300, at_most=False),
    Bar("undo/rebuild", "venv rebuilt from pip freeze / undo", 450, at_most=False),
    Bar("switch/to-ml/uv", "uv pip sync --offline / ready switch to ML", 3, at_most=False),
    Bar("switch/to-web/uv", "uv pip sync --offline / ready switch to web", 3, at_most=False),
    Bar("first-import/uv", "uv pip sync, first import / restore, first import", 2.3, at_most=False),
    Bar("switch/not-ready/to-ml", "switch to ML, not ready / cp -al of it", 1.15),
    Bar("switch/not-ready/to-web", "switch to web, not ready / cp -al of it", 1.15),
    *(
        Bar(f"record/{where}", f"pip install six, recorded / plain pip, {words}", 1.10, gated=True)
        for where, words in _RECORDED.items()
    ),
    Bar("record/stack", "pip install of a whole stack, recorded / plain pip", 1.12, gated=True),
    Bar("adopt/ml", "first adoption of the ML venv / cp -a and sync", 1.2),
    Bar("start/status", "status / python -I -c 'import click'", 1.4),
    Bar("start/help", "--help / python -I -c 'import click'", 1.4),
    Bar("start/hook", "python -c pass in the managed venv / without the hook", 1.07),
    Bar("disk/adopted", "disk beside the ML venv after adoption, one spare included", 22, unit="%"),
    Bar("disk/50-operations", "disk beside the ML venv after 50 one-package operations", 25, unit="%"),
    Bar("disk/text/adopted", 'disk beside the ML venv with store.guard = "text", after adoption', 12, unit="%"),
    Bar(
        "disk/text/50-operations",
        'disk beside the ML venv with store.guard = "text", after 50 operations',
        15,
        unit="%",
    ),
    Bar("sharing/restore", "disk of ten environments with one stack / one, filled by restore", 1.5),
    Bar("sharing/uv", "disk of ten environments with one stack / one, filled by uv", 1.5),
    Bar("disk/reflinks/adopted", "disk beside the ML venv where blocks can be shared, after adoption", 4, unit="%"),
    Bar(
        "disk/reflinks/50-operations",
        "disk beside the ML venv where blocks can be shared, after 50 operations",
        4,
        unit="%",
    ),
    Bar("memory/undo/ml", "peak memory of undo, ML venv", 45, unit="MB"),
    Bar("memory/undo/200k", "peak memory of undo, 200k files", 130, unit="MB"),
    Bar("memory/adopt/ml", "peak memory of init, ML venv", 120, unit="MB"),
    Bar("memory/record/ml", "peak memory of a recorded pip install, pip included, ML venv", 120, unit="MB"),
    Bar("memory/adopt/200k", "peak memory of init, 200k files", 400, unit="MB"),
    Bar("memory/record/200k", "peak memory of a recorded pip install, pip included, 200k files", 400, unit="MB"),
)

BY_RATIO: Mapping[str, Bar] = {bar.ratio: bar for bar in BARS}

_BOTH = "what the two states do not share is looked at in both trees, by the floor in one"
HELD_BY: Mapping[str, str] = {
    "restore/ml": "from one stack to another it looks at both trees, 48,000 entries, the floor at 34,000: undo "
    "between the two takes nine tenths of this. The rest is two more durable records and counting what differs",
    "undo/20k": "0.78 x in a run before, on the same machine",
    "switch/not-ready": "0.12 s of it is what a ready switch takes, to start, to look at the tree that is left and to "
    "exchange it; laying out alone takes 0.8 to 1.0 x cp -al (`switch/ready` and `switch/not-ready` in the JSON)",
    "undo/ml-twenty": _BOTH,
    "redo/ml-twenty": _BOTH,
    "undo/rebuild": "how long pip takes differs most from machine to machine: 371 to 492 x in the runs so far",
    "record": "the audit of what was there before takes both cores while pip's own start takes one, 0.7 s of the "
    "processor against 0.5 in the ML venv (`cpu` in the JSON); what pip does not leave idle is seen",
}
"""What holds a bar where it is missed, and how that can be seen; by the ratio's name, or how it begins."""

_DURABLE = (
    "an fsync takes 1.0 to 1.8 ms there, as it goes through two file systems, and 0.4 on the one the file lies in; "
    "undo makes 6, restore 10 (`strace -f -T -e fsync`). That is about half of what XFS lacks at 20k files; the rest "
    "is the processor's (`cpu` in the JSON) and was not looked into"
)
HELD_BY_IMAGES: Mapping[str, str] = {
    "undo": _DURABLE,
    "redo": _DURABLE,
    "restore": _DURABLE,
    "switch": "uv makes nothing durable (`strace -f -e fsync,fdatasync,syncfs`), sysvenv all it does",
    "switch/not-ready": "without what a ready switch takes, 1.1 and 1.4 x on XFS, 1.7 and 1.8 x on btrfs; why two "
    "processes gain less there was not looked into",
    "adopt": "cp -a shares all blocks there and reads no file (FICLONE), adoption reads and digests each",
    "disk/reflinks": "copies that share all blocks still take inodes and names, and of small files their bytes",
}
"""The same for file systems in an image."""


def what_holds(bar: Bar, held_by: Mapping[str, str]) -> str:
    """What is known of that: of the ratio, or of its first words; "" if nothing."""
    words = bar.ratio.split("/")
    names = ["/".join(words[:count]) for count in range(len(words), 0, -1)]
    return next((held_by[name] for name in names if name in held_by), "")
