"""The budget of an evaluation: looked at before the first batch and on the edge of each."""

import time

from tenyson.checkpoints.fence import Fence
from tenyson.jobs.limits.meter import Meter, Usage, what_is_reached
from tenyson.jobs.limits.usage import KEEP_SECONDS, keep_usage, nothing_answered


class RowBudget:
    """What an evaluation has used, and whether the next batch is still within its budget.

    Tokens are those of all rows that are answered, by earlier attempts, too.
    """

    def __init__(self, meter: Meter, fence: Fence, *, rows: int, total: int, tokens: int) -> None:
        """Takes where the attempt starts.

        Args:
            meter: Counts the time over all attempts.
            fence: Writes what is used.
            rows: Answered already.
            total: Rows to be answered.
            tokens: Of those answered already.
        """
        self._meter = meter
        self._fence = fence
        self._rows = rows
        self._total = total
        self._tokens = tokens
        self._batches = 0
        self._first = Usage(meter.seconds, tokens)
        self._kept_at = float("-inf")

    def add(self, rows: int, tokens: int) -> None:
        """Counts a batch."""
        self._rows += rows
        self._tokens += tokens
        self._batches += 1

    def spent(self) -> str | None:
        """Returns which limit the next batch would go beyond, as a sentence; None: none.

        Where all rows are answered none is: to score them takes no budget.

        Raises:
            ConfigError: It is used up, and no row is answered that could be scored.
        """
        now = time.monotonic()
        if now - self._kept_at >= KEEP_SECONDS:
            keep_usage(self._meter, self._fence)
            self._kept_at = now
        if self._rows >= self._total:
            return None
        used = Usage(self._meter.seconds, self._tokens)
        spent = what_is_reached(self._meter.budget, used, self._per_batch(used))
        if spent is not None and not self._rows:
            raise nothing_answered(spent)
        return spent

    def _per_batch(self, used: Usage) -> Usage:
        """What a batch has taken in the mean of this attempt."""
        if not self._batches:
            return Usage(0.0, 0)
        return Usage(
            (used.seconds - self._first.seconds) / self._batches,
            (used.tokens - self._first.tokens) // self._batches,
        )
