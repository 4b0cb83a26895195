"""What a run found, and the JSON file it is kept in."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TypedDict

from benchmarks.machine import Facts
from benchmarks.pairs import Sample, spread

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
VERSION = 1


class Figure(TypedDict, total=False):
    """One side of one comparison. Seconds; the middle is the median."""

    runs: int
    seconds: float
    low: float
    high: float
    cpu: float
    behind: float
    """Processor time of what was left running when the command had ended."""
    files: int


class Document(TypedDict):
    """The file."""

    version: int
    machine: Facts
    caveats: list[str]
    figures: dict[str, dict[str, Figure]]
    """What was compared -> side -> figure."""
    ratios: dict[str, float]
    """By the names that bars.py knows, and some without a bar."""
    amounts: dict[str, float]
    """What is no time: bytes, percentages, counts."""
    checked: list[str]
    """What was shown to have ended in the same state."""
    skipped: list[str]
    """What could not be measured here, and why."""


class Results:
    """Collects what the scenarios find."""

    def __init__(self, machine: Facts, caveats: Sequence[str] = ()) -> None:
        self.document: Document = {
            "version": VERSION,
            "machine": machine,
            "caveats": list(caveats),
            "figures": {},
            "ratios": {},
            "amounts": {},
            "checked": [],
            "skipped": [],
        }

    def figure(self, what: str, side: str, samples: Sequence[Sample], files: int = 0) -> None:
        """Note the samples of one side."""
        wall = spread([sample.wall for sample in samples])
        figure: Figure = {
            "runs": wall.runs,
            "seconds": significant(wall.middle),
            "low": significant(wall.low),
            "high": significant(wall.high),
            "cpu": significant(spread([sample.cpu for sample in samples]).middle),
        }
        behind = spread([sample.behind for sample in samples]).middle
        if behind >= 0.001:
            figure["behind"] = significant(behind)
        if files:
            figure["files"] = files
        self.document["figures"].setdefault(what, {})[side] = figure

    def ratio(self, name: str, value: float) -> None:
        """Note a ratio, or what bars.py calls one."""
        self.document["ratios"][name] = significant(value)

    def amount(self, name: str, value: float) -> None:
        """Note what is no time."""
        self.document["amounts"][name] = significant(value)

    def checked(self, text: str) -> None:
        """Note a comparison of states that held."""
        if text not in self.document["checked"]:
            self.document["checked"].append(text)

    def skipped(self, text: str) -> None:
        """Note what could not be measured, and why."""
        self.document["skipped"].append(text)


def keep(document: Document, *, update: bool = False) -> None:
    """Make a document the committed results of its file system; to ``update`` them, in place of the same figures."""
    place = path(str(document["machine"]["filesystem"]))
    if update and os.path.exists(place):
        document = merged(read(place), document)
    write(document, place)


def merged(kept: Document, found: Document) -> Document:
    """What was kept, with what was found anew in place of the same."""
    return {
        **kept,
        "machine": found["machine"],
        "caveats": found["caveats"],
        "figures": {**kept["figures"], **found["figures"]},
        "ratios": {**kept["ratios"], **found["ratios"]},
        "amounts": {**kept["amounts"], **found["amounts"]},
        "checked": list(dict.fromkeys([*kept["checked"], *found["checked"]])),
    }


def significant(value: float) -> float:
    """`value` with four significant digits: more would be noise, and would make each new file differ everywhere."""
    return float(f"{value:.4g}")


def path(filesystem: str) -> str:
    """Of the committed results of one file system."""
    return os.path.join(FOLDER, f"{filesystem}.json")


def write(document: Document, path: str) -> None:
    """Keep a document; its keys in a fixed order."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")


def read(path: str) -> Document:
    """A document that was kept. Raises FileNotFoundError, and ValueError for a version we do not know."""
    with open(path, encoding="utf-8") as file:
        document: Document = json.load(file)
    if document["version"] != VERSION:
        raise ValueError(f"{path} is of version {document['version']}, not {VERSION}: run benchmarks/run again")
    return document
