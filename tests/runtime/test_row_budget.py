"""An evaluation holds to its budget on the edges of its batches; no model is needed to see it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.config.budget import BudgetConfig
from tenyson.contract import File
from tenyson.errors import ConfigError
from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.limits.row_budget import RowBudget


class Clock:
    """Hours that pass when they are told to."""

    hours = 0.0

    def __call__(self) -> float:
        return self.hours * 3600


def budget_of(
    folder: Path, clock: Clock, earlier_hours: float = 0.0, rows: int = 4, **limits: Any
) -> tuple[RowBudget, Fence]:
    meter = Meter(
        BudgetConfig(**limits),
        attempt=1,
        seconds_by_attempt={0: earlier_hours * 3600},
        started=0.0,
        now=clock,
    )
    fence = Fence(folder, 1)
    fence.claim()
    return RowBudget(meter, fence, rows=rows, total=12, tokens=100 * rows), fence


def test_a_batch_that_would_cost_too_much_is_not_begun(tmp_path: Path) -> None:
    clock = Clock()
    budget, _ = budget_of(tmp_path, clock, max_hours=2.5)
    assert budget.spent() is None
    clock.hours = 1.0
    budget.add(4, 100)
    assert budget.spent() is None
    clock.hours = 2.0
    budget.add(2, 100)

    assert budget.spent() == "2 of budget.max_hours 2.5 are used."


def test_hours_of_earlier_attempts_count_before_the_first_batch(tmp_path: Path) -> None:
    budget, _ = budget_of(tmp_path, Clock(), 3.0, max_cost=9.0, price_per_hour=3.0)

    assert (budget.spent() or "").startswith("9 USD of budget.max_cost 9 are used")


def test_tokens_of_rows_that_were_kept_count(tmp_path: Path) -> None:
    budget, _ = budget_of(tmp_path, Clock(), max_tokens=900)
    assert budget.spent() is None
    budget.add(4, 300)

    assert budget.spent() == "700 of budget.max_tokens 900 are used."


def test_an_evaluation_that_has_every_answer_is_scored_whatever_it_has_used(tmp_path: Path) -> None:
    clock = Clock()
    budget, _ = budget_of(tmp_path, clock, max_hours=1.0)
    clock.hours = 5.0
    budget.add(8, 100)

    assert budget.spent() is None


def test_a_budget_that_is_used_up_before_any_answer_is_no_result(tmp_path: Path) -> None:
    budget, _ = budget_of(tmp_path, Clock(), 3.0, rows=0, max_hours=2.0)

    with pytest.raises(ConfigError, match="No row was answered by then, so there is no result"):
        budget.spent()


def test_what_is_used_is_on_the_disk_for_the_attempt_after_a_kill(tmp_path: Path) -> None:
    clock = Clock()
    budget, _ = budget_of(tmp_path, clock, 3.0)
    clock.hours = 1.0
    budget.spent()

    kept = json.loads((tmp_path / File.USAGE).read_text())["seconds_by_attempt"]
    assert kept == {"0": 10800.0, "1": 3600.0}
