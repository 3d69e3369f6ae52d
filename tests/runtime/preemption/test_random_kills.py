"""Runs killed at random moments, 50 in all: nothing but the running step is ever lost.

Half of the kills are SIGTERM, half SIGKILL, at moments drawn from a seed over the length of an
attempt: while it starts, samples, trains, saves, rotates, or ends. A run that is done in spite of
them has the weights of one that was left alone, and the next run begins.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.checkpoints.layout import Place
from tenyson.contract import ExitCode, File
from tenyson.errors import CheckpointError
from tests.runtime.preemption.attempts import Attempt

pytestmark = [pytest.mark.train, pytest.mark.long, pytest.mark.timeout(2400)]
KILLS = 25
CASES: dict[str, dict[str, Any]] = {
    "sft": {"training": {"max_steps": 40, "gradient_accumulation_steps": 2}},
    "rl": {"training": {"max_steps": 16}, "rl": {"num_iterations": 2, "steps_per_generation": 4}},
}


@pytest.fixture
def start(tmp_path: Path, task_file: Path, make_config: Any) -> Iterator[Any]:
    started: list[Attempt] = []

    def begin(job_type: str, run: str, number: int) -> Attempt:
        config = make_config(checkpoint={"every_steps": 1, "keep": 2}, **CASES[job_type])
        started.append(Attempt(config, tmp_path / run, task_file, number, job_type=job_type))
        started[-1].wait_until_ready()
        return started[-1]

    yield begin
    for attempt in started:
        attempt.close()


@pytest.mark.parametrize("job_type", CASES)
def test_a_run_killed_at_random_moments_loses_at_most_the_running_step(
    job_type: str, start: Any, tmp_path: Path, weights_of: Any, largest_difference: Any
) -> None:
    rng = random.Random(job_type)
    whole = start(job_type, "whole", 0)
    began = time.monotonic()
    assert whole.end(600) == 0, whole.log
    length = time.monotonic() - began
    kills, runs, moments = 0, 0, {"start": 0, "steps": 0, "end": 0}
    while kills < KILLS:
        runs += 1
        output, number, newest = tmp_path / f"run-{runs}", 0, 0
        while not (output / File.FINAL_CHECKPOINT).exists() or not is_done(output):
            attempt = start(job_type, output.name, number)
            how = rng.choice((signal.SIGTERM, signal.SIGKILL))
            if kills < KILLS:
                attempt.process.join(rng.uniform(0, 1.1 * length))
            else:
                attempt.process.join(600)
            was_alive = attempt.process.is_alive()
            if was_alive:
                attempt.send(how)
            code = attempt.end()
            if was_alive and code != 0:
                kills += 1
                moments[moment_of(attempt)] += 1
                assert code == (ExitCode.STOPPED if how == signal.SIGTERM else -how), attempt.log
            check_what_is_left(attempt, code, newest)
            newest = max(newest, newest_step(output))
            number += 1
        weights = [weights_of(tmp_path / name) for name in ("whole", output.name)]
        assert largest_difference(*weights) == 0.0
        assert rows(output) == rows(tmp_path / "whole")
    print(f"{job_type}: {kills} kills in {runs} runs; {moments}")  # noqa: T201 - a figure to report
    assert moments["steps"] > KILLS / 4


def check_what_is_left(attempt: Attempt, code: int, newest_before: int) -> None:
    """Nothing is half there, and no edge is lost."""
    output, newest = attempt.output, newest_step(attempt.output)
    assert newest >= newest_before, "a checkpoint that was there is gone"
    assert "broken" not in attempt.log, attempt.log
    if "Going on from" in attempt.log:
        assert f"/checkpoint-{newest_before}\n" in attempt.log, attempt.log
    trained = [row["step"] for row in readable_rows(output)]
    assert newest >= max(trained, default=0) - 1, "more than the running step is lost"
    if (path := output / File.JOB_RESULT).exists():
        assert json.loads(path.read_text(encoding="utf-8"))["run_id"] == output.name
    if code == ExitCode.STOPPED:
        assert attempt.result == attempt.message
        assert (attempt.result.status, attempt.result.exit_code) == ("stopped", 75)
        if attempt.result.global_step:
            assert newest == attempt.result.global_step, "stopped without a checkpoint"


def newest_step(output: Path) -> int:
    """The step of the newest checkpoint, which verifies; older ones may be half removed."""
    found = [Place.parse(p.relative_to(output).as_posix()) for p in output.glob("*/checkpoint-*")]
    places = sorted((place for place in found if place is not None), reverse=True)
    for place in places:
        folder = output / place.name
        if (folder / File.CHECKPOINT_MANIFEST).exists():
            manifest.verify(folder)  # one that says it is whole is
            return place.step
    assert not places, "checkpoints without a manifest, and none with one"
    return 0


def is_done(output: Path) -> bool:
    """Whether a run has ended well."""
    try:
        manifest.verify(output / File.FINAL_CHECKPOINT)
        result = json.loads((output / File.JOB_RESULT).read_text(encoding="utf-8"))
    except (FileNotFoundError, CheckpointError):
        return False
    return bool(result["status"] == "success")


def moment_of(attempt: Attempt) -> str:
    """Roughly when it was killed."""
    if (attempt.output / File.FINAL_CHECKPOINT).exists():
        return "end"
    return "steps" if "step " in attempt.log else "start"


def readable_rows(output: Path) -> list[dict[str, Any]]:
    """The rows of metrics that are whole: a SIGKILL may cut the last one short."""
    path = output / File.METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            assert line is lines[-1], "a row in the middle is broken"
    return found


def rows(output: Path) -> list[dict[str, Any]]:
    """The metrics of every step, without what a clock says."""
    timed = ("time", "step_time", "attempt", "tokens_per_second")
    return [{k: v for k, v in row.items() if k not in timed} for row in readable_rows(output)]
