"""The callback that ends a run on an edge once its budget is used up."""

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from tenyson.jobs.context import RunContext
from tenyson.jobs.limits.meter import Usage, what_is_reached
from tenyson.jobs.limits.usage import KEEP_SECONDS, keep_usage


class BudgetCallback(TrainerCallback):  # type: ignore[misc]
    """Saves and stops where the next step would go beyond the budget; rank 0's clock counts."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._meter = context.meter
        self._first_step = 0
        self._first = Usage(0.0, 0)
        self._kept_at = float("-inf")
        self.count_tokens: Callable[[], int] = lambda: 0
        """Returns the tokens of the run so far; to be set once there is a trainer."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Notes where this attempt stands, to know what a step takes."""
        self._first_step, self._first = state.global_step, self._used()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks at the budget; the last step of a run ends it anyway."""
        self._keep_now_and_then()
        if not self._meter.has_limits or state.global_step >= state.max_steps:
            return
        reached = what_is_reached(self._meter.budget, self._used(), self._per_step(state))
        ranks = self._context.ranks
        if ranks.any_of(ranks.is_main and reached is not None)[0]:
            self._context.budget_spent = ranks.share(reached)
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps what is used beside the checkpoint."""
        self._kept_at = float("-inf")
        self._keep_now_and_then()

    def _used(self) -> Usage:
        return Usage(self._meter.seconds, self.count_tokens())

    def _per_step(self, state: Any) -> Usage:
        """What a step has taken in the mean of this attempt."""
        steps, used = state.global_step - self._first_step, self._used()
        return Usage(
            (used.seconds - self._first.seconds) / steps,
            (used.tokens - self._first.tokens) // steps,
        )

    def _keep_now_and_then(self) -> None:
        now = time.monotonic()
        if self._context.ranks.is_main and now - self._kept_at >= KEEP_SECONDS:
            keep_usage(self._meter, self._context.fence)
            self._kept_at = now


def tokens_of(trainer: Any) -> int:
    """Returns the tokens of the steps done: SFT, of the examples, RL, of prompts and samples."""
    own = getattr(trainer, "_total_train_tokens", None)
    return int(trainer.state.num_input_tokens_seen if own is None else own)


def is_spent_before(context: RunContext, log_history: list[dict[str, Any]]) -> str | None:
    """Returns what is used up before an attempt has trained at all; None while there is room.

    Args:
        context: The attempt.
        log_history: The rows of the checkpoint that it starts from; the last one counts tokens.
    """
    counts = [row["num_tokens"] for row in log_history if row.get("num_tokens") is not None]
    used = Usage(context.meter.seconds, int(float(counts[-1])) if counts else 0)
    reached = what_is_reached(context.meter.budget, used, Usage(0.0, 0))
    return context.ranks.share(reached) if context.meter.has_limits else None
