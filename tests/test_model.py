"""The model: random lives of an environment, beside a plain copy of each of its states."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from effort import Effort
from effort import of as effort_of
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from tally import Count
from world import ACTIONS, LIKELY, World

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("unflushed")]

THOROUGH = 50
"""After so many steps the store is verified as well."""


class Life(RuleBasedStateMachine):
    """Hypothesis chooses, and finds the shortest life that goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory(prefix="life-")
        self.world = World(Path(self.place.name, "home"))

    @rule(
        action=st.sampled_from([name for name in ACTIONS for _ in range(LIKELY.get(name, 1))]),
        number=st.integers(0, 1000),
    )
    def live(self, action: str, number: int) -> None:
        ACTIONS[action](self.world, number)
        self.world.check()

    def teardown(self) -> None:
        self.world.check_store()
        self.place.cleanup()


def test_short_lives(isolated: Path) -> None:
    """Whatever is done in whatever order: each state comes back exactly, and the user's files stay."""
    chosen = settings(
        max_examples=12,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=chosen)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many long lives as this run is to try."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, effort_of(metafunc.config).seeds + 1))


def test_a_long_life(tmp_path: Path, effort: Effort, count: Count, seed: int) -> None:
    """The same for thousands of steps in one home, and at its end every state it ever had."""
    chance = random.Random(seed)
    world = World(tmp_path / "packages")
    names = [name for name in ACTIONS for _ in range(LIKELY.get(name, 1))]
    done = 0
    try:
        for done in range(1, effort.steps + 1):
            name, number = chance.choice(names), chance.randrange(1000)
            world.steps.append(f"{name}({number})")
            ACTIONS[name](world, number)
            world.check()
            if done % THOROUGH == 0:
                world.check_store()
        assert world.interrupted > 0, "nothing was interrupted"
    except Exception as error:
        count("model, steps", "any", done, 1)
        raise AssertionError(f"seed {seed}, step {done}: {error}\n" + "\n".join(world.steps[-12:])) from error
    count("model, steps", "any", done, 0)
