"""`--smoke`: a run goes through every part of itself in little, and leaves nothing."""

from typing import Any

import pytest

from tenyson.contract import ExitCode


@pytest.mark.train
def test_a_smoke_run_goes_through_every_part_and_leaves_nothing(
    run_runner: Any, make_config: Any
) -> None:
    config = make_config(training={"max_steps": 5000}, budget={"max_hours": 1})

    for job_type, stages in (("sft", 3), ("rl", 3), ("eval", 1)):
        run = run_runner(config, job_type=job_type, extra=("--smoke",))
        assert run.code == 0, run.said
        lines = [line for line in run.said.splitlines() if " OK " in line]
        assert len(lines) == stages
        if job_type != "eval":
            assert "2 steps saved" in lines[0]
            assert "rss" in lines[0]
            assert "5000 steps of" in run.said
            assert "the same weights to the last bit" in lines[1]
        assert "4 prompts; accuracy" in lines[-1]
        assert not run.folder.exists()


@pytest.mark.train
def test_a_smoke_run_of_every_weight_evaluates_the_trained_model(
    run_runner: Any, make_config: Any
) -> None:
    run = run_runner(make_config(adapter={"kind": "full"}), extra=("--smoke",))

    assert run.code == 0, run.said
    assert "the same weights to the last bit" in run.said
    assert "evaluate  OK" in run.said


@pytest.mark.train
def test_a_training_run_is_tried_whatever_length_its_evaluation_would_have(
    run_runner: Any, make_config: Any
) -> None:
    config = make_config(evaluation={"max_new_tokens": 100_000})  # no context has room for that

    assert run_runner(config, extra=("--smoke",)).code == 0
    assert run_runner(config, job_type="eval", extra=("--smoke",)).code == ExitCode.TASK


@pytest.mark.train
def test_a_smoke_run_ends_with_the_code_of_the_part_that_failed(
    run_runner: Any, make_config: Any
) -> None:
    run = run_runner(
        make_config(task={"reward": "raising_reward"}), job_type="rl", extra=("--smoke",)
    )

    assert run.code == ExitCode.TASK
    assert "no such word" in run.said
    assert " OK " not in run.said
