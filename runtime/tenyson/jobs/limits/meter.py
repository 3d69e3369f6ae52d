"""What a run has used of its budget, over all its attempts, and what it will have used at the end.

Time counts from the start of each attempt, loading included: that is what a machine is paid for.
Tokens are those of the steps that count, so that an interruption changes nothing about the step at
which they are used up.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenyson.config.budget import BudgetConfig

COST, FORECAST_COST, FORECAST_HOURS = "cost", "forecast_cost", "forecast_hours"
"""Metrics that progress carries beside the trainer's."""


@dataclass(frozen=True)
class Usage:
    """What is used up at a moment."""

    seconds: float
    tokens: int


def what_is_reached(budget: BudgetConfig, used: Usage, step: Usage) -> str | None:
    """Returns which limit the next step would go beyond, as a sentence; None while there is room.

    Args:
        budget: The limits.
        used: Over all attempts, up to this edge.
        step: What a step takes; zeros where none has been taken yet.
    """
    hours, next_hours = used.seconds / 3600, (used.seconds + step.seconds) / 3600
    if budget.max_hours is not None and _is_over(hours, next_hours, budget.max_hours):
        return f"{hours:.3g} of budget.max_hours {budget.max_hours:g} are used."
    price = budget.price_per_hour
    if (
        budget.max_cost is not None
        and price is not None
        and _is_over(hours * price, next_hours * price, budget.max_cost)
    ):
        return (
            f"{hours * price:.3g} {budget.currency} of budget.max_cost {budget.max_cost:g} "
            f"are used, at {price:g} an hour."
        )
    tokens, most = used.tokens, budget.max_tokens
    if most is not None and _is_over(tokens, tokens + step.tokens, most):
        return f"{tokens} of budget.max_tokens {most} are used."
    return None


def _is_over(now: float, after_next: float, most: float) -> bool:
    return now >= most or after_next > most


class Meter:
    """The clock and the till of an attempt."""

    def __init__(
        self,
        budget: BudgetConfig,
        *,
        attempt: int = 0,
        seconds_by_attempt: Mapping[int, float] | None = None,
        started: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes what earlier attempts have used.

        Args:
            budget: The limits and the price.
            attempt: The attempt that runs.
            seconds_by_attempt: How long each attempt ran; this one's earlier process counts, too.
            started: When this process began the attempt, by `now`; None is at this moment.
            now: A clock that never goes back.
        """
        self.budget = budget
        self._attempt = attempt
        self._earlier = dict(seconds_by_attempt or {})
        self._now = now
        self._started = now() if started is None else started

    @property
    def seconds(self) -> float:
        """Seconds that all attempts have run."""
        return sum(self._earlier.values()) + self._now() - self._started

    @property
    def has_limits(self) -> bool:
        """Whether anything can be used up."""
        limits = (self.budget.max_hours, self.budget.max_cost, self.budget.max_tokens)
        return any(limit is not None for limit in limits)

    def cost(self) -> dict[str, Any]:
        """Returns what the run has cost, as a JobResult holds it; empty without a price."""
        price = self.budget.price_per_hour
        if price is None:
            return {}
        amount = round(self.seconds / 3600 * price, 6)
        return {"currency": self.budget.currency, "rate": price, "amount": amount}

    def forecast(self, remaining_seconds: float | None) -> dict[str, float]:
        """Returns hours and cost at the end of the run, and the cost so far, as metrics.

        Args:
            remaining_seconds: Until the last step; None where nobody knows.
        """
        price = self.budget.price_per_hour
        metrics: dict[str, float] = {}
        if price is None and not self.has_limits:
            return metrics
        if price is not None:
            metrics[COST] = self.seconds / 3600 * price
        if remaining_seconds is None:
            return metrics
        hours = (self.seconds + remaining_seconds) / 3600
        metrics[FORECAST_HOURS] = hours
        if price is not None:
            metrics[FORECAST_COST] = hours * price
        return metrics

    def shown(self, remaining_seconds: float | None) -> str:
        """Returns `cost 0.42 of 2 USD, 1.10 at the end`; empty without a price or a limit."""
        budget, metrics = self.budget, self.forecast(remaining_seconds)
        if COST in metrics:
            most = f" of {budget.max_cost:g}" if budget.max_cost is not None else ""
            end = f", {metrics[FORECAST_COST]:.2f} at the end" if FORECAST_COST in metrics else ""
            return f"cost {metrics[COST]:.2f}{most} {budget.currency}{end}"
        if budget.max_hours is None:
            return ""
        end = f", {metrics[FORECAST_HOURS]:.2f} at the end" if FORECAST_HOURS in metrics else ""
        return f"{self.seconds / 3600:.2f} of {budget.max_hours:g} hours{end}"

    def to_json(self) -> str:
        """Returns the content of `usage.json`, for the attempts to come."""
        own = self._earlier.get(self._attempt, 0.0) + self._now() - self._started
        seconds = {**self._earlier, self._attempt: own}
        by_name = {str(n): round(s, 3) for n, s in sorted(seconds.items())}
        return json.dumps({"schema_version": 1, "seconds_by_attempt": by_name}, indent=1) + "\n"


def seconds_in(text: str) -> dict[int, float]:
    """Returns how long each attempt ran, of a file's content.

    Raises:
        ValueError: It is no `usage.json`.
    """
    try:
        by_name = json.loads(text)["seconds_by_attempt"]
        return {int(name): float(seconds) for name, seconds in by_name.items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it has no seconds_by_attempt: {error!r}") from error
