"""From what a configuration names to scorers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from tenyson.errors import ConfigError, Problem
from tenyson.evaluation.scorers.exact import ExactScorer
from tenyson.evaluation.scorers.expression import ExpressionScorer
from tenyson.evaluation.scorers.numeric import NumericScorer
from tenyson.evaluation.scorers.pattern import PatternScorer
from tenyson.evaluation.scorers.scorer import Scorer
from tenyson.near_names import near_name

SCORERS: Mapping[str, str] = {
    "exact": "the whole completion (exact:ignore_case)",
    "numeric": "its last number (numeric:0.01 lets it be 1 % off)",
    "regex": "what regex:PATTERN finds last, its first group",
    "math": "its expression, by value (math-verify)",
}
"""Name to what of a completion is compared with the expected answer."""


def make_scorers(specs: Sequence[str]) -> list[Scorer]:
    """Returns the scorers that are named, each with a name of its own.

    Args:
        specs: `exact`, `exact:ignore_case`, `numeric`, `numeric:TOLERANCE`, `regex:PATTERN` or
            `math`.

    Raises:
        ConfigError: One of them is none.
        DependencyError: One needs a library that is not installed.
    """
    made: dict[str, Scorer] = {}
    for spec in specs:
        scorer = _make(spec)
        again = sum(1 for name in made if name.partition("_")[0] == scorer.name)
        if again:
            scorer = replace(scorer, name=f"{scorer.name}_{again + 1}")
        made[scorer.name] = scorer
    return list(made.values())


def _make(spec: str) -> Any:
    name, has_more, more = spec.partition(":")
    if name == "exact" and more in ("", "ignore_case"):
        return ExactScorer(ignore_case=bool(more))
    if name == "numeric":
        return NumericScorer(_tolerance(more) if has_more else Decimal(0))
    if name == "regex" and more:
        return PatternScorer.of(more)
    if name == "math" and not has_more:
        return ExpressionScorer.of()
    near = near_name(name, SCORERS)
    meant = f"; did you mean {near!r}?" if near not in (None, name) else ""
    known = "; ".join(f"{scorer}: {what}" for scorer, what in SCORERS.items())
    raise ConfigError(
        [Problem("task.scorer", f"there is no scorer {spec!r}{meant}")],
        hint=f"The scorers compare: {known}; and task, a task's compute_metrics.",
    )


def _tolerance(text: str) -> Decimal:
    try:
        tolerance = Decimal(text)
    except InvalidOperation:
        tolerance = Decimal(-1)
    if not tolerance.is_finite() or tolerance < 0:
        raise ConfigError(
            [Problem("task.scorer", f"numeric:{text} has no share from 0 up as its tolerance")],
            hint="Write numeric:0.01 for 1 %.",
        )
    return tolerance
