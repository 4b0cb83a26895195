"""Faults of the real command line: whichever system call fails, or is the last one before a kill, nothing is lost.

What tests/test_faults.py does within Python, where it works on every system, is done here to whole processes: sysvenv
as it is typed, its helpers and its successors, pip under the hook. After each fault: the tree is exactly the old or the
new one, the next command recovers by itself and says so, the way back works, and ``verify`` finds nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import tripwire
from effort import Effort
from fingerprint import Fingerprint
from scenes import SYSVENV, Scene
from takes import DONE, NEXT, OPERATIONS, PIPS, Bad, Take, judge_pip, stands_at, well
from tally import Count
from tripwire import ALL, CROSSING, GROWING, KILL, KILL_ONE, LINKING, Tripped, Wire

pytestmark = [pytest.mark.faults, pytest.mark.skipif(bool(tripwire.missing()), reason=tripwire.missing())]

MOST = 60
"""So many points where there are thousands, in a run that tries everything; where it only samples, one, as each takes
ten seconds."""
COMMON = frozenset({"kill", "kill one", "ENOSPC", "EIO"})
"""Of each other fault one point is enough in the plain run."""
SHOWN = 8
"""So many bad points are told in full."""
FAULTS = {
    "kill": Wire(KILL),
    "ENOSPC": Wire("ENOSPC", calls=GROWING, lasting=True),
    "EDQUOT": Wire("EDQUOT", calls=GROWING, lasting=True),
    "EIO": Wire("EIO"),
    "EMLINK": Wire("EMLINK", calls=LINKING),
    "EXDEV": Wire("EXDEV", calls=CROSSING),
    "EPERM": Wire("EPERM"),
    "EROFS": Wire("EROFS", calls=ALL, lasting=True),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The home, as in a play: put back for every take."""
    made = Scene(Path(os.path.realpath(tmp_path_factory.mktemp("scene"))))
    made.play()
    return made


@pytest.fixture(scope="module")
def take(scene: Scene) -> Callable[[str], Take]:
    """The take of an operation, played once without a fault."""
    return functools.cache(lambda name: Take(scene, OPERATIONS[name]))


def most(effort: Effort, kind: str, anew: bool = False) -> int:
    """How many points of an operation are tried at most; 0: as many as the run tries."""
    if anew:
        return 1 if effort.calls else MOST
    return 1 if effort.is_plain and kind not in COMMON else 0


def concluded(count: Count, operation: str, kind: str, tried: int, bad: list[str]) -> None:
    """Counted for the table, and an error if anything was bad."""
    count(operation, kind, tried, len(bad))
    assert not bad, "\n".join([f"{len(bad)} of {tried} bad", *bad[:SHOWN]])


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_loses_nothing(take: Callable[[str], Take], effort: Effort, count: Count, name: str, kind: str) -> None:
    """Each call of each command, killed before it or failing at it: the old state or the new one, and the way on."""
    if OPERATIONS[name].anew and effort.is_plain and kind not in ("kill", "ENOSPC"):
        pytest.skip("takes ten seconds: tests/run --faults")
    played, wire = take(name), FAULTS[kind]
    total = played.total(wire)
    assert total or kind in ("EMLINK", "EXDEV")
    tried, bad = 0, []
    for at in effort.chosen(total, name + kind, most(effort, kind, played.operation.anew)):
        outcome = played.broken(wire._replace(at=at))
        tried += 1
        try:
            played.judge(outcome)
        except (Bad, tripwire.Hangs) as error:
            calls = [call for call in outcome.calls if call.split()[0] in wire.calls]
            bad.append(
                f"{name}, {kind} at call {at} of {total} ({calls[at - 1] if at <= len(calls) else '-'}): {error}"
            )
    concluded(count, name, kind, tried, bad)


@pytest.mark.parametrize("name", ["undo of an edit", "restore", "clean to the baseline"])
def test_recovery_may_be_killed_too(
    scene: Scene, take: Callable[[str], Take], effort: Effort, count: Count, name: str
) -> None:
    """A command that finishes what was interrupted is killed at each of its calls: the one after it finishes both."""
    played = take(name)
    total = played.total(Wire(KILL))
    tried, bad = 0, []
    for first in effort._replace(calls=min(effort.calls or 12, 12)).chosen(total, name):
        played.broken(Wire(KILL, first))
        scene.keep("interrupted")
        recovery = scene.broken([SYSVENV, *NEXT], Wire())
        for second in effort.chosen(len(recovery.calls), name + str(first)):
            scene.lay("interrupted")
            scene.broken([SYSVENV, *NEXT], Wire(KILL, second))
            tried += 1
            try:
                played.judge(Tripped(-9, (), "", ""))
            except (Bad, tripwire.Hangs) as error:
                bad.append(f"{name}, killed at call {first}, recovery at {second} of {len(recovery.calls)}: {error}")
    concluded(count, f"recovery of {name}", "kill", tried, bad)


@pytest.fixture(scope="module")
def whole_pip(scene: Scene) -> Callable[[str], tuple[Fingerprint, Tripped]]:
    """What a pip begins with, and how it goes without a fault; judged once."""

    def played(name: str) -> tuple[Fingerprint, Tripped]:
        start, words = PIPS[name]
        scene.lay(start)
        old = scene.seen()
        whole = scene.broken(scene.pip(*words), Wire())
        assert whole.code == DONE, whole
        judge_pip(scene, whole, old)
        return old, whole

    return functools.cache(played)


PIP_FAULTS = {KILL_ONE: Wire(KILL_ONE), **FAULTS}


@pytest.mark.parametrize("kind", PIP_FAULTS)
@pytest.mark.parametrize("name", PIPS)
def test_one_undo_takes_a_broken_pip_back(
    scene: Scene,
    whole_pip: Callable[[str], tuple[Fingerprint, Tripped]],
    effort: Effort,
    count: Count,
    name: str,
    kind: str,
) -> None:
    """pip, its recorder or both are killed, or a call of either fails: one undo, and all is as it was before pip."""
    start, words = PIPS[name]
    old, whole = whole_pip(name)
    wire = PIP_FAULTS[kind]
    total = sum(call.split()[0] in wire.calls for call in whole.calls)
    tried, bad = 0, []
    for at in effort.chosen(total, name + kind, most(effort, kind)):
        scene.lay(start)
        outcome = scene.broken(scene.pip(*words), wire._replace(at=at))
        tried += 1
        try:
            judge_pip(scene, outcome, old)
            if at % 10 == 0:
                well(scene.run(scene.pip(*words)), "the same once more")
                well(scene.sysvenv("undo"), "undo of the same once more")
                stands_at(scene, old)
        except (Bad, tripwire.Hangs) as error:
            calls = [call for call in outcome.calls if call.split()[0] in wire.calls]
            bad.append(
                f"{name}, {kind} at call {at} of {total} ({calls[at - 1] if at <= len(calls) else '-'}): {error}"
            )
    concluded(count, name, kind, tried, bad)
