"""Where a scenario works: a directory on the file system measured, the tool, clean surroundings, and the results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from benchmarks import fingerprint, pairs
from benchmarks.bars import BY_RATIO
from benchmarks.pairs import CommandFailed, Side
from benchmarks.results import Results

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_AGAIN = (2, 3)
"""How many times the runs a measurement gets that is repeated."""

FLOOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "floor.py")


class Workplace:
    """Everything a scenario is handed. Commands run without the user's settings and without a network."""

    def __init__(self, root: str, cache: str, results: Results, quick: bool, first: Workplace | None = None) -> None:
        """`root` is ours to fill and is deleted by whoever made it; `cache` outlives the run."""
        self.root = root
        self.cache = cache
        self.results = results
        self.quick = quick
        self.first = first
        """On a second file system: the place on the first one, where all that does not depend on it was measured."""
        self.tool = sys.executable
        """Interpreter of the environment sysvenv is installed in; the floor uses the same."""
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        """One line of progress, with the minutes since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", file=sys.stderr, flush=True)

    def path(self, *parts: str) -> str:
        """A path in the place, its directory made."""
        path = os.path.join(self.root, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def environ(self, **extra: str) -> dict[str, str]:
        """For every command, measured or not: a HOME of its own, pip and uv offline, no settings but ours."""
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        home = os.path.join(self.root, "user")
        os.makedirs(home, exist_ok=True)
        return {
            **kept,
            "HOME": home,
            "MPLCONFIGDIR": os.path.join(home, "matplotlib"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_QUIET": "1",
            "UV_OFFLINE": "1",
            "UV_NO_CONFIG": "1",
            "UV_LINK_MODE": "hardlink",
            "UV_CACHE_DIR": self.path("uv-cache"),
            "SYSVENV_YES": "1",
            **extra,
        }

    def run(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
        """Run a command untimed; what it printed. Raises CommandFailed."""
        environ = environ or self.environ()
        nothing = subprocess.DEVNULL
        answer = subprocess.run(command, env=environ, stdin=nothing, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise CommandFailed(f"exit code {answer.returncode}: {' '.join(command)}\n{answer.stderr[-2000:]}")
        return answer.stdout

    def floor(self, tree: str) -> Side:
        """The floor for all files that are in `tree` now; they must be there whenever it runs."""
        listing = self.path("listings", tree.strip("/").replace("/", "-"))
        with open(listing, "wb") as file:
            for path in files(tree):
                file.write(os.fsencode(path) + b"\0")
        return Side("floor", [[self.tool, "-I", FLOOR, listing]], self.environ())

    def compare(
        self,
        figure: str,
        sides: Sequence[Side],
        runs: int,
        ratios: Mapping[str, tuple[str, str]],
        sync: bool = False,
        files: int = 0,
        warm: int = 1,
    ) -> None:
        """Time the sides in turn and note their figures and ratios; `ratios` names (side above, side below).

        With `quick`, gated ratios far worse than their bars are measured again, with twice and three times the
        runs, and the last measurement counts: a busy neighbour must not fail a build, what is slow fails thrice.
        """
        names = ", ".join(side.name for side in sides)
        self.say(f"{figure}: {names}, {runs} runs each")
        series = pairs.alternate(sides, runs, warm, sync)
        for more in _AGAIN if self.quick else ():
            if not any(self._intolerable(series, ratio, *both) for ratio, both in ratios.items()):
                break
            self.say(f"{figure}: worse than its bar; again, {more * runs} runs each")
            series = pairs.alternate(sides, more * runs, warm, sync)
        for name, samples in series.items():
            self.results.figure(figure, name, samples, files)
        for ratio, (above, below) in ratios.items():
            self.results.ratio(ratio, _ratio(series, above, below))

    def check(self, seen: fingerprint.Fingerprint, expected: fingerprint.Fingerprint, what: str) -> None:
        """Note that two trees are the same to the byte. Raises StatesDiffer."""
        fingerprint.expect_same(seen, expected, what)
        self.results.checked(f"{what}: the same {len(seen):,} paths, to the byte, mode and mtime")

    def check_distributions(self, root: str, other: str, what: str) -> None:
        """Note that two venvs hold the same distributions with the same files. Raises StatesDiffer."""
        fingerprint.expect_distributions(root, other, what)
        self.results.checked(f"{what}: the same distributions with the same RECORDs")

    def _intolerable(self, series: pairs.Series, ratio: str, above: str, below: str) -> bool:
        bar = BY_RATIO.get(ratio)
        return bar is not None and bar.gated and not bar.tolerable(_ratio(series, above, below))


def _ratio(series: pairs.Series, above: str, below: str) -> float:
    return pairs.ratio([sample.wall for sample in series[above]], [sample.wall for sample in series[below]])


def files(tree: str) -> list[str]:
    """Absolute paths of everything in `tree` that is no directory."""
    found = []
    for directory, _, names in os.walk(tree):
        found += [os.path.join(directory, name) for name in names]
    return found
