"""Whether a failed attempt is made again, and when: two budgets, kept in the status."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tenyson.controller.outcome import Outcome
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import Limits
from tenyson.controller.times import parse_time

_BUDGETS = {"App": "app", "OOM": "app", "Hang": "app", "Infra": "infra", "Preempted": "infra"}


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt is made again."""

    retries: dict[str, int]
    """Retries used, this one included."""


@dataclass(frozen=True, slots=True)
class Over:
    """The run has failed."""

    reason: Reason
    message: str


def decide(outcome: Outcome, retries: dict[str, int], limits: Limits) -> Again | Over:
    """Returns what follows a failed attempt."""
    if not outcome.kind.retried:
        return Over(outcome.kind.reason, outcome.message)
    budget = _BUDGETS[outcome.kind.attempt_class]
    most = limits.max_retries if budget == "app" else limits.max_infra_retries
    used = retries.get(budget, 0)
    if used < most:
        return Again({**retries, budget: used + 1})
    reason = Reason.RETRIES_EXHAUSTED if budget == "app" else Reason.INFRA_RETRIES_EXHAUSTED
    return Over(reason, reason.say(used=used, most=most, last=outcome.message))


def next_start(uid: str, retries: dict[str, int], limits: Limits, now: datetime) -> datetime:
    """Returns when the attempt after one that just failed may start.

    It counts from now, by the controller's clock: a node's clock may be minutes away.
    """
    delay = backoff_seconds(uid, retries.get("app", 0) + retries.get("infra", 0), limits)
    return now + timedelta(seconds=delay)


def seconds_left(status: dict[str, Any], now: datetime) -> float:
    """Returns how long the next attempt still has to wait; 0 when it may start."""
    start = status.get("nextAttemptTime")
    return max(0.0, (parse_time(start) - now).total_seconds()) if start else 0.0


def backoff_seconds(uid: str, retry: int, limits: Limits) -> float:
    """Returns the wait before the n-th retry, doubled each time, give or take a fifth.

    The spread comes from the uid: the same on every pass, different for jobs that fail together.
    """
    doubled = limits.backoff_seconds * 2.0 ** min(retry - 1, 30)
    return min(doubled * spread(f"{uid}/{retry}"), float(limits.backoff_max_seconds))


def spread(text: str) -> float:
    """Returns a factor of 0.8 to 1.2, by which what happens together comes apart."""
    return 0.8 + 0.4 * hashlib.sha256(text.encode()).digest()[0] / 255
