"""The callback that ends a run on an edge once its budget is used up."""

# What a step takes in tokens is the mean over the whole run and no attempt's own, so that a run
# ends at the same step however often it was interrupted. In RL a round of sampling may serve
# several steps: its tokens count where they are sampled, and the next step's are that mean.

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
        """What a step has taken: seconds in the mean of this attempt, tokens of the whole run."""
        steps, used = state.global_step - self._first_step, self._used()
        seconds = (used.seconds - self._first.seconds) / steps
        return Usage(seconds, used.tokens // state.global_step)

    def _keep_now_and_then(self) -> None:
        now = time.monotonic()
        if self._context.ranks.is_main and now - self._kept_at >= KEEP_SECONDS:
            keep_usage(self._meter, self._context.fence)
            self._kept_at = now


def tokens_of(trainer: Any) -> int:
    """Returns the tokens of the steps done: SFT, of the examples, RL, of prompts and samples."""
    own = getattr(trainer, "_total_train_tokens", 0)  # TRL's GRPOTrainer has it, and leaves it 0
    return int(own or trainer.state.num_input_tokens_seen)


def is_spent_before(context: RunContext, log_history: list[dict[str, Any]]) -> str | None:
    """Returns what is used up before an attempt has trained at all; None while there is room.

    Args:
        context: The attempt.
        log_history: The rows of the checkpoint that it starts from; the last one counts tokens.
    """
    counted = [row for row in log_history if row.get("num_tokens") is not None]
    tokens = int(float(counted[-1]["num_tokens"])) if counted else 0
    step = Usage(0.0, tokens // int(counted[-1]["step"]) if counted else 0)
    reached = what_is_reached(context.meter.budget, Usage(context.meter.seconds, tokens), step)
    return context.ranks.share(reached) if context.meter.has_limits else None
