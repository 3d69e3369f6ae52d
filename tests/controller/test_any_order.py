"""Whatever order events come in, and wherever the controller dies, the end is the same.

What a simulation holds against every write is in `simulation.witness`.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.controller.simulation import scenarios
from tests.controller.simulation.world import World

SEEDS = st.integers(0, 2**63)


def patient(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None)


def told(world: World) -> dict[str, Any]:
    """What must not depend on the order: how it ended, after which attempts, at what cost."""
    status = world.status()
    result = {k: v for k, v in status["result"].items() if k not in ("failure", "metrics")}
    return {
        "phase": status["phase"],
        "retries": status["retries"],
        "attempts": [
            (entry["number"], entry["reason"], entry.get("exitCode"))
            for entry in status["attempts"]
        ],
        "result": result,
        "reasons": [(c["type"], c["reason"]) for c in status["conditions"]],
        "made": world.witness.made,
    }


@patient(300)
@given(seed=SEEDS)
def test_the_end_does_not_depend_on_order_or_crashes(seed: int) -> None:
    bumpy = scenarios.orderly(seed)
    straight = bumpy.world()
    straight.settle()
    assert told(bumpy.played()) == told(straight)


@patient(400)
@given(seed=SEEDS)
def test_no_trouble_makes_two_attempts_live_or_loses_a_result(seed: int) -> None:
    scenarios.troubled(seed).played()


@patient(400)
@given(seed=SEEDS)
def test_two_leaders_and_their_clocks_do_no_harm(seed: int) -> None:
    scenarios.two_leaders(seed).played()
