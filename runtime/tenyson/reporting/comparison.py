"""Models compared on the same prompts: shares with intervals, paired differences, a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tenyson.evaluation.statistics import (
    Estimate,
    PairedTest,
    holm,
    mean_interval,
    paired_difference,
    paired_test,
    wilson_interval,
)
from tenyson.evaluation.verdict import SIGNIFICANT, Verdict, verdict_of
from tenyson.reporting.evaluations import Evaluation, require_same_prompts
from tenyson.reporting.numbers import difference_text, interval_text, p_text, value_text
from tenyson.reporting.tables import markdown_table

_TEST_COLUMNS = ("Better / worse / same", "p", "p (Holm)", "Verdict")


@dataclass(frozen=True)
class Comparison:
    """One model against an earlier one, on the same prompts."""

    before: str
    after: str
    difference: Estimate
    test: PairedTest
    p_adjusted: float
    """The p-value adjusted for the number of comparisons (Holm)."""
    lower_is_better: bool = False
    """Whether a fall is what is wanted."""

    @property
    def verdict(self) -> Verdict:
        """`improved`, `regressed` or `not shown`."""
        return verdict_of(
            self.difference.value, self.p_adjusted, lower_is_better=self.lower_is_better
        )


def compare(evaluations: Sequence[Evaluation]) -> list[Comparison]:
    """Returns each evaluation against the one before it, and the last against the first.

    Raises:
        ComparisonError: They were not made on the same prompts.
    """
    if len(evaluations) < 2:
        return []
    ids = require_same_prompts(evaluations)
    pairs = list(pairwise(evaluations))
    if len(evaluations) > 2:
        pairs.append((evaluations[0], evaluations[-1]))
    columns = {e.name: [e.scores[i] for i in ids] for e in evaluations}
    tests = [paired_test(columns[a.name], columns[b.name]) for a, b in pairs]
    adjusted = holm([test.p_value for test in tests])
    return [
        Comparison(
            a.name,
            b.name,
            paired_difference(columns[a.name], columns[b.name]),
            test,
            p,
            a.lower_is_better or b.lower_is_better,
        )
        for (a, b), test, p in zip(pairs, tests, adjusted, strict=True)
    ]


def estimate(evaluation: Evaluation) -> Estimate:
    """Returns the share of 1s with Wilson's interval, or the mean with the bootstrap's."""
    values = list(evaluation.scores.values())
    if evaluation.is_binary:
        return wilson_interval(int(sum(values)), len(values))
    return mean_interval(values)


def comparison_section(evaluations: Sequence[Evaluation], *, metric: str = "accuracy") -> str:
    """Returns Markdown: each model's number with its interval, then the paired comparisons.

    Args:
        evaluations: In the order of the chain, base → SFT → RL.
        metric: What the numbers are called.

    Raises:
        ComparisonError: They were not made on the same prompts.
    """
    comparisons = compare(evaluations)
    binary = all(e.is_binary for e in evaluations)
    parts = [_estimates_table(evaluations, metric, binary)]
    if comparisons:
        parts += [_comparisons_table(comparisons, binary), _method(comparisons)]
    return "\n\n".join(parts)


def verdict_sentence(comparison: Comparison, *, binary: bool = True) -> str:
    """Returns the comparison in words, verdict first."""
    return (
        f"{comparison.after} against {comparison.before}: **{comparison.verdict}**, "
        f"{difference_text(comparison.difference.value, binary)} "
        f"(95 % {interval_text(comparison.difference, binary, signed=True)}, "
        f"p {p_text(comparison.p_adjusted)})"
    )


def _estimates_table(evaluations: Sequence[Evaluation], metric: str, binary: bool) -> str:
    header = ("Model", "Prompts", metric.capitalize(), "95 % interval")
    rows = []
    for evaluation in evaluations:
        found = estimate(evaluation)
        rows.append(
            (
                evaluation.name,
                found.n,
                value_text(found.value, binary),
                interval_text(found, binary),
            )
        )
    return markdown_table(header, rows)


def _comparisons_table(comparisons: Sequence[Comparison], binary: bool) -> str:
    header = ("Compared", "Difference", "95 % interval", *_TEST_COLUMNS)
    rows = [
        (
            f"{c.before} → {c.after}",
            difference_text(c.difference.value, binary),
            interval_text(c.difference, binary, signed=True),
            _outcomes(c),
            p_text(c.test.p_value),
            p_text(c.p_adjusted),
            c.verdict,
        )
        for c in comparisons
    ]
    return markdown_table(header, rows)


def _outcomes(comparison: Comparison) -> str:
    test = comparison.test
    counts = [test.better, test.worse]
    better, worse = reversed(counts) if comparison.lower_is_better else counts
    return f"{better} / {worse} / {test.same}"


def _method(comparisons: Sequence[Comparison]) -> str:
    tests = ", ".join(sorted({c.test.method for c in comparisons}))
    count = "1 comparison" if len(comparisons) == 1 else f"{len(comparisons)} comparisons"
    return (
        f"Paired by prompt over {comparisons[0].difference.n} prompts. Test: {tests}, two-sided; "
        "intervals of differences: Bonett and Price's for right or wrong answers, else a "
        "bootstrap over prompts (10,000 draws), none where all differ by the same; verdict at "
        f"p < {SIGNIFICANT} after Holm's correction for {count}."
    )
