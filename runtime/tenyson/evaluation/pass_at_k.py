"""pass@k: the chance that at least one of k samples is right, estimated from n >= k of them."""

from collections.abc import Sequence

from tenyson.evaluation.clustered import clustered_mean
from tenyson.evaluation.statistics import Estimate


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Returns the unbiased estimate of pass@k for one prompt.

    It is 1 - C(n - correct, k) / C(n, k), as a product that neither overflows nor cancels. The
    share of right prompts among the first k samples has the same mean and a greater variance;
    1 - (1 - correct / n)^k is biased.

    Args:
        n: Samples drawn.
        correct: Those that are right.
        k: At most `n`.

    Raises:
        ValueError: The numbers do not fit together.

    Source: Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv:2107.03374),
    section 2.1 and figure 3.
    """
    if not (1 <= k <= n and 0 <= correct <= n):
        raise ValueError(f"expected 1 <= k <= n and 0 <= correct <= n, got {k=}, {n=}, {correct=}")
    if n - correct < k:
        return 1.0
    all_wrong = 1.0
    for size in range(n - correct + 1, n + 1):
        all_wrong *= 1 - k / size
    return 1 - all_wrong


def mean_pass_at_k(samples: Sequence[Sequence[float]], k: int) -> Estimate:
    """Returns the mean of pass@k over prompts, with an interval over them.

    Args:
        samples: For each prompt 1 for a right sample and 0 for a wrong one.
        k: At most the samples of any prompt.
    """
    return clustered_mean([[pass_at_k(len(drawn), int(sum(drawn)), k)] for drawn in samples])
