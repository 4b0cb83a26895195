"""Measures sysvenv beside its peers: every scenario, or with --quick the gate that CI runs."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import filesystems, machine, readme, report, results
from benchmarks.fingerprint import StatesDiffer
from benchmarks.homes import remove
from benchmarks.pairs import CommandFailed, adopt_orphans
from benchmarks.results import Results
from benchmarks.scenarios import FILESYSTEM_BOUND, QUICK, SCENARIOS, load
from benchmarks.workplace import Workplace

CAVEATS = (
    "One machine. Quote the ratios: both sides of each ran in turn; seconds differ from machine to machine.",
    "Everything is warm: wheels, uv's cache and all files read are in memory, and no network is used.",
    "pip and uv are given their wheels, and uv the old lock, beforehand; people who want to go back seldom have them.",
    "pip and uv bring back the same versions; sysvenv the same files, edited ones and bytecode included.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for. Returns an exit code."""
    asked = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    adopt_orphans()
    if asked.list:
        for name, summary in {**SCENARIOS, **QUICK}.items():
            print(f"{name:<14} {summary}")
        return 0
    if asked.readme:
        return readme.rewrite()
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sysvenv-benchmarks")
    try:
        with _work(asked.work or os.path.join(cache, "work")) as work:
            return _measure(asked, work, cache)
    except (CommandFailed, StatesDiffer, OSError) as error:
        print(f"benchmarks/run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks/run: interrupted; what it made is gone, but for downloads", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--full", action="store_true", help="every scenario, on every file system there is (default)")
    which.add_argument(
        "--quick", action="store_true", help="three minutes, offline; fails when a bar is missed by 20 %%"
    )
    which.add_argument(
        "--only", metavar="SCENARIO", action="append", choices=[*SCENARIOS, *QUICK], help="just this one"
    )
    which.add_argument("--list", action="store_true", help="list the scenarios")
    which.add_argument("--readme", action="store_true", help="write README's figures anew from the committed results")
    parser.add_argument("--work", metavar="DIR", help="where to work, to measure the file system DIR is on")
    parser.add_argument("--json", metavar="FILE", help="write the figures of --quick or --only there")
    parser.add_argument(
        "--keep", action="store_true", help="with --only: put the figures into the committed results of the file system"
    )
    asked = parser.parse_args(arguments)
    if asked.keep and not asked.only:
        parser.error("--keep goes with --only; a full run keeps its figures anyway")
    return asked


def _measure(asked: argparse.Namespace, work: str, cache: str) -> int:
    names = list(QUICK) if asked.quick else asked.only or list(SCENARIOS)
    place = _run(names, os.path.join(work, "here"), cache, asked.quick)
    here = place.results
    everything = not (asked.quick or asked.only)
    _tell(here, asked.json)
    if asked.keep:
        results.keep(here.document, update=True)
    if everything:
        results.keep(here.document)
        for kind in filesystems.IMAGES:
            _elsewhere(kind, work, place)
    if everything or asked.keep:
        plots = importlib.import_module("benchmarks.plots")  # matplotlib: half a second nobody else should wait
        plots.draw(results.FOLDER)
        print(f"\nWritten to {results.FOLDER}; benchmarks/run --readme takes the figures into README.md.")
    return _judge(here) if asked.quick else 0


def _judge(found: Results) -> int:
    """Say which gated bars were missed by too much. Returns an exit code."""
    missed, kept = report.gate(found.document)
    for line in missed:
        print(f"FAILED {line}")
    print(f"gate: {kept} passed, {len(missed)} failed")
    return 1 if missed else 0


def _run(names: Sequence[str], root: str, cache: str, quick: bool, first: Workplace | None = None) -> Workplace:
    """Run scenarios in one directory."""
    os.makedirs(root)
    place = Workplace(root, cache, Results(machine.facts(root), [*CAVEATS, *machine.caveats(root)]), quick, first)
    for name in names:
        place.say(f"scenario {name}")
        load(name)(place)
    place.say("done")
    return place


def _elsewhere(kind: str, work: str, place: Workplace) -> None:
    """The scenarios that depend on the file system, on an image of that kind; or a sentence why not."""
    here = place.results
    if here.document["machine"]["filesystem"] == kind:
        return
    if why := filesystems.obstacle(kind):
        print(f"\n{kind} was not measured: {why}")
        here.skipped(f"{kind}: {why}")
        results.keep(here.document)
        return
    with filesystems.mounted(kind, work) as point:
        there = _run(FILESYSTEM_BOUND, os.path.join(point, "here"), place.cache, quick=False, first=place)
        _tell(there.results, None)
        results.keep(there.results.document)


def _tell(found: Results, file: str | None) -> None:
    """Print the table; write the figures into a file, if one is asked for."""
    facts = found.document["machine"]
    print(f"\n{facts['cpu']}, {facts['cores']} cores, {facts['filesystem']}, Python {facts['python']}\n")
    print(report.table(found.document))
    for line in found.document["skipped"]:
        print(f"not measured: {line}")
    print(f"{len(found.document['checked'])} end states were compared and were the same", flush=True)
    if file:
        results.write(found.document, file)


@contextmanager
def _work(parent: str) -> Iterator[str]:
    """A directory of this run's own below `parent`, gone afterwards."""
    parent = os.path.abspath(parent)
    os.makedirs(parent, exist_ok=True)
    place = tempfile.mkdtemp(prefix="run-", dir=parent)
    print(f"benchmarks/run: works in {place}, which is deleted afterwards", file=sys.stderr)
    try:
        yield place
    finally:
        remove(place)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
