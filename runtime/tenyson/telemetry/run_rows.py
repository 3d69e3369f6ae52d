"""Rows of a run as a whole: the experiment it is part of, what it is made of, its attempts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

from tenyson.telemetry.rows import Row, RunKey, experiment_id


@dataclass(frozen=True)
class RunDescription:
    """What a run is made of; the manifest's part is None until the run knows it."""

    job_type: str
    name: str
    """The TenysonJob's, else the output folder's."""
    task: str
    """`module:Class`."""
    model: str
    config: Mapping[str, Any]
    """Resolved, without secrets."""
    config_hash: str
    seed: int | None
    namespace: str | None = None
    experiment: str | None = None
    dataset_key: str | None = None
    parents: tuple[str, ...] = ()
    """Runs that trained the adapters started from or evaluated, of each the nearest first."""
    git_sha: str | None = None
    manifest: Mapping[str, Any] | None = None

    def with_manifest(self, manifest: Mapping[str, Any], parents: tuple[str, ...]) -> Self:
        """Returns the same run with what its manifest says."""
        return replace(
            self,
            manifest=manifest,
            parents=parents,
            dataset_key=manifest.get("dataset_key"),
            git_sha=manifest.get("git_sha"),
        )


def run_rows(run: RunKey, description: RunDescription, began: datetime) -> list[Row]:
    """Returns the run's row, after that of its experiment where it has one.

    Args:
        run: The run.
        description: What it is made of, as far as it is known.
        began: When this attempt began; of several attempts the database keeps the first one's.
    """
    now = datetime.now(UTC)
    values = {field.name: getattr(description, field.name) for field in fields(description)}
    name, rows = values.pop("experiment"), []
    values["parents"] = list(description.parents)
    values["experiment_id"] = None if name is None else experiment_id(name)
    if name is not None:
        own = {"id": values["experiment_id"], "name": name, "created_at": now}
        rows.append(Row("experiments", own))
    head = {"run_id": run.run_id, "created_at": began, "updated_at": now}
    return [*rows, Row("runs", head | values)]


@dataclass(frozen=True)
class AttemptFacts:
    """An attempt as far as it is known; one that was killed stays as it began."""

    started_at: datetime
    ended_at: datetime | None = None
    status: str | None = None
    exit_code: int | None = None
    stop_reason: str | None = None
    global_step: int | None = None
    resumed_from_step: int | None = None
    wandb_url: str | None = None
    phase_seconds: Mapping[str, float] | None = None
    tokens: Mapping[str, int] | None = None
    cost: Mapping[str, Any] | None = None
    peak_memory: Mapping[str, int] | None = None
    hardware: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] | None = None
    failure: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    """The JobResult, without the counts of telemetry: the last rows are still to be written."""
    warnings: list[str] | None = None


def attempt_row(run: RunKey, facts: AttemptFacts) -> Row:
    """Returns the attempt's one row: written when it starts, and again whenever more is known."""
    head = {
        "id": run.row_id("attempts", 0),
        "run_id": run.run_id,
        "attempt": run.attempt,
        "created_at": datetime.now(UTC),
    }
    return Row("attempts", head | {f.name: getattr(facts, f.name) for f in fields(facts)})
