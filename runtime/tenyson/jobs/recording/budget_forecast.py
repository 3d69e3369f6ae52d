"""What the run will have cost at its end, told once, and once more where a limit is in the way."""

from collections.abc import Mapping
from typing import Any

from tenyson.config.budget import BudgetConfig
from tenyson.jobs.limits.meter import COST, FORECAST_COST, FORECAST_HOURS
from tenyson.jobs.recording.events import Events


class BudgetForecast:
    """Tells the events `budget/forecast` and `budget/forecast_beyond`, each once an attempt."""

    def __init__(self, events: Events, budget: BudgetConfig) -> None:
        """Takes where events go, and the limits."""
        self._events = events
        self._budget = budget
        self._is_told = self._is_beyond_told = False

    def see(self, step: int, forecast: Mapping[str, float]) -> None:
        """Takes the forecast as of a step; empty where nothing can be said."""
        if FORECAST_HOURS not in forecast:
            return
        details: dict[str, Any] = dict(forecast)
        if not self._is_told:
            self._is_told = True
            self._events.tell(
                "budget",
                "forecast",
                f"{sentence(forecast, self._budget.currency)}.",
                step=step,
                **details,
            )
        if not self._is_beyond_told and (limit := beyond(self._budget, forecast)):
            self._is_beyond_told = True
            said = f"{sentence(forecast, self._budget.currency)}, beyond {limit}."
            self._events.tell(
                "budget", "forecast_beyond", said, level="warning", step=step, **details
            )


def beyond(budget: BudgetConfig, forecast: Mapping[str, float]) -> str | None:
    """Returns the limit that the run will reach before its end; None where there is room."""
    if budget.max_hours is not None and forecast[FORECAST_HOURS] > budget.max_hours:
        return f"budget.max_hours {budget.max_hours:g}"
    cost = forecast.get(FORECAST_COST)
    if budget.max_cost is not None and cost is not None and cost > budget.max_cost:
        return f"budget.max_cost {budget.max_cost:g}"
    return None


def sentence(forecast: Mapping[str, float], currency: str) -> str:
    """Returns the forecast in words, without a full stop."""
    said = f"The run will take {forecast[FORECAST_HOURS]:.3g} hours"
    if FORECAST_COST in forecast:
        cost, spent = forecast[FORECAST_COST], forecast[COST]
        said += f" and cost {cost:.3g} {currency}, {spent:.3g} of it so far"
    return said
