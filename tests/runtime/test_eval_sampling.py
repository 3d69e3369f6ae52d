"""Evaluations that sample: draws that repeat, hang on their row alone, and give pass@k."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.result import JobResult
from tests.runtime.evaluated import adapter as adapter  # a fixture
from tests.runtime.evaluated import results_of

pytestmark = pytest.mark.train


def test_no_sample_depends_on_the_rows_beside_it(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    asked = [{"id": f"q{i}", "prompt": f"{i}+{i}=", "completion": "5"} for i in range(5)]
    settings = {"temperature": 1.0, "num_samples": 2}
    found = {}
    for name, rows in (("all", asked), ("some", [asked[4], asked[1]])):
        config = make_config(task={"eval_rows": rows}, evaluation=settings)
        EvalJob(config, sum_task, output_dir=tmp_path / name).run()
        found[name] = {
            row["id"]: row["completions"] for row in results_of(tmp_path / name)["detailed_results"]
        }

    assert found["some"] == {key: found["all"][key] for key in ("q4", "q1")}


def test_sampling_repeats_for_a_seed_and_varies_within_it(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    def sample(name: str, seed: int) -> list[list[str]]:
        settings = {"temperature": 1.0, "num_samples": 3, "seed": seed}
        config = make_config(evaluation=settings)
        EvalJob(config, sum_task, output_dir=tmp_path / name).run()
        return [row["completions"] for row in results_of(tmp_path / name)["detailed_results"]]

    first, second, other = sample("a", 1), sample("b", 1), sample("c", 2)

    assert first == second
    assert first != other
    assert any(len(set(drawn)) > 1 for drawn in first)
    row = results_of(tmp_path / "a")["detailed_results"][0]
    assert row["correct"] == pytest.approx(sum(s["correct"] for s in row["samples"]) / 3)


def test_samples_are_recorded_with_their_scores(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(
        telemetry={"db_url": f"sqlite:///{tmp_path}/telemetry.db"}, evaluation={"max_prompts": 4}
    )

    result = EvalJob(config, sum_task, output_dir=tmp_path / "out").run()

    with sqlite3.connect(tmp_path / "telemetry.db") as database:
        rows = database.execute(
            "select phase, row_id, scores from eval_samples join generations"
            " on generations.id = generation_id order by row_id"
        ).fetchall()
    assert [(phase, row_id) for phase, row_id, _ in rows] == [("eval", f"r{i}") for i in range(4)]
    assert json.loads(rows[0][2]).keys() == {"correct"}
    assert result.telemetry["written"] > 8
    assert result.telemetry["spooled"] == 0


def test_pass_at_k_and_intervals_stand_beside_the_metrics(
    adapter: JobResult, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    draws = {"temperature": 1.0, "num_samples": 4, "include_greedy": True, "pass_at": [1, 4]}
    config = make_config(adapter={"path": adapter.local_output_dir}, evaluation=draws)

    result = EvalJob(config, sum_task, output_dir=tmp_path).run()

    sampled = results_of(tmp_path, "results-sampled.json")
    samples = [[s["correct"] for s in row["samples"]] for row in sampled["detailed_results"]]
    any_right = sum(any(row) for row in samples) / len(samples)
    assert result.metrics["sampled/correct_pass@4"] == pytest.approx(any_right)
    assert result.metrics["sampled/correct_pass@1"] == result.metrics["sampled/accuracy"]
    assert result.metrics_ci.keys() == result.metrics.keys()
    low, high = result.metrics_ci["accuracy"]
    assert low <= result.metrics["accuracy"] <= high
    assert sampled["intervals"]["accuracy"]["n"] == 10


@pytest.mark.parametrize(
    ("metric", "says"),
    [("right", "a number 'right' that is 0 or 1"), (None, "Such numbers there: none")],
)
def test_pass_at_k_of_a_number_that_is_not_there_is_refused(
    metric: str | None, says: str, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    detailed = [{"share": 0.5, "correct": float(metric is not None)} for _ in range(20)]
    if metric is None:
        detailed = [{"share": 0.5} for _ in range(20)]
    config = make_config(
        task={"metrics": {"metrics": {"accuracy": 0.5}, "detailed_results": detailed}},
        evaluation={
            "temperature": 1.0,
            "num_samples": 2,
            "pass_at": [2],
            "pass_metric": metric,
        },
    )

    with pytest.raises(TaskError) as raised:
        EvalJob(config, sum_task, output_dir=tmp_path).run()

    assert says in str(raised.value)
