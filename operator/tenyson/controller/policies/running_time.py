"""How long a run has been running, what that has cost, and whether either is too much.

Running time is measured by the controller's own clock, from one change of the Running condition to
the next, and kept in status.activeSeconds; waiting, queueing and suspensions do not count.
"""

from datetime import datetime
from typing import Any

from tenyson.controller.resource.spec import TenysonJobSpec
from tenyson.controller.times import parse_time

Status = dict[str, Any]


def running_since(status: Status) -> datetime | None:
    """Returns when the pods began to run; None while they do not."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "Running" and condition["status"] == "True":
            return parse_time(condition["lastTransitionTime"])
    return None


def active_seconds(status: Status, now: datetime) -> float:
    """Returns the running time so far."""
    since = running_since(status)
    current = max(0.0, (now - since).total_seconds()) if since else 0.0
    return float(status.get("activeSeconds") or 0.0) + current


def seconds_to_deadline(spec: TenysonJobSpec, status: Status, now: datetime) -> float | None:
    """Returns the running time left until `activeDeadlineSeconds`; None without one."""
    if spec.active_deadline_seconds is None:
        return None
    return spec.active_deadline_seconds - active_seconds(status, now)


def seconds_to_budget(spec: TenysonJobSpec, status: Status, now: datetime) -> float | None:
    """Returns the running time left until the budget is spent; None without one."""
    budget = spec.budget
    if budget.max_cost is None or not budget.price_per_hour:
        return None
    affordable = budget.max_cost / (budget.price_per_hour * spec.nodes) * 3600
    return affordable - active_seconds(status, now)


def cost(spec: TenysonJobSpec, seconds: float) -> dict[str, Any] | None:
    """Returns what so much running time costs; None where no price is set."""
    if spec.budget.price_per_hour is None:
        return None
    amount = seconds / 3600 * spec.budget.price_per_hour * spec.nodes
    return {"amount": round(amount, 4), "currency": spec.budget.currency}
