"""Two ranks that really train, as two pods: the same numbers as one, and one end for both."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.contract import Env, ExitCode, File
from tenyson.jobs.result import JobResult
from tests.runtime.distributed.processes import Pods
from tests.runtime.left_behind import BY_CLOCK, metric_rows

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]
REPOSITORY = Path(__file__).parents[3]


def curve(folder: Path) -> list[dict[str, Any]]:
    return metric_rows(folder, without=BY_CLOCK)


def generations(folder: Path) -> list[tuple[int, int, int]]:
    """Returns attempt and step of each round of sampling, and how many completions it had."""
    with sqlite3.connect(folder / "telemetry.db") as database:
        return database.execute(
            "select attempt, step, count(*) from generations group by attempt, step"
        ).fetchall()


def wait_until(is_true: Callable[[], Any], timeout_seconds: float = 120) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_two_ranks_train_as_one_with_the_batch_of_both(
    pods: Pods, make_config: Any, weights_of: Any, largest_difference: Any
) -> None:
    config = make_config(
        training={"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
        task={"sft_eval": True},
    )
    alone = make_config(
        training={"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2},
        task={"sft_eval": True},
    )

    ranks = pods.start(config)
    (single,) = pods.start(alone, run="one", output_dirs=("one", ""), nodes=1)

    assert single.wait() == 0, single.log
    assert [rank.wait() for rank in ranks] == [0, 0], ranks[0].log + ranks[1].log
    one, two = curve(pods.folder / "one"), curve(pods.folder / "out")
    assert len(one) == len(two) == 7
    for name in ("loss", "grad_norm", "eval_loss"):
        pairs = [(a[name], b[name]) for a, b in zip(one, two, strict=True) if name in a]
        assert pairs
        assert all(left == pytest.approx(right, rel=1e-4) for left, right in pairs), name
    assert (
        largest_difference(weights_of(pods.folder / "one"), weights_of(pods.folder / "out")) < 1e-4
    )
    described = json.loads((pods.folder / "out" / File.MANIFEST).read_text(encoding="utf-8"))
    assert (described["ranks"], described["effective_batch_size"]) == (2, 16)
    assert ranks[0].message.metrics["loss"] > 0
    assert ranks[1].message.succeeded
    assert ranks[1].message.metrics == {}
    assert not list((pods.folder / "out").glob(".rank-*"))


def test_a_run_of_two_ranks_killed_and_then_stopped_ends_with_the_same_weights(
    pods: Pods, make_config: Any, weights_of: Any, largest_difference: Any
) -> None:
    """SIGKILL in step 5, SIGTERM in step 7, both to rank 1 alone; then rank 1 moves away.

    Every checkpoint is taken inside a round of sampling, and a group is on both ranks.
    """
    url = f"sqlite:///{pods.folder}/telemetry.db"
    config = make_config(
        training={"max_steps": 8, "per_device_train_batch_size": 2},
        rl={"steps_per_generation": 2},
        checkpoint={"every_steps": 3},
        task={"reward": "signalling_reward"},
        telemetry={"db_url": url},
    )
    quiet = {**config, "task": {}, "telemetry": {}}
    signals = ({}, {"SUM_TASK_SIGNALS": "0:4:SIGKILL 1:6:SIGTERM"})

    def start(attempt: int, **arguments: Any) -> Any:
        return pods.start(config, job_type="rl", attempt=attempt, extra=signals, **arguments)

    whole = pods.start(quiet, job_type="rl", run="whole", output_dirs=("whole", "whole"))
    killed = start(0)
    killed_codes = [rank.wait() for rank in killed]
    seconds_until_known = killed[0].message.total_time_seconds
    stopped = start(1)
    stopped_codes = [rank.wait() for rank in stopped]
    elsewhere = start(2, output_dirs=("out", "its-own-volume"), is_shared=False)
    done_codes = [rank.wait() for rank in elsewhere]

    assert killed_codes == [ExitCode.STOPPED, -signal.SIGKILL], killed[0].log
    assert killed[0].message.failure is not None
    assert "Rank 1 is lost: its process is gone" in killed[0].message.failure.message
    assert seconds_until_known < 30
    assert stopped_codes == [ExitCode.STOPPED, ExitCode.STOPPED], stopped[0].log + stopped[1].log
    assert [rank.message.status for rank in stopped] == ["stopped", "stopped"]
    assert "a request to another rank" in str(stopped[0].message.stop_reason)
    assert manifest.verify(pods.folder / "out/attempt-1/checkpoint-7")["ranks"] == 2
    assert "Going on from attempt-0/checkpoint-3" in stopped[0].log
    assert done_codes == [0, 0], elsewhere[0].log + elsewhere[1].log
    assert "Rank 0 sends checkpoint-7" in elsewhere[1].log
    assert [rank.wait() for rank in whole] == [0, 0]
    ended, left_alone = pods.folder / "out", pods.folder / "whole"
    assert JobResult.load(ended / File.JOB_RESULT).global_step == 8
    assert largest_difference(weights_of(ended), weights_of(left_alone)) == 0.0
    assert [row["loss"] for row in curve(ended)] == [row["loss"] for row in curve(left_alone)]
    assert generations(pods.folder) == [(0, 0, 8), (0, 2, 8), (1, 4, 8), (1, 6, 8)]


def test_a_frozen_rank_is_given_up_and_the_other_ends_where_it_waits(
    pods: Pods, make_config: Any
) -> None:
    config = make_config(training={"max_steps": 100_000}, checkpoint={"every_steps": 100_000})
    silence = {Env.PEER_TIMEOUT: "10"}
    ranks = pods.start(config, extra=(silence, silence), patience=1.0)
    wait_until(lambda: (pods.folder / "out" / File.METRICS).exists())

    os.kill(ranks[1].process.pid or 0, signal.SIGSTOP)
    frozen_at = time.monotonic()
    code = ranks[0].wait(40)

    assert code == ExitCode.DEPENDENCY, ranks[0].log  # no checkpoint was saved yet
    assert time.monotonic() - frozen_at < 25
    failure = ranks[0].message.failure
    assert failure is not None
    assert "Rank 1 is lost: it has said nothing for 10 s" in failure.message
    assert "No checkpoint was saved yet" in failure.hint
    kept = JobResult.load(pods.folder / "out" / File.JOB_RESULT)
    assert kept.exit_code == ExitCode.DEPENDENCY


@pytest.mark.parametrize(
    ("job_type", "task", "says"),
    [
        ("rl", {"reward": "rank_1_raises"}, "'rank_1_raises' raised KeyError"),
        ("sft", {"unseeded": True}, "The task gave rank 1 other rows than rank 0 (train)"),
    ],
    ids=["reward", "rows"],
)
def test_what_fails_on_one_rank_fails_all_with_its_code(
    job_type: str, task: Any, says: str, pods: Pods, make_config: Any
) -> None:
    ranks = pods.start(make_config(task=task), job_type=job_type)

    assert [rank.wait() for rank in ranks] == [ExitCode.TASK, ExitCode.TASK], ranks[0].log
    for rank in ranks:
        assert rank.message.failure is not None
        assert says in rank.message.failure.message
    if job_type == "rl":
        assert str(ranks[0].message.failure).count("Rank 1 failed: ") == 1


def test_a_stop_while_the_others_are_awaited_ends_at_once(pods: Pods, make_config: Any) -> None:
    (rank,) = pods.start(make_config(), started=1)
    wait_until(lambda: "Waiting: rank 0 waits for rank 1" in rank.log)

    os.kill(rank.process.pid or 0, signal.SIGTERM)

    assert rank.wait(20) == ExitCode.STOPPED, rank.log


def test_ranks_that_do_not_come_together_are_infrastructure(pods: Pods, make_config: Any) -> None:
    (rank,) = pods.start(make_config(), started=1, extra=({Env.START_TIMEOUT: "2"}, {}))

    assert rank.wait(30) == ExitCode.DEPENDENCY, rank.log
    failure = rank.message.failure
    assert failure is not None
    assert "did not come together in 2 s: rank 0 waits for rank 1" in failure.message


def test_one_pod_with_two_gpus_starts_two_ranks_and_passes_a_stop_on(
    tmp_path: Path, task_file: Path, make_config: Any, pods: Pods
) -> None:
    config = make_config(training={"max_steps": 100_000}, checkpoint={"every_steps": 2, "keep": 1})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "tenyson.runner", "--job-type", "sft", "--config", str(path)]
    command += ["--task-module", f"{task_file}:SumTask", "--output-dir", str(tmp_path / "out")]
    env = {**os.environ, "PET_NNODES": "1", "PET_NPROC_PER_NODE": "2", "PET_NODE_RANK": "0"}
    env |= {Env.RESULT_PATH: str(tmp_path / "message"), Env.ATTEMPT: "0", Env.RUN_ID: "pod"}

    with subprocess.Popen(
        command, cwd=REPOSITORY, env=env, stderr=subprocess.PIPE, text=True
    ) as pod:
        wait_until(lambda: pod.poll() or list((tmp_path / "out").glob("attempt-0/checkpoint-*")))
        pod.send_signal(signal.SIGTERM)
        assert pod.stderr is not None
        said = pod.stderr.read()

    assert pod.returncode == ExitCode.STOPPED, said
    message = JobResult.from_dict(json.loads((tmp_path / "message").read_text(encoding="utf-8")))
    assert (message.status, message.run_id) == ("stopped", "pod")
    assert message.global_step > 0
    (checkpoint,) = (tmp_path / "out").glob("attempt-0/checkpoint-*")
    assert manifest.verify(checkpoint)["step"] == message.global_step
    assert "[rank 1]" in said

    (fewer,) = pods.start(config, run="pod", attempt=1, nodes=1)

    assert fewer.wait() == ExitCode.TASK
    assert "was saved on 2 rank(s), this attempt has 1" in fewer.log
