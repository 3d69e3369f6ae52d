"""Whole processes that are asked to stop: they end in time, with 75 and a valid result."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.contract import Env, ExitCode, File
from tests.runtime.preemption.attempts import Attempt

pytestmark = [pytest.mark.train, pytest.mark.timeout(600)]
GRACE = {Env.GRACE_SECONDS: "12"}
HANGS = {"task": {"reward": "stalling_reward"}, "training": {"max_steps": 4}}


@pytest.fixture
def start(tmp_path: Path, task_file: Path, make_config: Any) -> Iterator[Any]:
    """Starts attempts at runs below one folder."""
    started: list[Attempt] = []

    def begin(number: int = 0, *, run: str = "run", sections: Any = None, **settings: Any) -> Any:
        config = make_config(**(sections or {}))
        started.append(Attempt(config, tmp_path / run, task_file, number, **settings))
        return started[-1]

    yield begin
    for attempt in started:
        attempt.close()


def ask(attempt: Attempt, way: str, file: Path) -> None:
    if way == "a notice":
        file.write_text("12", encoding="utf-8")
    elif way == "many signals":
        for _ in range(20):
            attempt.send(signal.SIGTERM)
            attempt.send(signal.SIGUSR1)
    elif way == "SIGINT twice":
        attempt.send(signal.SIGINT)
        attempt.wait_until(lambda: "SIGINT: stopping\n" in attempt.log)
        attempt.send(signal.SIGINT)
    else:
        attempt.send(signal.Signals[way])


@pytest.mark.parametrize(
    "way",
    [
        "SIGTERM",
        pytest.param("SIGUSR1", marks=pytest.mark.long),
        pytest.param("many signals", marks=pytest.mark.long),
        pytest.param("SIGINT twice", marks=pytest.mark.long),
        pytest.param("a notice", marks=pytest.mark.long),
    ],
)
def test_a_step_that_hangs_in_a_reward_is_dropped_and_done_again(
    way: str, start: Any, tmp_path: Path, weights_of: Any, largest_difference: Any
) -> None:
    file = tmp_path / "preempted"
    notice = {Env.PREEMPTION_NOTICE: "file", Env.PREEMPTION_FILE: str(file)}
    rl = {"job_type": "rl", "sections": HANGS, **GRACE, **(notice if way == "a notice" else {})}
    whole = start(run="whole", **rl)
    stopped = start(**rl, SUM_TASK_HANGS="0:2")
    stopped.wait_until(lambda: stopped.steps_done() == 2)
    time.sleep(0.3)

    asked = time.monotonic()
    ask(stopped, way, file)

    assert stopped.end() == ExitCode.STOPPED, stopped.log
    assert time.monotonic() - asked < 12
    assert stopped.result == stopped.message
    assert stopped.result.status == "stopped"
    assert "after step 2 of 4; its checkpoint is saved" in stopped.result.failure.message
    file.unlink(missing_ok=True)
    resumed = start(1, **rl)
    assert (resumed.end(), whole.end()) == (0, 0), resumed.log
    assert resumed.result.resumed_from_step == 2
    difference = largest_difference(weights_of(tmp_path / "whole"), weights_of(tmp_path / "run"))
    assert difference == 0.0


def test_a_start_that_swallows_the_stop_is_ended_at_the_deadline(start: Any) -> None:
    attempt = start(sabotage="deaf", **{Env.GRACE_SECONDS: "3"})
    attempt.wait_until(lambda: "hanging" in attempt.log)

    attempt.send(signal.SIGTERM)

    assert attempt.end(30) == ExitCode.STOPPED
    assert attempt.result == attempt.message
    assert "the time ran out" in attempt.result.failure.message
    assert attempt.result.stop_reason is not None
    assert "SIGTERM" in attempt.result.stop_reason


@pytest.mark.parametrize("where", ["the output folder", "the mirror alone"])
def test_a_stop_while_it_loads_says_where_the_next_attempt_goes_on(
    where: str, start: Any, tmp_path: Path
) -> None:
    env = {Env.OUTPUT_URI: f"file://{tmp_path}/bucket"} if where == "the mirror alone" else {}
    first = start(sections=steps_and_saves(2), run="0" if env else "run", **env)
    assert first.end() == 0, first.log
    again = {"run": "1" if env else "run", "sections": steps_and_saves(4), **env}
    loading = start(1, sabotage="deaf", **again, **{Env.GRACE_SECONDS: "3"})
    loading.wait_until(lambda: "hanging" in loading.log)

    loading.send(signal.SIGTERM)

    assert loading.end(30) == ExitCode.STOPPED
    assert (loading.message.global_step, loading.message.resumed_from_step) == (2, None)
    assert loading.result == loading.message
    resumed = start(2, **again)
    assert resumed.end() == 0, resumed.log
    assert (resumed.result.resumed_from_step, resumed.result.global_step) == (2, 4)


def steps_and_saves(steps: int) -> dict[str, Any]:
    return {"training": {"max_steps": steps}, "checkpoint": {"every_steps": 2}}


def test_an_evaluation_that_is_stopped_while_it_loads_claims_no_rows(start: Any) -> None:
    attempt = start(job_type="eval", sabotage="deaf", **{Env.GRACE_SECONDS: "3"})
    attempt.wait_until(lambda: "hanging" in attempt.log)

    attempt.send(signal.SIGTERM)

    assert attempt.end(30) == ExitCode.STOPPED
    assert (attempt.message.global_step, attempt.message.resumed_from_step) == (None, None)


def test_a_stop_in_the_last_upload_ends_in_time_and_the_next_attempt_only_uploads(
    start: Any, tmp_path: Path
) -> None:
    env = {Env.GRACE_SECONDS: "4", Env.OUTPUT_URI: f"file://{tmp_path}/bucket"}
    two_steps = {"training": {"max_steps": 2}}
    attempt = start(sections=two_steps, sabotage="no last upload", **env)
    attempt.wait_until(lambda: "hanging" in attempt.log)

    attempt.send(signal.SIGTERM)

    assert attempt.end(30) == ExitCode.STOPPED, attempt.log
    assert attempt.result == attempt.message
    trained = manifest.verify(attempt.output / File.FINAL_CHECKPOINT)
    again = start(1, sections=two_steps, **env)
    assert again.end() == 0, again.log
    assert manifest.verify(tmp_path / "bucket" / File.FINAL_CHECKPOINT) == trained
    assert "loading the libraries" not in again.log
