"""Two budgets of retries, and the wait before each; then what a run does while it stands still."""

from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.outcome import BY_EXIT_CODE, Kind, Outcome
from tenyson.controller.plan import plan
from tenyson.controller.policies import retry
from tenyson.controller.policies.retry import Again, Over
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import Limits
from tests.controller.builders import (
    NOW,
    condition,
    conditions,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)
from tests.controller.plans import RUNNING, after, wanted

LIMITS = Limits(max_retries=2, max_infra_retries=4, backoff_seconds=10, backoff_max_seconds=60)
HANG = Kind("Hang", Reason.PROGRESS_DEADLINE_EXCEEDED)


def decided(kind: Kind, **retries: int) -> Again | Over:
    return retry.decide(Outcome(0, kind, "the last words"), retries, LIMITS)


@pytest.mark.parametrize(
    ("kind", "used", "left"),
    [
        (BY_EXIT_CODE[70], {}, {"app": 1}),
        (BY_EXIT_CODE[70], {"app": 1, "infra": 4}, {"app": 2, "infra": 4}),
        (BY_EXIT_CODE[71], {"app": 0}, {"app": 1}),
        (HANG, {"app": 1}, {"app": 2}),
        (BY_EXIT_CODE[69], {"app": 2, "infra": 3}, {"app": 2, "infra": 4}),
        (BY_EXIT_CODE[75], {"app": 2}, {"app": 2, "infra": 1}),
    ],
)
def test_a_failure_uses_one_retry_of_its_own_budget(kind: Kind, used: Any, left: Any) -> None:
    assert decided(kind, **used) == Again(left)


@pytest.mark.parametrize(
    ("kind", "used", "reason", "said"),
    [
        (BY_EXIT_CODE[70], {"app": 2}, "RetriesExhausted", "after 2 of 2 retries"),
        (HANG, {"app": 2}, "RetriesExhausted", "after 2 of 2 retries"),
        (BY_EXIT_CODE[75], {"infra": 4}, "InfraRetriesExhausted", "after 4 of 4 retries"),
        (BY_EXIT_CODE[64], {}, "ConfigRefused", "the last words"),
    ],
)
def test_a_run_is_over_when_its_budget_is_or_when_no_retry_would_help(
    kind: Kind, used: Any, reason: str, said: str
) -> None:
    over = decided(kind, **used)
    assert isinstance(over, Over)
    assert over.reason.word == reason
    assert said in over.message
    assert "the last words" in over.message


@pytest.mark.parametrize(
    ("number", "least", "most"),
    [(1, 8, 12), (2, 16, 24), (3, 32, 48), (4, 60, 60), (500, 60, 60)],
)
def test_each_wait_is_twice_the_last_give_or_take_a_fifth_up_to_the_longest(
    number: int, least: float, most: float
) -> None:
    waits = {retry.backoff_seconds(f"uid-{i}", number, LIMITS) for i in range(200)}
    assert least <= min(waits) <= max(waits) <= most + 1e-9
    if least < most:
        wide = (most - least) * 0.95
        assert max(waits) - min(waits) > wide, "jobs that fail together come back apart"


def test_a_wait_is_the_same_on_every_pass_and_another_for_the_next_retry() -> None:
    even = Limits(1, 1, 10, 10_000)
    first = retry.backoff_seconds("u", 1, even)
    assert first == retry.backoff_seconds("u", 1, even)
    assert retry.backoff_seconds("u", 2, even) != 2 * first


def test_both_budgets_count_for_the_wait_which_is_from_now() -> None:
    start = retry.next_start("u", {"app": 1, "infra": 2}, LIMITS, NOW)
    assert start == NOW + timedelta(seconds=retry.backoff_seconds("u", 3, LIMITS))
    assert retry.next_start("u", {"infra": 1}, LIMITS, NOW) == NOW + timedelta(
        seconds=retry.backoff_seconds("u", 1, LIMITS)
    )


def test_a_run_that_backs_off_says_which_attempt_comes_when_and_why() -> None:
    done = after(70, message="boom", spec={"retry": {"backoffSeconds": 0}})
    running = condition(wanted(done), "Running")
    assert running["reason"] == "BackingOff"
    assert f"Attempt 1 starts at {time(1)}, after attempt 0" in running["message"]
    assert "boom" in running["message"]
    assert done.requeue_after == 0.0


def test_a_run_that_stands_still_says_nothing_else() -> None:
    held = conditions(Running="True", Reconciling="True", Admitted="True", Accepted="True")
    status = {**RUNNING, "conditions": held, "nextAttemptTime": time(99)}
    ended = plan(
        observe(make_job(status=status, suspend=True), make_child(ended="Failed"),
                make_pod(code=70)), NOW,
    )  # fmt: skip
    told = {c["type"]: (c["status"], c["reason"]) for c in wanted(ended)["conditions"]}
    assert told["Suspended"] == ("True", "Suspended")
    assert told["Running"] == ("False", "Suspended")
    assert not {"Reconciling", "Admitted", "Stalled"} & set(told)
    assert ended.requeue_after is None
    assert "nextAttemptTime" not in wanted(ended)


def test_a_run_that_was_resumed_while_it_stopped_goes_on_at_once() -> None:
    child = {**RUNNING["child"], "ending": {"reason": "Suspending", "message": ""}}  # type: ignore[dict-item]
    done = after(75, status={**RUNNING, "child": child})
    told = {c["type"]: (c["status"], c["reason"]) for c in wanted(done)["conditions"]}
    assert told["Suspended"] == ("False", "Resumed")
    assert told["Running"] == ("False", "Resumed")
    assert done.requeue_after == 0.0


@pytest.mark.parametrize(("ttl", "again"), [(None, None), (0, 0.0), (60, 60.0)])
def test_a_run_that_ends_is_looked_at_again_when_its_time_to_live_is_over(
    ttl: int | None, again: float | None
) -> None:
    assert after(0, spec={"ttlSecondsAfterFinished": ttl}).requeue_after == again
