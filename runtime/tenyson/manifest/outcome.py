"""What a run has left beside its manifest: its result and its logged metrics, for a comparison."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.manifest.reading import read_manifest
from tenyson.manifest.table import text_of

TIMES = ("time", "step_time", "attempt", "tokens_per_second")
"""Logged numbers that differ between any two runs."""
TIME_ENDINGS = ("_runtime", "_per_second")


@dataclass(frozen=True)
class Status:
    """How a run ended."""

    status: str
    global_step: int | None


@dataclass(frozen=True)
class Outcome:
    """A run, as far as its folder tells of it."""

    place: Path
    manifest: dict[str, Any]
    metrics: dict[str, float]
    """Those of its result; none where it has left none yet."""
    rows: list[dict[str, Any]]
    """Of `metrics.jsonl`."""
    result: Status | None = None


def read_outcome(place: Path) -> Outcome:
    """Returns what a run has left.

    Args:
        place: Its output folder, or the manifest in it.

    Raises:
        ConfigError: There is no manifest.
    """
    manifest = read_manifest(place)
    folder = place if place.is_dir() else place.parent
    result = _json_of(folder / File.JOB_RESULT)
    status = Status(str(result.get("status")), result.get("global_step"))
    return Outcome(
        place=place,
        manifest=manifest,
        metrics=dict(result.get("metrics") or {}),
        rows=_rows(folder / File.METRICS),
        result=status if result else None,
    )


def metric_rows(
    left: Mapping[str, float], right: Mapping[str, float], *, everything: bool = False
) -> list[tuple[str, str, str, str]]:
    """Returns name, both values and their difference of each metric that is not the same."""
    rows = []
    for name in (*left, *(name for name in right if name not in left)):
        one, other = left.get(name), right.get(name)
        if is_time(name) or (one == other and not everything):
            continue
        change = f"{other - one:+.4g}" if one is not None and other is not None else ""
        one_text, other_text = text_of(one), text_of(other)
        if one_text == other_text and one != other:
            one_text, other_text = repr(one), repr(other)
        rows.append((name, one_text, other_text, change))
    return rows


def parted_at(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> str:
    """Returns where two logs first disagree, `step 13: loss 0.41 and 0.43`; empty if nowhere."""
    for one, other in zip(left, right, strict=False):
        for name in (*one, *(name for name in other if name not in one)):
            if not is_time(name) and one.get(name) != other.get(name):
                values = f"{text_of(one.get(name))} and {text_of(other.get(name))}"
                if text_of(one.get(name)) == text_of(other.get(name)):
                    values = f"{one.get(name)!r} and {other.get(name)!r}"
                return f"step {one.get('step')}: {name} {values}"
    if len(left) != len(right):
        ended = min((left, right), key=len)
        step = ended[-1].get("step") if ended else 0
        return f"step {step}, where one of them ends"
    return ""


def is_time(name: str) -> bool:
    """Whether a logged number is of the clock, and so another in every run."""
    return name in TIMES or name.endswith(TIME_ENDINGS)


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last line of a killed run
            break
    return rows


def _json_of(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
