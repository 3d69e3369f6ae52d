"""From what a run did to rows of the tables: deterministic ids, texts, JSON values."""

import json
import math
import statistics
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

_NAMESPACE = uuid.UUID("6f1d3a52-6a8a-5d0c-9d0e-6c1a2f6b7e11")


class Row(NamedTuple):
    """One row on its way to the database."""

    table: str
    values: dict[str, Any]


@dataclass(frozen=True)
class RunKey:
    """The attempt that rows belong to."""

    run_id: str
    attempt: int

    def row(self, table: str, step: int, key: Sequence[object], values: dict[str, Any]) -> Row:
        """Returns a row of this attempt; the same `key` at the same step gives the same id."""
        head = {
            "id": self.row_id(table, step, *key),
            "run_id": self.run_id,
            "attempt": self.attempt,
            "step": step,
            "created_at": datetime.now(UTC),
        }
        return Row(table, head | values)

    def row_id(self, table: str, step: int, *key: object) -> str:
        """Returns the id of a row: the same words always give the same one."""
        words = json.dumps([self.run_id, self.attempt, table, step, *map(str, key)])
        return str(uuid.uuid5(_NAMESPACE, words))


@dataclass(frozen=True)
class Completion:
    """One completion with its rewards."""

    text: str
    rewards: Mapping[str, float | None]
    """Function to its unweighted value; None where it did not apply."""
    total: float | None
    """The weighted sum; None when no function applied."""
    tokens: int | None = None


@dataclass(frozen=True)
class PromptGroup:
    """A prompt and the completions sampled for it."""

    index: int
    """Place among the groups of this round of sampling, from 0."""
    prompt: str
    completions: Sequence[Completion]


@dataclass(frozen=True)
class EvalSample:
    """One completion of an evaluation."""

    row_id: str
    """Id of the dataset's row, unique in its dataset."""
    prompt: Any
    """Text, or a list of messages."""
    completion: Any
    sample_index: int = 0
    """Number of the sample for this prompt, from 0."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """What the task's metrics said about it, `{"correct": True}`."""
    tokens: int | None = None


def rollout_rows(
    run: RunKey, step: int, groups: Sequence[PromptGroup], *, phase: str, sampling_round: int
) -> list[Row]:
    """Returns one `rollouts` row a group and one `generations` row a completion."""
    rows: list[Row] = []
    for group in groups:
        key = (phase, sampling_round, group.index)
        rollout = run.row("rollouts", step, key, _rollout_values(group, phase))
        rows.append(rollout)
        rows += [
            run.row(
                "generations",
                step,
                (*key, index),
                _generation_values(completion, phase, index, rollout),
            )
            for index, completion in enumerate(group.completions)
        ]
    return rows


def eval_rows(run: RunKey, step: int, samples: Sequence[EvalSample]) -> list[Row]:
    """Returns one `generations` row a sample, with `phase` = `eval`."""
    return [
        run.row(
            "generations",
            step,
            ("eval", sample.row_id, sample.sample_index),
            {
                "phase": "eval",
                "rollout_id": None,
                "index": sample.sample_index,
                "completion": as_text(sample.completion),
                "tokens": sample.tokens,
                "reward": None,
                "rewards": None,
                "row_id": sample.row_id,
                "prompt": as_text(sample.prompt),
                "scores": dict(sample.scores),
            },
        )
        for sample in samples
    ]


def _rollout_values(group: PromptGroup, phase: str) -> dict[str, Any]:
    totals = [c.total for c in group.completions if c.total is not None]
    return {
        "phase": phase,
        "group_index": group.index,
        "prompt": group.prompt,
        "reward_mean": statistics.fmean(totals) if totals else None,
        "reward_std": sample_deviation(totals),
    }


def _generation_values(
    completion: Completion, phase: str, index: int, rollout: Row
) -> dict[str, Any]:
    return {
        "phase": phase,
        "rollout_id": rollout.values["id"],
        "index": index,
        "completion": completion.text,
        "tokens": completion.tokens,
        "reward": completion.total,
        "rewards": dict(completion.rewards),
        "row_id": None,
        "prompt": None,
        "scores": None,
    }


def sample_deviation(values: Sequence[float]) -> float | None:
    """Returns the standard deviation with n - 1; 0 for one value, None for none."""
    if len(values) < 2:
        return 0.0 if values else None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def as_text(value: Any) -> str:
    """Returns a prompt or a completion as text: a lone message's content, else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        content = value[0].get("content")
        if isinstance(content, str):
            return content
    return json.dumps(value, ensure_ascii=False, default=str)


def storable(value: Any) -> Any:
    """Returns the value as every database takes it, for a column or inside a JSON column.

    A NUL and half a surrogate pair become U+FFFD: PostgreSQL and UTF-8 have no place for them.
    """
    if isinstance(value, str):
        return _clean_text(value)
    if value is None or isinstance(value, bool | int | float | datetime):
        return value
    if isinstance(value, Mapping):
        return {_clean_text(str(key)): _json_value(item) for key, item in value.items()}
    return _json_value(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no NaN
    if value is None or isinstance(value, str | bool | int | Mapping):
        return storable(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_value(item) for item in value]
    if callable(item := getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0:
        return _json_value(item())  # a scalar of NumPy or torch
    if callable(tolist := getattr(value, "tolist", None)):
        return _json_value(tolist())
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
