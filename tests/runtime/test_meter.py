"""What a run has used of its budget, by a clock that the test holds."""

import json
from typing import Any

import pytest

from tenyson.config.budget import BudgetConfig
from tenyson.jobs.limits.meter import Meter, Usage, seconds_in, what_is_reached

HOUR = 3600.0


def budget(**fields: Any) -> BudgetConfig:
    return BudgetConfig(**fields)


@pytest.mark.parametrize(
    ("limits", "used", "step", "says"),
    [
        ({}, Usage(99 * HOUR, 10**9), Usage(HOUR, 1), None),
        ({"max_hours": 2}, Usage(1.8 * HOUR, 0), Usage(0.1 * HOUR, 0), None),
        ({"max_hours": 2}, Usage(1.95 * HOUR, 0), Usage(0.1 * HOUR, 0), "1.95 of budget.max_hours"),
        ({"max_hours": 2}, Usage(2 * HOUR, 0), Usage(0, 0), "2 of budget.max_hours 2"),
        ({"max_cost": 10, "price_per_hour": 4}, Usage(2 * HOUR, 0), Usage(0, 0), None),
        (
            {"max_cost": 10, "price_per_hour": 4, "currency": "EUR"},
            Usage(2.45 * HOUR, 0),
            Usage(0.1 * HOUR, 0),
            "9.8 EUR of budget.max_cost 10 are used, at 4 an hour",
        ),
        ({"max_tokens": 100}, Usage(0, 80), Usage(0, 20), None),
        ({"max_tokens": 100}, Usage(0, 81), Usage(0, 20), "81 of budget.max_tokens 100"),
    ],
)
def test_a_limit_is_reached_where_the_next_step_would_go_beyond(
    limits: dict[str, Any], used: Usage, step: Usage, says: str | None
) -> None:
    reached = what_is_reached(budget(**limits), used, step)

    assert (reached is None) if says is None else (reached is not None and says in reached)


def test_all_attempts_count() -> None:
    meter = Meter(
        budget(price_per_hour=2.0),
        attempt=2,
        seconds_by_attempt={0: HOUR, 1: HOUR / 2, 2: 60.0},
        started=100.0,
        now=lambda: 100.0 + HOUR,
    )

    assert meter.seconds == 2.5 * HOUR + 60
    assert meter.cost() == {"currency": "USD", "rate": 2.0, "amount": pytest.approx(5.033333)}
    assert seconds_in(meter.to_json()) == {0: HOUR, 1: HOUR / 2, 2: HOUR + 60}


def test_the_forecast_adds_what_is_left() -> None:
    limited = budget(price_per_hour=2.0, max_cost=10)
    meter = Meter(limited, started=0.0, now=lambda: HOUR)

    assert meter.forecast(HOUR) == {"cost": 2.0, "forecast_hours": 2.0, "forecast_cost": 4.0}
    assert meter.shown(HOUR) == "cost 2.00 of 10 USD, 4.00 at the end"
    assert meter.forecast(None) == {"cost": 2.0}
    assert Meter(budget(max_hours=3), started=0.0, now=lambda: HOUR).shown(HOUR) == (
        "1.00 of 3 hours, 2.00 at the end"
    )


def test_without_price_or_limit_there_is_nothing_to_tell() -> None:
    meter = Meter(budget(), started=0.0, now=lambda: HOUR)

    assert (meter.cost(), meter.shown(HOUR), meter.forecast(HOUR)) == ({}, "", {})
    assert not meter.has_limits


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"seconds_by_attempt": {"a": 1}})])
def test_a_broken_file_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"seconds_by_attempt|Expecting|literal"):
        seconds_in(text)
