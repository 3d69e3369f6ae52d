"""What became of each metric from one model to another, on the same prompts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from tenyson.evaluation.clustered import (
    Samples,
    clustered_difference,
    clustered_mean,
    prompt_means,
)
from tenyson.evaluation.power import (
    fewest_prompts,
    prompts_for_mean,
    prompts_for_shares,
    smallest_mean_difference,
    smallest_share_difference,
)
from tenyson.evaluation.statistics import (
    Estimate,
    PairedTest,
    holm,
    paired_test,
)
from tenyson.evaluation.verdict import SIGNIFICANT, Verdict, verdict_of


@dataclass(frozen=True)
class Change:
    """One metric before and after."""

    before: Estimate
    after: Estimate
    difference: Estimate
    """After minus before, prompt by prompt."""
    test: PairedTest
    p_adjusted: float
    """The test's p-value adjusted for the number of metrics (Holm)."""
    is_share: bool
    """Whether every score is 0 or 1, so that means are shares."""
    smallest_detectable: float | None
    """Smallest difference that these prompts show in 8 of 10 evaluations.

    None where they are `too_few`, and where nothing tells: the difference is the same everywhere.
    """
    too_few: bool
    """Whether so few prompts show no difference, however large."""
    prompts_needed: int | None
    """Prompts that show a difference of the size found in 8 of 10 evaluations; None: no number."""
    lower_is_better: bool = False
    """Whether a fall is what is wanted."""

    @property
    def verdict(self) -> Verdict:
        """`improved`, `regressed` or `not shown`."""
        return verdict_of(
            self.difference.value, self.p_adjusted, lower_is_better=self.lower_is_better
        )

    @property
    def won(self) -> int:
        """On how many prompts the later model is better."""
        return self.test.worse if self.lower_is_better else self.test.better

    @property
    def lost(self) -> int:
        """On how many it is worse."""
        return self.test.better if self.lower_is_better else self.test.worse


def changes_of(
    columns: Mapping[str, tuple[Samples, Samples]],
    *,
    alpha: float = SIGNIFICANT,
    lower_is_better: Collection[str] = (),
) -> dict[str, Change]:
    """Returns each metric's change.

    Args:
        columns: By metric the scores before and after: for each prompt, in the same order, those
            of its samples.
        alpha: What the smallest detectable differences are of: less where these are some of the
            comparisons that a verdict is adjusted for.
        lower_is_better: Metrics of which less is better.

    Raises:
        ValueError: There are no prompts, not the same number, or a score is not finite.
    """
    means = {
        name: (prompt_means(before), prompt_means(after))
        for name, (before, after) in columns.items()
    }
    tests = {name: paired_test(*pair) for name, pair in means.items()}
    adjusted = holm([test.p_value for test in tests.values()])
    return {
        name: replace(
            _change(*columns[name], test, p, alpha=alpha / len(tests)),
            lower_is_better=name in lower_is_better,
        )
        for (name, test), p in zip(tests.items(), adjusted, strict=True)
    }


def _change(
    before: Samples, after: Samples, test: PairedTest, p_adjusted: float, *, alpha: float
) -> Change:
    smallest, needed = _reach(prompt_means(before), prompt_means(after), test, alpha)
    return Change(
        before=clustered_mean(before),
        after=clustered_mean(after),
        difference=clustered_difference(before, after),
        test=test,
        p_adjusted=p_adjusted,
        is_share=_is_binary(before) and _is_binary(after),
        smallest_detectable=smallest,
        too_few=len(before) < fewest_prompts(alpha),
        prompts_needed=needed,
    )


def _is_binary(samples: Samples) -> bool:
    return {score for drawn in samples for score in drawn} <= {0, 1}


def _reach(
    before: list[float], after: list[float], test: PairedTest, alpha: float
) -> tuple[float | None, int | None]:
    """Returns the smallest detectable difference, and the prompts that the one found needs."""
    n = len(before)
    if {*before, *after} <= {0, 1}:
        better, worse = test.better / n, test.worse / n
        smallest = smallest_share_difference(n, better + worse, alpha=alpha)
        return smallest, prompts_for_shares(better, worse, alpha=alpha)
    import numpy as np

    differences = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    deviation = float(differences.std(ddof=1)) if n > 1 else 0.0
    mean = float(differences.mean())
    if deviation < 1e-12 * abs(mean):
        deviation = 0.0  # all the same, but for rounding
    smallest = smallest_mean_difference(n, deviation, alpha=alpha)
    return smallest, prompts_for_mean(mean, deviation, alpha=alpha)
