"""Scenarios: what a world begins with, and what happens in it, drawn from a seed.

Drawn by weights and not by Hypothesis itself, whose lists repeat themselves: a hang wants a
report, then time, then a pass, in this order, and nothing that ends the pod in between.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.controller.simulation.api_server import Body
from tests.controller.simulation.replica import FATES
from tests.controller.simulation.world import World

Step = tuple[Any, ...]

ORDERLY: Final = {
    "flow": 8, "jobs": 2, "kubelet": 2, "end": 2, "hear": 3, "follow": 4, "relist": 1,
    "restart": 1, "time": 1, "advance": 4, "work": 2,
}  # fmt: skip
"""What happens without any fault of the cluster's and without anybody's asking, and how often."""
TROUBLE: Final = {
    **ORDERLY, "flow": 14, "time": 5, "report": 5, "queue": 2, "edit": 4, "garbage": 1,
    "delete_pod": 1, "evict_pod": 1, "lose_node": 1, "delete_child": 1,
}  # fmt: skip
TWO_LEADERS: Final = {
    **TROUBLE, "take_over": 6, "advance": 8, "work": 6, "follow": 12, "restart": 0,
}  # fmt: skip

_CODES: Final = (0, 0, 1, 64, 69, 70, 71, 72, 73, 75, 137)
_CONDITIONS: Final = ("Complete", "Failed", "Finished")


@dataclass(frozen=True)
class Scenario:
    """A world, and what happens in it before everything goes well again."""

    specs: Mapping[str, Body]
    codes: Sequence[int]
    steps: Sequence[Step]
    skews: Sequence[int] = (0,)
    node_skew: int = 0

    def world(self) -> World:
        """Returns the world before anything has happened in it."""
        return World(self.specs, self.codes, self.skews, self.node_skew)

    def played(self) -> World:
        """Returns the world after all of it, and after everything has come to rest.

        Raises:
            AssertionError: Something happened that must not.
        """
        world = self.world()
        for name, *arguments in self.steps:
            getattr(world, name)(*arguments)
            world.witness.look()
        world.resume()
        world.settle()
        return world


def orderly(seed: int) -> Scenario:
    """Returns one job to which nothing is done, whatever the order and the crashes."""
    dice = random.Random(seed)
    return Scenario({"j": _spec(dice)}, _codes(dice), _steps(dice, ORDERLY, 40))


def troubled(seed: int) -> Scenario:
    """Returns a chain of jobs, with people and a cluster that do all sorts of things to it."""
    dice = random.Random(seed)
    return Scenario(_chain(dice), _codes(dice), _steps(dice, TROUBLE, 60))


def two_leaders(seed: int) -> Scenario:
    """Returns the same with two replicas that both think they lead, and with clocks that differ."""
    dice = random.Random(seed)
    skews = [dice.choice((-300, 0, 300)) for _ in range(3)]
    steps = _steps(dice, TWO_LEADERS, 70)
    return Scenario(_chain(dice), _codes(dice), steps, skews[:2], skews[2])


def _codes(dice: random.Random) -> list[int]:
    return dice.choices(_CODES, k=dice.randint(1, 6))


def _steps(dice: random.Random, weights: Mapping[str, int], count: int) -> list[Step]:
    names = dice.choices(list(weights), list(weights.values()), k=count)
    return [_step(dice, name) for name in names]


def _step(dice: random.Random, name: str) -> Step:
    which = dice.randrange(12)
    if name in ("advance", "work"):
        return name, which, dice.choice(("", *FATES))
    if name == "edit":
        field = dice.choices(("suspend", "stop"), (9, 1))[0]
        return name, which, field, dice.random() < 0.6
    return name, which


def _spec(dice: random.Random) -> Body:
    spec: Body = {
        "retry": {"maxRetries": dice.randint(0, 2), "maxInfraRetries": 2, "backoffSeconds": 1},
        "nodes": dice.choice((1, 1, 3)),
        "progressDeadlineSeconds": None,
    }
    if dice.random() < 0.3:
        spec["queueName"] = "gpus"
    if dice.random() < 0.3:
        spec["output"] = {"volumeClaim": "data"}
    return spec


def _chain(dice: random.Random) -> dict[str, Body]:
    specs: dict[str, Body] = {}
    for name in ("j", "k", "l")[: dice.choice((1, 1, 2, 3))]:
        spec = {**_spec(dice), **_deadlines(dice)}
        if specs and dice.random() < 0.7:
            parent = {"job": list(specs)[-1], "condition": dice.choice(_CONDITIONS)}
            spec["dependsOn"] = [parent]
        specs[name] = spec
    return specs


def _deadlines(dice: random.Random) -> Body:
    given: Body = {"progressDeadlineSeconds": dice.choice((30, 500, None))}
    for field in ("activeDeadlineSeconds", "pendingDeadlineSeconds"):
        if dice.random() < 0.2:
            given[field] = dice.choice((30, 500))
    if dice.random() < 0.2:
        given["budget"] = {"pricePerHour": 60.0, "maxCost": 5.0}
    if dice.random() < 0.1:
        given["ttlSecondsAfterFinished"] = 5
    return given
