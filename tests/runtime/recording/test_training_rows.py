"""What an SFT run leaves in the database: its run, its attempts, events, checkpoints, numbers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode

pytestmark = pytest.mark.train


def test_a_run_leaves_what_it_is_made_of_and_how_it_ended(
    tmp_path: Path, run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    before = datetime.now(UTC)
    config = make_config(
        telemetry={"db_url": db_url, "experiment": "sums"},
        training={"max_steps": 4},
        checkpoint={"every_steps": 2},
        budget={"price_per_hour": 3600.0, "max_cost": 1.0e6},
    )
    bucket = f"file://{tmp_path}/bucket"
    done = run_runner(config, **{Env.OUTPUT_URI: bucket, Env.RUN_ID: "r1"})
    assert done.code == 0, done.said

    check_run(rows_of, done.folder, config)
    check_attempt(rows_of, done, before)
    check_files(rows_of, bucket)
    check_events(rows_of)
    check_metrics(rows_of, done.folder)


def manifest_of(folder: Path) -> Any:
    return json.loads((folder / "run_manifest.json").read_text(encoding="utf-8"))


def check_run(rows_of: Any, folder: Path, config: Any) -> None:
    (experiment,) = rows_of("experiments")
    (run,) = rows_of("runs")
    manifest = manifest_of(folder)
    assert (run["run_id"], run["job_type"], run["name"]) == ("r1", "sft", "out")
    assert run["experiment_id"] == experiment["id"]
    assert experiment["name"] == "sums"
    assert run["task"] == manifest["recipe"]
    assert run["model"] == config["model"]["name"]
    assert run["config_hash"] == manifest["config_sha256"]
    assert (run["config"], run["manifest"]) == (manifest["config"], manifest)
    assert (run["seed"], run["dataset_key"]) == (42, manifest["dataset_key"])
    assert run["parents"] == []


def check_attempt(rows_of: Any, done: Any, before: datetime) -> None:
    (attempt,) = rows_of("attempts")
    assert before < attempt["started_at"] < attempt["ended_at"] < datetime.now(UTC)
    assert (attempt["status"], attempt["exit_code"], attempt["global_step"]) == ("success", 0, 4)
    assert attempt["metrics"] == done.result.metrics
    assert attempt["hardware"] == manifest_of(done.folder)["hardware"]
    assert attempt["phase_seconds"]["forward_backward"] > 0
    assert attempt["tokens"] == done.result.tokens
    assert attempt["cost"]["amount"] == pytest.approx(done.result.cost["amount"])
    assert attempt["result"]["run_id"] == "r1"
    assert attempt["failure"] is None


def check_files(rows_of: Any, bucket: str) -> None:
    saved = {row["path"]: row for row in rows_of("checkpoints")}
    certain = set(saved) - {"attempt-0/checkpoint-4"}  # the last may be the final one's alone
    assert certain == {"attempt-0/checkpoint-2", "checkpoint-final"}
    first = saved["attempt-0/checkpoint-2"]
    assert (first["step"], first["is_final"]) == (2, False)
    assert first["seconds"] > 0
    assert first["uri"] == f"{bucket}/attempt-0/checkpoint-2"
    assert first["bytes"] > 1000
    assert len(first["sha256"]) == 64
    final = saved["checkpoint-final"]
    assert final["is_final"]
    assert final["uri"] == f"{bucket}/checkpoint-final"
    assert final["seconds"] > 0
    assert {a["path"] for a in rows_of("artifacts")} >= {"checkpoint-final", "metrics.jsonl"}
    assert {a["uri"] for a in rows_of("artifacts") if a["path"] == "metrics.jsonl"} == {
        f"{bucket}/metrics.jsonl"
    }


def check_events(rows_of: Any) -> None:
    told = [(e["kind"], e["name"], e["step"]) for e in rows_of("events")]
    assert told[:2] == [("state", "run_started", 0), ("state", "attempt_started", 0)]
    assert told[-2:] == [("state", "attempt_ended", 4), ("state", "run_ended", 4)]
    assert ("checkpoint", "saved", 2) in told
    assert ("checkpoint", "uploaded", 2) in told
    assert ("budget", "forecast", 1) in told or ("budget", "forecast", 2) in told


def check_metrics(rows_of: Any, folder: Path) -> None:
    logged = [json.loads(line) for line in (folder / "metrics.jsonl").open(encoding="utf-8")]
    metrics, (attempt,) = rows_of("metrics"), rows_of("attempts")
    values = {(m["kind"], m["name"], m["step"]): m["value"] for m in metrics}
    assert len(values) == len(metrics)
    for row in logged:
        assert values["train", "loss", row["step"]] == row["loss"]
        assert values["train", "grad_norm", row["step"]] == row["grad_norm"]
    for step in (2, 3, 4):
        assert values["system", "seconds_per_step", step] > 0
        assert values["system", "tokens_per_second", step] > 0
        assert values["system", "cost", step] > values["system", "cost", step - 1]
    assert {name for kind, name, _ in values if kind == "phase"} >= {"forward_backward", "save"}
    assert any(name == "peak_memory_rss" for _, name, _ in values)
    spent = sum(m["value"] for m in metrics if m["kind"] == "phase" and m["name"] == "save")
    assert spent <= attempt["phase_seconds"]["save"]


def test_a_second_attempt_says_where_it_goes_on_and_doubles_nothing(
    tmp_path: Path, run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(
        telemetry={"db_url": db_url},
        training={"max_steps": 4},
        checkpoint={"every_steps": 1},
        task={"signal_at_step": 3},
    )
    config["telemetry"]["db_url"] = db_url
    run = run_runner(config | {"training": {**config["training"], "max_steps": 2}})
    assert run.code == 0, run.said
    started = rows_of("runs")[0]["created_at"]
    again = run_runner(config, **{Env.RUN_ID: run.result.run_id})
    assert again.code == 0, again.said
    (row,) = rows_of("runs")
    assert row["created_at"] == started
    first, second = rows_of("attempts")
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert second["resumed_from_step"] == 2
    (resumed,) = [e for e in rows_of("events") if e["name"] == "resumed"]
    assert (resumed["step"], resumed["attempt"]) == (2, 1)
    assert resumed["details"]["checkpoint"] == "attempt-0/checkpoint-2"
    assert "SHA-256" in resumed["details"]["verified"]
    assert [e["attempt"] for e in rows_of("events") if e["name"] == "run_started"] == [0]


def test_what_is_not_copied_to_the_mirror_has_no_uri() -> None:
    from tenyson.jobs.recording.attempt_rows import _copy_of

    metrics = {"kind": "metrics", "path": "metrics.jsonl"}
    assert _copy_of(metrics, "s3://b/r") == "s3://b/r/metrics.jsonl"
    assert _copy_of(metrics, None) is None
    offline = {"kind": "wandb", "path": "wandb/offline-run-1/run-1.wandb"}
    assert _copy_of(offline, "s3://b/r") is None


def test_an_attempt_that_ends_before_it_trains_undoes_nothing_and_wipes_nothing(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    from tenyson.reporting.records import Attempt
    from tenyson.reporting.steps import NO_LIMIT, last_steps

    config = make_config(telemetry={"db_url": db_url}, training={"max_steps": 2})
    first = run_runner(config, **{Env.RUN_ID: "r"})
    assert first.code == 0, first.said
    (before,) = rows_of("runs")
    (first.folder / "run_manifest.json").unlink()  # as in a new pod
    config["training"] = {**config["training"], "max_steps": 4}
    again = run_runner({**config, "model": {"name": "/nowhere"}}, **{Env.RUN_ID: "r"})
    assert again.code != 0
    attempts = rows_of("attempts")
    assert [(a["attempt"], a["resumed_from_step"]) for a in attempts] == [(0, 0), (1, None)]
    names = ("attempt", "started_at", "resumed_from_step")
    limits = last_steps([Attempt(**{name: a[name] for name in names}) for a in attempts])
    assert limits == {0: NO_LIMIT, 1: NO_LIMIT}
    (after,) = rows_of("runs")
    assert after["manifest"] == before["manifest"]


def test_a_failure_is_an_event_and_stands_in_the_attempts_row(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(telemetry={"db_url": db_url}, training={"learning_rate": 9.0})
    config["task"] = {"sft_rows": []}
    run = run_runner(config)
    assert run.code == ExitCode.TASK
    (attempt,) = rows_of("attempts")
    assert (attempt["status"], attempt["exit_code"]) == ("failed", int(ExitCode.TASK))
    assert attempt["failure"]["type"] == "TaskError"
    (ended,) = [e for e in rows_of("events") if e["name"] == "attempt_ended"]
    assert ended["level"] == "error"
    assert attempt["failure"]["message"] in ended["message"]
    assert not [e for e in rows_of("events") if e["name"] == "run_ended"]


def test_a_failures_message_leaves_the_process_redacted_alone() -> None:
    from tenyson.errors import TaskError
    from tenyson.jobs.recording.attempt_rows import without_quotes
    from tenyson.jobs.result import Failure, JobResult

    def broken(text: str) -> str:
        raise TaskError("redact raised KeyError")

    failure = Failure("RewardError", "Reward 'a' raised for prompt 'secret'")
    result = JobResult("r", "failed", 1.0, failure=failure)
    for redact, left in (
        (lambda text: text.replace("secret", "…"), "Reward 'a' raised for prompt '…'"),
        (broken, "The message is in job_result.json: the task's redact failed on it."),
        (None, failure.message),
    ):
        assert without_quotes(result, redact).failure == Failure("RewardError", left)
    assert result.failure == failure
