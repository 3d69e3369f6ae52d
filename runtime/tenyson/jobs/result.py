"""JobResult: what every job, manager and TenysonJob gives back."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tenyson.contract import TERMINATION_MESSAGE_BYTES
from tenyson.files import write_atomically
from tenyson.hiding import hide_in


@dataclass(frozen=True)
class Failure:
    """Why a run did not succeed."""

    type: str
    """Class of the error, `ConfigError`."""
    message: str
    hint: str = ""
    """What to do next; empty when nothing better is known than the message."""
    traceback_path: str | None = None
    """File with the traceback, relative to the output folder; None where it would tell nothing."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the failure for JSON values; fields of a newer version are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass
class JobResult:
    """The outcome of one run, as its last attempt left it."""

    run_id: str
    status: str
    """`success`, `failed`, `stopped` (saved and ended on request), `diverged` or `budget`."""
    total_time_seconds: float
    """Wall time of this attempt."""
    metrics: dict[str, float] = field(default_factory=dict)
    hf_repo_id: str | None = None
    hf_revision: str | None = None
    wandb_url: str | None = None
    local_output_dir: str | None = None
    """Output folder as the runner sees it."""

    schema_version: int = 1
    job_type: str | None = None
    attempt: int = 0
    exit_code: int = 0
    failure: Failure | None = None
    """None when the run succeeded."""
    stop_reason: str | None = None
    global_step: int | None = None
    """Optimiser steps done over all attempts; an evaluation's rows. None where the attempt ended
    before it knew. One that ended while it loaded has the step that it would have gone on from."""
    resumed_from_step: int | None = None
    """Step of the checkpoint that this attempt started from; 0 for a fresh start, None where it
    ended before it started from anything."""
    output_uri: str | None = None
    adapter_sha256: str | None = None
    """Hash of the adapter that was trained or evaluated; None for a base model or full weights."""
    telemetry: dict[str, int] = field(default_factory=dict)
    """Rows `written` to the database and `spooled` to the output folder because it was away."""
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    """Files left behind: `kind`, `path` relative to the output folder, `bytes`, `sha256`."""
    warnings: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    """Tokens of this attempt: `prompt` ones read, `completion` ones sampled, and `trained` ones,
    those that the loss was taken over, each time it was."""
    tokens_per_second: float | None = None
    """Tokens read and sampled a second, from the first step or row of this attempt to the last."""
    phase_seconds: dict[str, float] = field(default_factory=dict)
    """Where this attempt's wall time went: `load`, `data`, `generate`, `reward`, `sync`,
    `forward_backward`, `save`, `eval`. No second counts twice; the few missing lie between them."""
    peak_memory: dict[str, int] = field(default_factory=dict)
    """Most bytes that this process held: `rss` in the host, `cuda` on its GPU."""
    cost: dict[str, Any] = field(default_factory=dict)
    """`currency`, `rate` an hour, and `amount` over all attempts; empty without a price."""
    engine: str | None = None
    """What sampled: `hf` or `vllm`; None for a job that samples nothing."""
    engine_reason: str | None = None
    """Why it was that one."""
    dataset_fingerprints: dict[str, str] = field(default_factory=dict)
    """By role (`train`, `eval`): the SHA-256 of the rows."""
    manifest_uri: str | None = None
    """Where `run_manifest.json` is; None for a run that ended before it was written."""
    metrics_ci: dict[str, list[float]] = field(default_factory=dict)
    """Metric to the two ends of its 95 % confidence interval, where the job knows one."""

    @property
    def succeeded(self) -> bool:
        """Whether the run did all that it was asked to."""
        return self.status == "success"

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values, without this process's secrets."""
        return dict(hide_in(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the result for JSON values; fields of a newer version are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        if kept.get("failure") is not None:
            kept["failure"] = Failure.from_dict(kept["failure"])
        return cls(**kept)

    def save(self, path: str | Path) -> None:
        """Writes the result as JSON; a reader never sees half a file."""
        write_atomically(Path(path), self.to_json())

    def to_json(self) -> str:
        """Returns the content of `job_result.json`."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Returns the result that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is no JobResult.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} holds no JobResult: {error}") from error

    def termination_message(self) -> str:
        """Returns the result as JSON of at most 4096 bytes, whole fields dropped until it fits.

        A kubelet cuts a longer message in the middle, which would leave no JSON at all. Fields
        that say nothing are left out at once.
        """
        values = {name: value for name, value in self.to_dict().items() if value not in _NOTHING}
        for drop in _DROP_ORDER:
            text = _compact(values)
            if len(text.encode()) <= TERMINATION_MESSAGE_BYTES:
                return text
            drop(values)
        return _compact(values)


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def _compact(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _without(*names: str) -> Callable[[dict[str, Any]], None]:
    def drop(values: dict[str, Any]) -> None:
        for name in names:
            values.pop(name, None)

    return drop


def _keep_few_warnings(values: dict[str, Any]) -> None:
    values["warnings"] = [w[:200] for w in values.get("warnings", [])[:3]]


def _shorten_failure(values: dict[str, Any], message: int = 600, hint: int = 200) -> None:
    if failure := values.get("failure"):
        failure["message"] = failure["message"][:message]
        failure["hint"] = failure["hint"][:hint]


def _keep_few_metrics(values: dict[str, Any]) -> None:
    values["metrics"] = dict(list(values.get("metrics", {}).items())[:20])


_DROP_ORDER = (
    _without("artifacts"),
    _without("dataset_fingerprints", "engine_reason"),
    _without("metrics_ci"),
    _keep_few_warnings,
    _shorten_failure,
    _keep_few_metrics,
    _without("warnings", "metrics", "phase_seconds", "peak_memory"),
    # Control characters take six bytes each in JSON.
    lambda values: _shorten_failure(values, 150, 0),
)
