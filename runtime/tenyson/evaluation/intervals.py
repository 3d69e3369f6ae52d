"""Which of a task's metrics get a confidence interval, from the numbers it gives per completion."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tenyson.evaluation.clustered import clustered_mean
from tenyson.evaluation.pass_at_k import mean_pass_at_k
from tenyson.evaluation.statistics import Estimate
from tenyson.numbers import is_number

Details = Sequence[Sequence[Mapping[str, Any]]]
"""For each prompt, for each of its completions: what the task says about it."""


def number_names(details: Details) -> list[str]:
    """Returns the names of finite numbers that every completion has."""
    every = [detail for drawn in details for detail in drawn]
    if not every:
        return []
    return [name for name in every[0] if all(is_number(d.get(name)) for d in every)]


def without_own_columns(details: Details, rows: Sequence[Mapping[str, Any]]) -> Details:
    """Returns what is told of the completions, without numbers that only repeat the prompts' rows.

    Tasks copy columns of a row for the reader, its `id` or how many turns came before. These are
    of the prompt, not of the answer: no model is better for them.

    Args:
        details: What the task says.
        rows: The prompts' rows, in the same order.
    """
    places = [(row, detail) for row, drawn in zip(rows, details, strict=True) for detail in drawn]
    names = {name for _, detail in places for name in detail}
    own = {"id"} | {n for n in names if all(_is_same(r.get(n), d.get(n)) for r, d in places)}
    return [[{n: v for n, v in d.items() if n not in own} for d in drawn] for drawn in details]


def binary_names(details: Details) -> list[str]:
    """Returns the names of numbers that are 0 or 1 everywhere."""
    every = [detail for drawn in details for detail in drawn]
    return [n for n in number_names(details) if {float(d[n]) for d in every} <= {0.0, 1.0}]


def pass_metrics(details: Details, pass_at: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Returns `<name>_pass@<k>` with its interval, for each name and k."""
    return {
        f"{name}_pass@{k}": mean_pass_at_k([[float(d[name]) for d in row] for row in details], k)
        for name in names
        for k in sorted(set(pass_at))
    }


def metric_intervals(metrics: Mapping[str, Any], details: Details) -> dict[str, Estimate]:
    """Returns the intervals of the metrics that are means of a number in the details.

    A metric belongs to the number of its name, else to one with exactly its mean: tasks call the
    mean of `correct` `accuracy`. Where several numbers have that mean, and not the same interval,
    none is given; nor where several metrics have it, which tells not whose it is: of 200 prompts
    none was won, and none of the 20 that were held out.
    """
    means = {name: _estimate(name, details) for name in number_names(details)}
    values = {name: float(value) for name, value in metrics.items() if is_number(value)}
    found = {}
    for metric, value in values.items():
        named = means.get(metric)
        if named is not None and _are_close(named.value, value):
            found[metric] = named
            continue
        if sum(_are_close(other, value) for other in values.values()) > 1:
            continue
        equal = {(m.low, m.high): m for m in means.values() if _are_close(m.value, value)}
        if len(equal) == 1:
            found[metric] = next(iter(equal.values()))
    return {metric: estimate for metric, estimate in found.items() if estimate.low is not None}


def _is_same(own: Any, told: Any) -> bool:
    return is_number(own) and is_number(told) and float(own) == float(told)


def _are_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def _estimate(name: str, details: Details) -> Estimate:
    return clustered_mean([[float(d[name]) for d in drawn] for drawn in details])
