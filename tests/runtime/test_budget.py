"""A run ends on an edge where its budget is used up, over all its attempts, with a valid result."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config.budget import BudgetConfig
from tenyson.contract import ExitCode, File
from tenyson.distributed.ranks import Ranks
from tenyson.errors import BudgetError, ConfigError
from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train


def tokens_at(folder: Path, step: int) -> int:
    return int(next(row["num_tokens"] for row in metric_rows(folder) if row["step"] == step))


def test_a_run_that_is_out_of_tokens_ends_valid_and_goes_on_exactly_with_more(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    run_runner: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    SFTJob(make_config(), sum_task, output_dir=tmp_path / "whole").run()
    most = tokens_at(tmp_path / "whole", 4)
    limited = make_config(budget={"max_tokens": most, "price_per_hour": 3.0, "currency": "EUR"})

    ended = run_runner(limited, TENYSON_RUN_ID="r", TENYSON_ATTEMPT="0")

    assert ended.code == ExitCode.BUDGET
    assert (ended.result.status, ended.result.global_step) == ("budget", 4)
    assert not ended.result.succeeded
    assert f"{most} of budget.max_tokens {most}" in ended.result.failure.message
    assert ended.result.metrics["loss"] > 0
    assert (ended.folder / "checkpoint-final/adapter_model.safetensors").is_file()
    assert ended.message.status == "budget"
    assert (ended.result.cost["currency"], ended.result.cost["rate"]) == ("EUR", 3.0)
    assert 0 < ended.result.cost["amount"] < 1
    assert "budget.max_tokens" in ended.said
    assert "cost 0.0" in ended.said

    again = run_runner(limited, TENYSON_RUN_ID="r", TENYSON_ATTEMPT="1")
    assert (again.code, again.result.global_step) == (ExitCode.BUDGET, 4)
    assert again.result.cost["amount"] > ended.result.cost["amount"]

    more = run_runner(make_config(), TENYSON_RUN_ID="r", TENYSON_ATTEMPT="2")
    assert (more.code, more.result.resumed_from_step) == (0, 4)
    parts = (weights_of(folder) for folder in (tmp_path / "whole", more.folder))
    assert largest_difference(*parts) == 0.0


def test_a_run_whose_hours_are_used_before_it_saved_anything_fails(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(budget={"max_hours": 2.0})
    usage = {"schema_version": 1, "seconds_by_attempt": {"0": 3600.0, "1": 3599.9}}
    (tmp_path / File.USAGE).write_text(json.dumps(usage))
    job = SFTJob(config, sum_task, output_dir=tmp_path, attempt=2)

    with pytest.raises(ConfigError, match=r"2 of budget\.max_hours 2 are used\. No checkpoint"):
        job.run()

    kept = json.loads((tmp_path / File.USAGE).read_text())["seconds_by_attempt"]
    assert kept["0"] == 3600.0
    assert kept["2"] > 0
    result = JobResult.load(tmp_path / File.JOB_RESULT)
    assert (result.exit_code, result.status) == (ExitCode.CONFIG, "failed")


def test_rl_ends_before_it_costs_too_much(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    """A second costs 100: the libraries are loaded already, a few steps of a tiny model fit."""
    config = make_config(
        training={"max_steps": 100_000}, budget={"max_cost": 400.0, "price_per_hour": 360_000.0}
    )
    job = RLJob(config, sum_task, output_dir=tmp_path)

    with pytest.raises(BudgetError, match=r"USD of budget\.max_cost 400"):
        job.run()

    assert job.result is not None
    assert 0 < job.result.global_step < 100_000
    assert job.result.cost["amount"] >= 100
    assert (tmp_path / "checkpoint-final").is_dir()
    saved = sorted(path.name for path in (tmp_path / "attempt-0").glob("checkpoint-*"))
    assert saved == [f"checkpoint-{job.result.global_step}"]


def test_tokens_of_a_grpo_trainer_are_those_of_its_state() -> None:
    """TRL's GRPOTrainer has the counter of its SFTTrainer, and leaves it at 0."""
    from tenyson.jobs.limits._budget import tokens_of

    state = SimpleNamespace(num_input_tokens_seen=640)
    assert tokens_of(SimpleNamespace(_total_train_tokens=0, state=state)) == 640
    assert tokens_of(SimpleNamespace(_total_train_tokens=320, state=state)) == 320


def test_an_interruption_changes_nothing_about_the_step_that_tokens_end_at() -> None:
    """Steps of 40, 20, 10 and 10 tokens, of 99: the fifth would go beyond in the run's mean."""
    from tenyson.jobs.limits._budget import BudgetCallback, is_spent_before

    totals = [0, 40, 60, 70, 80]
    context = SimpleNamespace(meter=Meter(BudgetConfig(max_tokens=99)), ranks=Ranks())

    def ends_at(start: int) -> int | None:
        rows = [{"step": s, "num_tokens": float(totals[s])} for s in range(1, start + 1)]
        if is_spent_before(context, rows):  # type: ignore[arg-type]
            return start
        callback = BudgetCallback(context)  # type: ignore[arg-type]
        callback._keep_now_and_then = lambda: None  # type: ignore[method-assign]
        for step in range(start, 5):
            callback.count_tokens = lambda step=step: totals[step]
            state, control = SimpleNamespace(global_step=step, max_steps=99), SimpleNamespace()
            if step == start:
                callback.on_train_begin(None, state, control)
                continue
            callback.on_step_end(None, state, control)
            if hasattr(control, "should_training_stop"):
                return step
        return None

    assert {ends_at(start) for start in range(5)} == {4}
