"""Answers of an evaluation, read from the `eval_outputs.jsonl` that Eval jobs leave."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.evaluation.rows_file import Line, LineProblem, RowsError, read_rows

COMMON = ("model", "settings", "fingerprints", "run_id", "seed")
"""Fields that are the same in all lines of a file; of the fingerprints all but the prompt's."""
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "prompt": (str, list),
    "sample": int,
    "completion": str,
    "scores": dict,
    "model": dict,
    "settings": dict,
    "fingerprints": dict,
}


@dataclass(frozen=True)
class Answers:
    """What one prompt was answered."""

    prompt: Any
    prompt_sha256: str
    expected_answer: Any
    completions: tuple[str, ...]
    scores: tuple[Mapping[str, float], ...]
    """Of each completion."""


@dataclass(frozen=True)
class EvalOutputs:
    """One model's answers."""

    place: str
    rows: Mapping[str, Answers]
    """By id, in the file's order."""
    score_names: tuple[str, ...]
    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    fingerprints: Mapping[str, Any]
    run_id: str | None = None
    seed: int | None = None

    def column(self, score: str, ids: list[str]) -> list[list[float]]:
        """Returns a score's values by prompt and sample, in the ids' order."""
        return [[scores[score] for scores in self.rows[row_id].scores] for row_id in ids]


def read_outputs(place: str | Path) -> EvalOutputs:
    """Returns the answers in a file.

    Args:
        place: File or URI; or the output folder of an Eval job.

    Raises:
        RowsError: Lists the lines that are wrong: no JSON, a missing field, an id and sample that
            are there twice, a model other than that of the first line.
    """
    if "://" not in str(place) and Path(place).is_dir():
        place = Path(place) / File.EVAL_OUTPUTS
    lines = read_rows(place)
    problems = [
        LineProblem(line.number, message) for line in lines for message in _problems(line, lines[0])
    ]
    if not problems:
        problems = list(_repeated(lines))
    if problems:
        raise RowsError(
            str(place),
            problems,
            hint="tenyson eval generate writes such files; an evaluation set has no answers yet.",
        )
    return _outputs(str(place), lines)


def _problems(line: Line, first: Line) -> Iterator[str]:
    content = line.content
    for name, kind in _FIELDS.items():
        if name not in content:
            yield f"has no {name}"
        elif not isinstance(content[name], kind) or isinstance(content[name], bool):
            yield f"{name} is a {type(content[name]).__name__}"
    scores = content.get("scores")
    if not isinstance(scores, dict):
        return
    if not scores:
        yield "has no scores; the task's compute_metrics gave no number for each completion"
    for name, value in scores.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            yield f"scores.{name} is {value!r}; expected a finite number"
    wanted = first.content.get("scores")
    if isinstance(wanted, dict) and scores.keys() != wanted.keys():
        yield (
            f"has the scores {', '.join(scores)}; those of line {first.number} are "
            f"{', '.join(wanted)}"
        )
    for name in COMMON:
        if _common(content, name) != _common(first.content, name):
            yield f"{name} is not that of line {first.number}: the file was put together of several"


def _common(content: Mapping[str, Any], name: str) -> Any:
    value = content.get(name)
    if name == "fingerprints" and isinstance(value, dict):
        return {key: found for key, found in value.items() if key != "prompt"}
    return value


def _repeated(lines: list[Line]) -> Iterator[LineProblem]:
    seen: dict[tuple[str, int], int] = {}
    prompts: dict[str, tuple[Any, int]] = {}
    for line in lines:
        row_id, sample = line.content["id"], line.content["sample"]
        if (row_id, sample) in seen:
            message = f"the id {row_id!r} is that of line {seen[row_id, sample]}, too"
            yield LineProblem(line.number, message)
        seen.setdefault((row_id, sample), line.number)
        prompt, number = prompts.setdefault(row_id, (line.content["prompt"], line.number))
        if prompt != line.content["prompt"]:
            message = f"the id {row_id!r} has another prompt in line {number}"
            yield LineProblem(line.number, message)


def _outputs(place: str, lines: list[Line]) -> EvalOutputs:
    by_id: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_id.setdefault(line.content["id"], []).append(line.content)
    first = lines[0].content
    return EvalOutputs(
        place=place,
        rows={row_id: _answers(rows) for row_id, rows in by_id.items()},
        score_names=tuple(first["scores"]),
        model=first["model"],
        settings=first["settings"],
        fingerprints=_common(first, "fingerprints"),
        run_id=first.get("run_id"),
        seed=first.get("seed"),
    )


def _answers(rows: list[dict[str, Any]]) -> Answers:
    rows = sorted(rows, key=lambda row: row["sample"])
    first = rows[0]
    return Answers(
        prompt=first["prompt"],
        prompt_sha256=str(first["fingerprints"].get("prompt")),
        expected_answer=first.get("expected_answer"),
        completions=tuple(row["completion"] for row in rows),
        scores=tuple({n: float(v) for n, v in row["scores"].items()} for row in rows),
    )
