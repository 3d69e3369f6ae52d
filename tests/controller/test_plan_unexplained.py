"""The end of an attempt before its cause is seen: how long a pass waits, and what counts then."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.observed import Child, Pod
from tenyson.controller.plan import Plan, plan
from tests.controller.builders import (
    NOW,
    condition,
    gone,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)
from tests.controller.plans import RUNNING, after, wanted


@pytest.mark.parametrize(
    ("message", "reason", "code"),
    [
        ("Container runner for pod n/p failed with exit code 64 matching", "ConfigRefused", 64),
        ("Pod n/p has condition DisruptionTarget matching FailJob rule", "Disrupted", None),
        ("Job has reached the specified backoff limit", "PodDeleted", None),
    ],
)
def test_without_a_pod_the_child_tells_how_it_ended(
    message: str, reason: str, code: int | None
) -> None:
    child = make_child(ended="Failed", message=message, seen_ended=NOW - timedelta(seconds=5))
    entry = wanted(plan(observe(make_job(status=RUNNING), child), NOW))["attempts"][0]
    assert (entry["reason"], entry.get("exitCode")) == (reason, code)


def test_a_child_that_ended_just_now_is_given_time_to_show_its_pod() -> None:
    done = plan(observe(make_job(status=RUNNING), make_child(ended="Complete")), NOW)
    assert wanted(done).get("attempts") is None
    assert done.requeue_after == 1.0


def test_a_child_deleted_by_hand_is_an_infrastructure_failure() -> None:
    status = wanted(plan(observe(make_job(status=RUNNING), references=gone()), NOW))
    assert status["attempts"][0]["reason"] == "PodDeleted"


def test_a_child_that_no_watch_has_told_of_is_looked_for_before_it_counts_as_gone() -> None:
    done = plan(observe(make_job(status=RUNNING)), NOW)
    assert done == Plan(look_up=tuple(gone()))


def rank(index: int, **ended: Any) -> Pod:
    return replace(make_pod(**ended), name=f"p{index}", index=index)


JUST_NOW = {"seen_ended": NOW - timedelta(seconds=1)}
LONG_AGO = {"seen_ended": NOW - timedelta(seconds=5)}


@pytest.mark.parametrize(
    ("child", "pods", "over"),
    [
        (make_child(ended="Complete", **JUST_NOW), [rank(0, code=0)], True),
        (make_child(ended="Complete", **JUST_NOW), [], False),
        (make_child(ended="Complete", **LONG_AGO), [], True),
        (make_child(ended="Complete", seen_ended=None), [], True),
        (make_child(ended="Complete", **JUST_NOW), [rank(0, code=75)], False),
        (make_child(ended="Complete", **JUST_NOW), [rank(1, code=0)], False),
        (make_child(ended="Complete", **LONG_AGO), [rank(0)], False),
        (make_child(ended="Failed", **JUST_NOW), [rank(0, code=1)], False),
        (make_child(ended="Failed", **JUST_NOW), [rank(0, code=75), rank(1, code=1)], True),
        (make_child(ended="Failed", **LONG_AGO), [rank(0, code=1)], True),
        (make_child(ended="Failed", **LONG_AGO, deletionTimestamp=time()), [], False),
        (make_child(), [rank(0, code=1), rank(1, code=1)], False),
    ],
)
def test_an_attempt_is_recorded_once_its_end_is_explained(
    child: Child, pods: list[Pod], over: bool
) -> None:
    """Its pods' last states may come later than its Job's: one is waited for, a little."""
    done = plan(observe(make_job(status=RUNNING, nodes=2), child, *pods), NOW)
    assert ("attempts" in wanted(done)) is over


def test_an_attempt_of_which_nothing_was_written_is_written_about_whole() -> None:
    done = plan(observe(make_job(), make_child(ended="Complete"), make_pod(code=0)), NOW)
    status = wanted(done)
    assert (status["attempt"], status["startTime"], status["child"]["job"]) == (0, time(), "j-a0")
    assert condition(status, "Accepted")["status"] == "True"
    assert done.recorded == "Completed"


def test_a_failure_while_the_run_is_to_stand_still_waits_for_nothing() -> None:
    status = wanted(after(70, spec={"suspend": True}))
    assert status["phase"] == "Suspended"
    assert status["retries"] == {"app": 1, "infra": 0}
    assert "nextAttemptTime" not in status
