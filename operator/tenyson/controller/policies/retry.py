"""Whether a failed attempt is made again, and when: two budgets, kept in the status."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tenyson.controller.observed import parse_time
from tenyson.controller.outcome import Outcome
from tenyson.controller.reasons import Reason
from tenyson.controller.resource import Retry

_BUDGETS = {"App": "app", "OOM": "app", "Infra": "infra", "Preempted": "infra"}


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


def decide(outcome: Outcome, retries: dict[str, int], limits: Retry) -> Again | Over:
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


def next_start(uid: str, status: dict[str, Any], limits: Retry) -> datetime | None:
    """Returns when the next attempt may start; None when it may at once.

    A suspended attempt is no failure, so resuming waits for nothing.
    """
    attempts = status.get("attempts") or []
    if not attempts or attempts[-1]["class"] == "Suspended" or "endTime" not in attempts[-1]:
        return None
    retries = status.get("retries") or {}
    delay = backoff_seconds(uid, retries.get("app", 0) + retries.get("infra", 0), limits)
    return parse_time(attempts[-1]["endTime"]) + timedelta(seconds=delay)


def backoff_seconds(uid: str, retry: int, limits: Retry) -> float:
    """Returns the wait before the n-th retry, doubled each time, give or take a fifth.

    The spread comes from the uid: the same on every pass, different for jobs that fail together.
    """
    doubled = limits.backoff_seconds * 2.0 ** min(retry - 1, 30)
    digest = hashlib.sha256(f"{uid}/{retry}".encode()).digest()
    spread = 0.8 + 0.4 * digest[0] / 255
    return min(doubled * spread, float(limits.backoff_max_seconds))
