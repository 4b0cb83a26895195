"""The plots, as SVG beside the results. The only module that imports matplotlib, and the last one to be loaded."""

from __future__ import annotations

import os

import matplotlib

from benchmarks import readme, results
from benchmarks.results import Document

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.figure import Figure

_COLOURS = {"pip": "#8c564b", "rebuild": "#d62728", "uv": "#9467bd", "sysvenv": "#1f77b4", "floor": "#b0b0b0"}
_ORDER = ("pip", "rebuild", "uv", "sysvenv", "floor")
_GROWING = ("adopt", "record", "gc", "audit", "undo", "floor")


def draw(folder: str) -> None:
    """Draw all plots of the results that README shows."""
    # The same figures give the same file: no date, no random ids.
    matplotlib.rcParams["svg.hashsalt"] = "sysvenv"
    document = results.read(readme.committed()[0])
    for name, figure in (("undo", ways_back(document)), ("growth", growth(document)), ("disk", disk(document))):
        if figure is not None:
            figure.savefig(os.path.join(folder, f"{name}.svg"), metadata={"Date": None}, bbox_inches="tight")
            pyplot.close(figure)


def ways_back(document: Document) -> Figure | None:
    """Seconds of each way back, one group of bars for each thing to be taken back."""
    rows = [row for row in readme.ROWS if row.seconds(document, "sysvenv") is not None]
    if not rows:
        return None
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 1.05 * len(rows)))
    height = 0.8 / len(_ORDER)
    for number, way in enumerate(_ORDER):
        drawn = [(at, seconds) for at, row in enumerate(rows) if (seconds := row.seconds(document, way)) is not None]
        positions = [at + number * height for at, _ in drawn]
        bars = axes.barh(
            positions, [seconds for _, seconds in drawn], height, color=_COLOURS[way], label=readme.HEADS[way]
        )
        axes.bar_label(bars, [f" {seconds:.2g} s" for _, seconds in drawn], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("seconds, logarithmic; shorter is better")
    axes.set_yticks([at + 0.4 - height / 2 for at in range(len(rows))], [row.what for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(_ORDER), frameon=False)
    return figure


def growth(document: Document) -> Figure | None:
    """Seconds over files, both logarithmic."""
    lines: dict[str, list[tuple[int, float]]] = {name: [] for name in _GROWING}
    for what, sides in document["figures"].items():
        if what.count("/") == 1 and what.startswith("growth/"):
            size = what.partition("/")[2]
            files = sides["undo"]["files"]
            found = {
                "undo": sides["undo"],
                "floor": sides["floor"],
                "audit": document["figures"].get(f"growth/{size}/audit", {}).get("status --check"),
                "record": document["figures"].get(f"growth/{size}/record", {}).get("sysvenv"),
                "gc": document["figures"].get(f"growth/{size}/gc", {}).get("gc"),
                "adopt": document["figures"].get(f"adopt/{size}", {}).get("sysvenv init"),
            }
            for name, figure in found.items():
                if figure is not None:
                    lines[name].append((files, figure["seconds"]))
    if not lines["undo"]:
        return None
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    words = {"record": "pip install, recorded", "audit": "status --check", "adopt": "init (adoption)"}
    for name, points in lines.items():
        if not points:
            continue  # results from before it was measured
        points.sort()
        style = "--" if name == "floor" else "-"
        axes.plot(*zip(*points, strict=True), style, marker="o", markersize=3, label=words.get(name, name))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("files in the venv")
    axes.set_ylabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    return figure


def disk(document: Document) -> Figure | None:
    """Disk beside the venv, as a share of it, for each way of keeping the states."""
    amounts = {**document["amounts"], **document["ratios"]}
    found = {
        'sysvenv, guard = "text"': amounts.get("disk/text/50-operations"),
        "sysvenv": amounts.get("disk/50-operations", amounts.get("disk/reflinks/50-operations")),
        "cp -al farms": amounts.get("disk/cp -al farms/50-operations, %"),
        "full copies": amounts.get("disk/full copies/50-operations, %"),
    }
    shown = {name: value for name, value in found.items() if value is not None}
    if len(shown) < 2:
        return None
    figure, axes = pyplot.subplots(figsize=(7, 2.2))
    bars = axes.barh(list(shown), list(shown.values()), color=_COLOURS["sysvenv"])
    axes.bar_label(bars, [f" {value:,.0f} %" for value in shown.values()], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("disk beside the ML venv after 50 operations, % of the venv, logarithmic")
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
