"""Which of a task's metrics get a confidence interval, from the numbers it gives per completion."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tenyson.evaluation.pass_at_k import mean_pass_at_k
from tenyson.evaluation.statistics import Estimate, mean_interval, wilson_interval
from tenyson.numbers import is_number

Details = Sequence[Sequence[Mapping[str, Any]]]
"""For each prompt, for each of its completions: what the task says about it."""


def number_names(details: Details) -> list[str]:
    """Returns the names of finite numbers that every completion has."""
    every = [detail for drawn in details for detail in drawn]
    if not every:
        return []
    return [name for name in every[0] if all(is_number(d.get(name)) for d in every)]


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
    mean of `correct` `accuracy`. Where several have that mean, and not the same interval, none is
    given.
    """
    means = {name: _estimate(name, details) for name in number_names(details)}
    found = {}
    for metric, value in metrics.items():
        if not is_number(value):
            continue
        named = means.get(metric)
        if named is not None and math.isclose(named.value, float(value), rel_tol=1e-9):
            found[metric] = named
            continue
        equal = {
            (m.low, m.high): m
            for m in means.values()
            if math.isclose(m.value, float(value), rel_tol=1e-9, abs_tol=1e-12)
        }
        if len(equal) == 1:
            found[metric] = next(iter(equal.values()))
    return found


def _estimate(name: str, details: Details) -> Estimate:
    """Returns the mean over prompts: Wilson's interval for one 0 or 1 each, else a bootstrap."""
    values = [sum(float(d[name]) for d in drawn) / len(drawn) for drawn in details]
    is_share = all(len(drawn) == 1 for drawn in details) and set(values) <= {0.0, 1.0}
    return wilson_interval(int(sum(values)), len(values)) if is_share else mean_interval(values)
