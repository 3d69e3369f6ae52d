"""Per-prompt scores of an evaluation, read from the results.json that Eval jobs leave."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.contract import ExitCode
from tenyson.errors import TenysonError


class ComparisonError(TenysonError, ValueError):
    """Raised when evaluations cannot be compared: other prompts, no per-prompt scores."""

    exit_code = ExitCode.TASK


@dataclass(frozen=True)
class Evaluation:
    """One model's scores."""

    name: str
    scores: Mapping[str, float]
    """Id of the prompt to its score; the mean over its samples where there were several."""
    prompts: Mapping[str, str]
    """Id to the prompt's SHA-256."""
    lower_is_better: bool = False
    """Whether less of this score is better."""

    @property
    def is_binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return set(self.scores.values()) <= {0.0, 1.0}


def load_evaluation(name: str, path: str | Path, metric: str = "correct") -> Evaluation:
    """Returns the scores in a results.json.

    Args:
        name: What tables call this model.
        path: The file, or the output folder that holds it.
        metric: Key of the score in `detailed_results`; true and false count as 1 and 0.

    Raises:
        ComparisonError: The file is missing, holds no such score, or an id twice.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    scores: dict[str, float] = {}
    prompts: dict[str, str] = {}
    for place, entry in enumerate(_entries(path)):
        row_id = str(entry.get("id", place))
        if row_id in scores:
            raise ComparisonError(f"{path} holds the id {row_id!r} twice.")
        scores[row_id] = _score(entry, metric, row_id, path)
        text = json.dumps(entry.get("prompt"), sort_keys=True)
        prompts[row_id] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Evaluation(name, scores, prompts)


def require_same_prompts(evaluations: Sequence[Evaluation]) -> list[str]:
    """Returns the ids that all evaluations share, in the first one's order.

    Raises:
        ComparisonError: One of them has other ids, or another prompt under the same id.
    """
    first, *others = evaluations
    for other in others:
        only_first = sorted(first.scores.keys() - other.scores.keys())
        only_other = sorted(other.scores.keys() - first.scores.keys())
        changed = [i for i in first.scores if first.prompts[i] != other.prompts.get(i)]
        if only_first or only_other or changed:
            raise ComparisonError(
                f"{first.name} and {other.name} were not evaluated on the same prompts: "
                f"{_count(only_first)} only in {first.name}, {_count(only_other)} only in "
                f"{other.name}, {_count([i for i in changed if i in other.scores])} with another "
                "prompt under the same id.",
                hint="Evaluate both models on the same set with the same settings.",
            )
    return list(first.scores)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ComparisonError(
            f"There is no {path}.", hint="An Eval job writes it when it succeeds."
        ) from None
    except ValueError as error:
        raise ComparisonError(f"{path} holds no results: {error}.") from error
    entries = content.get("detailed_results") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ComparisonError(f"{path} has no list of detailed_results.")
    if not entries:
        raise ComparisonError(f"{path} has no rows.")
    return entries


def _score(entry: Mapping[str, Any], metric: str, row_id: str, path: Path) -> float:
    value = entry.get(metric)
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    known = [n for n, v in entry.items() if isinstance(v, int | float)]
    raise ComparisonError(
        f"{path}: row {row_id!r} has {value!r} as {metric!r}, expected a number.",
        hint=f"Numbers of this row: {', '.join(known) or 'none'}.",
    )


def _count(ids: Sequence[str]) -> str:
    return f"{len(ids)} (such as {ids[0]!r})" if ids else "0"
