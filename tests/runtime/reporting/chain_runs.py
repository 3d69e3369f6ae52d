"""Rows of any run in a telemetry database: the run itself, its attempts, events and metrics."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tenyson.telemetry.rows import Row, RunKey

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
TASK = "tenyson.examples.wordle.wordle_task:WordleTask"
MODEL = "task:tiny"


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    sft_steps: int = 80
    rl_steps: int = 60
    groups: int = 4
    """Of an RL step."""
    completions: int = 8
    """Of a group."""
    prompts: int = 120
    """Of an evaluation."""


@dataclass
class Chain:
    """The rows, as they come about."""

    size: Size
    random: random.Random
    rows: list[Row] = field(default_factory=list)

    def add(self, table: str, values: dict[str, Any]) -> None:
        self.rows.append(Row(table, values))

    def add_step(
        self, run: str, table: str, at: datetime, step: int, key: Sequence[Any], **values: Any
    ) -> str:
        attempt = values.pop("attempt", 0)
        row_id = RunKey(run, attempt).row_id(table, step, *key)
        head = {"id": row_id, "run_id": run, "attempt": attempt, "step": step, "created_at": at}
        self.add(table, {**head, **values})
        return row_id


def add_run(
    chain: Chain, run: str, job_type: str, minute: int, experiment: str, *, parents: list[str],
    seed: int = 0,
) -> None:  # fmt: skip
    config = _config(job_type)
    at = START + timedelta(minutes=minute)
    values = {
        "run_id": run, "experiment_id": experiment, "job_type": job_type, "name": run,
        "namespace": None, "task": TASK, "model": MODEL, "config": config, "config_hash": job_type,
        "seed": seed, "dataset_key": f"wordle-{job_type}-v1", "parents": parents,
        "git_sha": "4fcacaa9d1", "manifest": _manifest(run, job_type, config, parents),
        "created_at": at, "updated_at": at,
    }  # fmt: skip
    chain.add("runs", values)


def _config(job_type: str) -> dict[str, Any]:
    training = {
        "sft": {"max_steps": 80, "learning_rate": 0.003, "per_device_train_batch_size": 64},
        "rl": {"max_steps": 60, "learning_rate": 0.0005, "per_device_train_batch_size": 32},
        "eval": {"max_steps": -1, "learning_rate": 5e-05, "per_device_train_batch_size": 8},
    }[job_type]
    return {
        "model": {"name": MODEL, "dtype": "float32"},
        "adapter": {"kind": "lora", "r": 16, "target_modules": ["all-linear"]},
        "training": {**training, "seed": 0},
        "telemetry": {"db_url": None},
        "task": {"words": "default", "max_turns": 2},
    }


def _manifest(run: str, job_type: str, config: dict[str, Any], parents: list[str]) -> Any:
    return {
        "run_id": run,
        "job_type": job_type,
        "recipe": TASK,
        "config": config,
        "model": {"name": MODEL, "source": MODEL, "weights_sha256": "ab" * 32},
        "adapter_parent": {"path": f"{parents[0]}/checkpoint-final", "sha256": parents[0] * 3}
        if parents
        else None,
        "datasets": {"train": {"rows": 5120, "fingerprint": "cd" * 32}},
        "versions": {"python": "3.12.1", "torch": "2.13.0", "trl": "1.16.0"},
        "hardware": {"cpu": "AMD EPYC", "processors": 2},
        "parent_runs": [{"run_id": parent} for parent in parents],
        "command": ["python", "-m", "tenyson.runner", "--job-type", job_type],
        "artifacts_path": f"artifacts/training_runs/{run}",
    }


def add_attempt(
    chain: Chain, run: str, minute: float, *, attempt: int = 0, minutes: float | None = 3.0,
    status: str | None = "success", **values: Any,
) -> None:  # fmt: skip
    started = START + timedelta(minutes=minute)
    ended = None if minutes is None else started + timedelta(minutes=minutes)
    names = ("stop_reason", "global_step", "wandb_url", "phase_seconds", "tokens", "metrics")
    given = {name: values.get(name) for name in (*names, "failure", "warnings")}
    is_open = status is None
    chain.add(
        "attempts",
        {
            "id": RunKey(run, attempt).row_id("attempts", 0, "attempt"),
            "run_id": run, "attempt": attempt, "created_at": ended or started,
            "started_at": started, "ended_at": ended, "status": status,
            "exit_code": None if is_open else {"success": 0, "failed": 65}.get(status or "", 70),
            "resumed_from_step": values.get("resumed_from_step", 0),
            "cost": None if is_open else {"currency": "USD", "rate": 2.5, "amount": 0.31},
            "peak_memory": None if is_open else {"rss": 1_400_000_000},
            "hardware": {"cpu": "AMD EPYC", "processors": 2},
            "result": None if is_open else {"tokens_per_second": 5210.5, "status": status},
            **given,
        },
    )  # fmt: skip


def add_event(
    chain: Chain, run: str, minute: float, step: int, kind: str, level: str, name: str,
    message: str, **details: Any,
) -> None:  # fmt: skip
    at = START + timedelta(minutes=minute)
    values = {"kind": kind, "level": level, "name": name, "message": message, "details": details}
    chain.add_step(run, "events", at, step, (kind, name), **values)


def add_metrics(
    chain: Chain, run: str, minute: float, step: int, metrics: dict[str, float], attempt: int = 0,
    phases: dict[str, float] | None = None,
) -> None:  # fmt: skip
    at = START + timedelta(minutes=minute)
    for name, value in metrics.items():
        kind = "eval" if name.startswith("eval_") else "train"
        given = {"kind": kind, "name": name, "value": value, "attempt": attempt}
        chain.add_step(run, "metrics", at, step, (kind, name), **given)
    for name, value in (phases or {}).items():
        given = {"kind": "phase", "name": name, "value": value, "attempt": attempt}
        chain.add_step(run, "metrics", at, step, ("phase", name), **given)
