"""What recording costs the thread that trains, by its own clock: others may have the processor."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config.budget import BudgetConfig
from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.recording.budget_forecast import BudgetForecast
from tenyson.jobs.recording.events import Events
from tenyson.jobs.recording.logged_numbers import LoggedNumbers
from tenyson.jobs.sampling._generations import GenerationRecorder
from tenyson.jobs.sampling._rewards import checked_rewards
from tenyson.jobs.sampling.round_facts import RoundFacts
from tenyson.phases import Phases
from tenyson.telemetry import Telemetry, open_telemetry

COMPLETIONS, CHARACTERS, GROUP = 512, 4096, 8


@pytest.fixture
def telemetry(db_url: str, tmp_path: Path) -> Iterator[Telemetry]:
    opened = open_telemetry(db_url, tmp_path, run_id="r", attempt=0)
    yield opened
    counts = opened.close(60)
    assert counts["spooled"] == 0


def milliseconds(act: Callable[[], Any]) -> float:
    began = time.thread_time()
    act()
    return (time.thread_time() - began) * 1000


def alike(value: float) -> Any:
    def reward(completions: list[str], **columns: Any) -> list[float]:
        return [value for _ in completions]

    reward.__name__ = f"reward_{value}"
    return reward


def test_a_round_of_512_completions_of_4_kb_costs_under_25_ms(telemetry: Telemetry) -> None:
    recorder = GenerationRecorder(telemetry, GROUP, [1.0, 0.5, 0.1])
    recorder.waits_for_facts = True
    rewards = checked_rewards([alike(1.0), alike(0.5), alike(0.1)], recorder)
    facts = RoundFacts([0.1] * COMPLETIONS, [0.0] * COMPLETIONS, {3}, 1.0)
    times = []
    for step in range(3):
        inputs = {
            "prompts": [f"prompt {step} {row // GROUP}" for row in range(COMPLETIONS)],
            "completions": [f"{row}" * CHARACTERS for row in range(COMPLETIONS)],
            "completion_ids": [[1, 2, 3]] * COMPLETIONS,
            "trainer_state": SimpleNamespace(global_step=step),
        }
        for reward in rewards:
            reward(**inputs)
        times.append(milliseconds(lambda: recorder.complete(facts)))
    assert statistics.median(times) < 25


def test_a_logged_row_costs_under_a_millisecond(telemetry: Telemetry) -> None:
    budget = BudgetConfig(price_per_hour=2.0, max_hours=10.0)
    events = Events(telemetry, lambda: 0)
    numbers = LoggedNumbers(telemetry, Phases(), Meter(budget), BudgetForecast(events, budget))
    numbers.start(0)
    row = {"loss": 1.0, **{f"rewards/function_{i}/mean": float(i) for i in range(30)}}
    times = [milliseconds(lambda s=step: numbers.add(s, row, 60.0)) for step in range(1, 101)]
    assert statistics.median(times) < 1
