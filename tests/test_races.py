"""Races: ten processes at once on one home, for as long as we like."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from effort import Effort
from scenes import SYSVENV, Scene
from tally import Count

from sysvenv.errors import EXIT_CODES
from sysvenv.history import History
from sysvenv.home import Home

AT_ONCE = 10
SECONDS = 120
"""Whoever takes longer than that, all others done, is in a deadlock."""
SYSVENVS = [
    ["undo"], ["undo", "2"], ["redo"], ["restore", "@0"], ["restore", "@2"], ["snapshot", "named", "--force"],
    ["history"], ["history", "--detailed"], ["status"], ["status", "--check"], ["verify"], ["diff", "@1"],
    ["undo", "--no-wait"], ["clean", "--keep-baseline", "--no-wait"], ["gc"], ["gc", "--max-entries", "8"], ["du"],
]  # fmt: skip
PIPS = [
    ["install", "--no-deps", "demo==1.0"], ["install", "--no-deps", "demo==2.0"], ["uninstall", "--yes", "demo"],
    ["install", "--no-deps", "--force-reinstall", "other"],
]  # fmt: skip


class Run:
    """One command that is running, or was."""

    def __init__(self, scene: Scene, words: list[str], place: Path, number: int) -> None:
        self.words = words
        self.is_pip = words in PIPS
        self.said = place / f"{number}"
        command = scene.pip(*words) if self.is_pip else [SYSVENV, *words]
        with open(self.said, "w") as file:
            self.process = subprocess.Popen(
                command, env=scene.environ, cwd="/", stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    def trouble(self) -> str:
        """What is wrong with how it ended; "" if nothing."""
        code, said = self.process.wait(SECONDS), self.said.read_text(errors="replace")
        self.said.unlink()
        wrong = "Traceback" in said or "should not happen" in said or "internal error" in said
        if code not in (EXIT_CODES if not self.is_pip else (0, 1)) or code in (2, 4) or wrong or "not recorded" in said:
            return f"{' '.join(self.words)}: exit code {code}: {said}"
        return ""


@pytest.mark.faults
@pytest.mark.slow
def test_ten_at_once(tmp_path: Path, effort: Effort, count: Count) -> None:
    """Installing, undoing, naming, pruning, reading at the same time: one after the other, and each state is whole."""
    scene = Scene(Path(os.path.realpath(tmp_path)) / "races")
    scene.play()
    scene.lay("two")
    chance = random.Random(effort.seconds)
    until = time.monotonic() + effort.seconds
    running: list[Run] = []
    bad: list[str] = []
    started = 0
    while running or time.monotonic() < until:
        while len(running) < AT_ONCE and time.monotonic() < until:
            words = chance.choice(PIPS if chance.random() < 0.3 else SYSVENVS)
            running.append(Run(scene, words, tmp_path, started))
            started += 1
        ended = [run for run in running if run.process.poll() is not None]
        bad += filter(None, (run.trouble() for run in ended))
        running = [run for run in running if run not in ended]
        if time.monotonic() > until + SECONDS:
            bad.append(f"deadlock: {[run.words for run in running]}")
            for run in running:
                run.process.kill()
                run.process.wait()
            break
        time.sleep(0.01)
    bad += states_that_are_mixed(scene)
    answer = scene.sysvenv("verify")
    if answer.code:
        bad.append(f"verify: {answer}")
    count(f"{AT_ONCE} processes at once", "races", started, len(bad))
    assert not bad, "\n".join(bad[:5])
    assert started > AT_ONCE


def states_that_are_mixed(scene: Scene) -> list[str]:
    """The operations whose recorded state has files of one version of demo beside those of another."""
    mixed = []
    for operation in History(Home.at(str(scene.root))).all()[0]:
        answer = scene.sysvenv("restore", f"@{operation.number}")
        if answer.code:
            mixed.append(f"restore @{operation.number}: {answer}")
            continue
        versions = set()
        for path, text in {"demo/only_in_one.py": "1", "demo/deep/new.py": "2"}.items():
            if (scene.site / path).exists():
                versions.add(text)
        if (scene.site / "demo/__init__.py").exists():
            versions.add((scene.site / "demo/__init__.py").read_text().split()[-1])
        versions |= {path.name[5] for path in scene.site.glob("demo-*.dist-info")}
        if len(versions) > 1:
            mixed.append(f"@{operation.number} is a mixture of {sorted(versions)}")
    return mixed
