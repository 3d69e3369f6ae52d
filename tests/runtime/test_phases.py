"""Where time and tokens go: the clock, the counts, and both in a real run."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tenyson.phases import Phases
from tests.runtime.left_behind import metric_rows


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_every_second_is_in_one_phase_only() -> None:
    clock = Clock()
    phases = Phases(clock)

    clock.seconds = 2
    phases.turn_to("forward_backward")
    clock.seconds = 3
    with phases.measure("save"):
        clock.seconds = 7
        with phases.measure("generate"):
            clock.seconds = 8
        clock.seconds = 10
    clock.seconds = 15

    assert phases.seconds() == {"load": 2, "generate": 1, "forward_backward": 6, "save": 6}
    assert sum(phases.seconds().values()) == 15


def test_a_phase_that_fails_is_counted_up_to_its_failure() -> None:
    clock = Clock()
    phases = Phases(clock)

    with contextlib.suppress(KeyError), phases.measure("reward"):
        clock.seconds = 4
        raise KeyError
    clock.seconds = 5

    assert phases.seconds() == {"load": 1, "reward": 4}


def test_a_rate_is_of_the_tokens_since_the_last_one() -> None:
    clock = Clock()
    tokens = TokenCounts(now=clock)
    assert tokens.rate() is None

    tokens.start()
    assert tokens.rate_since_last() is None
    clock.seconds, tokens.processed = 2, 100
    assert tokens.rate_since_last() == 50
    clock.seconds, tokens.processed = 4, 400
    assert tokens.rate_since_last() == 150
    tokens.stop()
    clock.seconds = 8
    assert tokens.rate() == 100

    tokens.start()  # after a lack of memory, training begins anew
    clock.seconds, tokens.processed = 10, 500
    assert tokens.rate_since_last() == 50
    assert tokens.rate() == 50


def assert_explained(result: JobResult) -> None:
    explained = sum(result.phase_seconds.values())
    assert explained >= 0.95 * result.total_time_seconds, result.phase_seconds
    assert explained <= 1.02 * result.total_time_seconds + 0.05


@pytest.mark.train
def test_an_sft_run_tells_its_times_tokens_and_memory(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    examples = [{"prompt": "1+2=", "completion": "3"}] * 64
    config = make_config(
        task={"sft_rows": examples, "sft_eval": True}, checkpoint={"every_steps": 2}
    )

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert_explained(result)
    assert {"load", "data", "forward_backward", "save", "eval"} == set(result.phase_seconds)
    # Six steps of eight examples; the answer and the token that ends it are trained.
    assert result.tokens == {"prompt": 6 * 8 * 4, "completion": 0, "trained": 6 * 8 * 2}
    assert (
        result.tokens["prompt"] + result.tokens["trained"]
        == metric_rows(tmp_path)[-2]["num_tokens"]
    )
    assert (result.tokens_per_second or 0) > 1
    assert all(row["tokens_per_second"] > 0 for row in metric_rows(tmp_path) if "loss" in row)
    assert 2**26 < result.peak_memory["rss"] < 2**36


@pytest.mark.train
def test_an_evaluation_tells_what_it_read_and_sampled(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    result = EvalJob(make_config(), sum_task, output_dir=tmp_path).run()

    assert_explained(result)
    assert {"load", "generate", "reward"} <= set(result.phase_seconds)
    answers = json.loads((tmp_path / File.RESULTS).read_text())["detailed_results"]
    sampled = sum(answer["completion_tokens"] for answer in answers)
    assert result.tokens == {"prompt": 10 * 4, "completion": sampled, "trained": 0}
    assert (result.tokens_per_second or 0) > 1


@pytest.mark.train
def test_an_rl_run_tells_what_it_sampled_and_an_interrupted_one_counts_its_own_alone(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(
        rl={"num_iterations": 2}, training={"max_steps": 4}, checkpoint={"every_steps": 2}
    )
    result = RLJob(config, sum_task, output_dir=tmp_path).run()

    assert_explained(result)
    assert {"generate", "reward", "forward_backward"} <= set(result.phase_seconds)
    # Two rounds of eight prompts of four tokens; each is trained on twice.
    assert result.tokens["prompt"] == 2 * 8 * 4
    assert 2 * 8 <= result.tokens["completion"] <= 2 * 8 * 6
    assert result.tokens["trained"] == 2 * result.tokens["completion"]
    read_and_sampled = result.tokens["prompt"] + result.tokens["completion"]
    counted = [row["num_tokens"] for row in metric_rows(tmp_path) if "num_tokens" in row]
    assert counted[-1] == read_and_sampled

    longer = make_config(rl={"num_iterations": 2}, training={"max_steps": 6})
    again = RLJob(longer, sum_task, output_dir=tmp_path).run()

    assert again.resumed_from_step == 4
    assert again.tokens["prompt"] == 8 * 4
    assert again.tokens["trained"] == 2 * again.tokens["completion"]
