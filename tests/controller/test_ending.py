"""Why the controller ends an attempt, which reason wins, and what the end then counts as."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.observed import Attempt, Child, Pod, Report
from tenyson.controller.outcome import BY_EXIT_CODE, Kind, Outcome
from tenyson.controller.plan import plan
from tenyson.controller.policies import ending
from tenyson.controller.reasons import Reason
from tests.controller.builders import NOW, conditions, make_child, make_job, make_pod, observe, time

RUNNING = {"attempt": 0, "conditions": conditions(Running="True"), "activeSeconds": 100.0}
WAITING = {"attempt": 0, "conditions": conditions(Running="False"), "child": {"madeAt": time()}}
STOOD_STILL = Report(0, NOW, step=3, stepped_at=NOW)
LATER = NOW + timedelta(seconds=60)

SPENT = {"budget": {"maxCost": 1.0, "pricePerHour": 36.0}}  # 100 s
ACTIVE = {"activeDeadlineSeconds": 160}
PENDING = {"pendingDeadlineSeconds": 60}
HANGING = {"progressDeadlineSeconds": 60}


def decided(spec: dict[str, Any], status: Any, *pods: Pod, child: Child | None = None) -> str:
    """Which ending a minute later is decided on; empty for none."""
    job = make_job(status=status, **{"progressDeadlineSeconds": None, **spec})
    observed = observe(job, report=STOOD_STILL, listening_since=NOW)
    attempt = Attempt(0, child or make_child(), pods or (make_pod(),))
    found = ending.decide(observed, attempt, LATER)
    return found.reason.word if found else ""


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ({}, RUNNING, ""),
        ({"stop": True}, RUNNING, "Stopping"),
        ({"suspend": True}, RUNNING, "Suspending"),
        (SPENT, RUNNING, "BudgetSpent"),
        ({"budget": {"maxCost": 1.6, "pricePerHour": 36.0}}, RUNNING, "BudgetSpent"),
        ({"budget": {"maxCost": 1.61, "pricePerHour": 36.0}}, RUNNING, ""),
        (ACTIVE, RUNNING, "ActiveTooLong"),
        ({"activeDeadlineSeconds": 161}, RUNNING, ""),
        (HANGING, RUNNING, "Hanging"),
        ({"progressDeadlineSeconds": 61}, RUNNING, ""),
        (HANGING, WAITING, ""),
    ],
)
def test_an_attempt_is_ended_for_a_reason(spec: Any, status: Any, reason: str) -> None:
    assert decided(spec, status) == reason


@pytest.mark.parametrize(
    ("seconds", "status", "phase", "reason"),
    [
        (60, WAITING, "Pending", "PendingTooLong"),
        (61, WAITING, "Pending", ""),
        (60, WAITING, "Running", ""),
        (60, RUNNING, "Pending", ""),
        (60, {**WAITING, "child": {"madeAt": time(1)}}, "Pending", ""),
        (60, {"attempt": 0}, "Pending", ""),
    ],
)
def test_an_attempt_may_wait_so_long_and_no_longer(
    seconds: int, status: Any, phase: str, reason: str
) -> None:
    pod = make_pod(phase=phase)
    assert decided({"pendingDeadlineSeconds": seconds}, status, pod) == reason


def test_the_strongest_reason_is_the_one_that_is_told() -> None:
    """Each spec adds a stronger one; a person's word comes first, then money, then time."""
    spec: dict[str, Any] = {}
    reasons = []
    for stronger in (HANGING, ACTIVE, SPENT, {"suspend": True}, {"stop": True}):
        spec |= stronger
        reasons.append(decided(spec, RUNNING))
    assert reasons == ["Hanging", "ActiveTooLong", "BudgetSpent", "Suspending", "Stopping"]


def rank(index: int, **changes: Any) -> Pod:
    return replace(make_pod(), name=f"p{index}", index=index, **changes)


@pytest.mark.parametrize(
    ("changes", "spec", "lost"),
    [
        ({}, {}, False),
        ({"gone": True}, {}, True),
        ({"gone": True, "exit_code": 0}, {}, False),
        ({"gone": True, "exit_code": 70}, {}, False),
        ({"phase": "Failed", "exit_code": 70}, {}, False),
        ({"deleting": True}, {}, True),
        ({"deleting": True}, {"queueName": "q"}, False),
        ({"deleting": True, "disruption": "Drain"}, {"queueName": "q"}, True),
        ({"deleting": True, "phase": "Failed"}, {}, False),
        ({"deleting": True}, {"nodes": 1}, False),
    ],
)
def test_a_run_on_several_nodes_ends_when_it_loses_a_pod(
    changes: Any, spec: Any, lost: bool
) -> None:
    pods = rank(0), rank(1, **changes)
    assert decided({"nodes": 2, **spec}, RUNNING, *pods) == ("PodLost" if lost else "")


def test_a_pod_that_the_queue_took_back_is_not_lost() -> None:
    pods = rank(0), rank(1, deleting=True, disruption="Drain")
    child = replace(make_child(), suspended=True)
    spec = {"nodes": 2, "queueName": "q"}
    assert decided(spec, RUNNING, *pods, child=child) == ""


@pytest.mark.parametrize(
    ("spec", "status", "seconds"),
    [
        ({}, RUNNING, None),
        ({"activeDeadlineSeconds": 150}, RUNNING, 50),
        ({"budget": {"maxCost": 2.0, "pricePerHour": 36.0}}, RUNNING, 100),
        ({"activeDeadlineSeconds": 150, "progressDeadlineSeconds": 20}, RUNNING, 20),
        ({"activeDeadlineSeconds": 150}, WAITING, None),
        (PENDING, WAITING, 60),
        (PENDING, RUNNING, None),
        ({"activeDeadlineSeconds": 50}, RUNNING, 0),
    ],
)
def test_the_next_pass_comes_when_the_first_deadline_falls_due(
    spec: Any, status: Any, seconds: float | None
) -> None:
    job = make_job(status=status, **{"progressDeadlineSeconds": None, **spec})
    observed = observe(job, report=STOOD_STILL, listening_since=NOW)
    attempt = Attempt(0, make_child(), (make_pod(phase="Pending"),))
    left = ending.seconds_to_next(observed, attempt, NOW)
    assert left == (None if seconds is None else pytest.approx(seconds + 0.05))


@pytest.mark.parametrize("why", ["PendingTooLong", "Suspending"])
def test_an_attempt_that_is_being_ended_is_not_looked_at_again_and_again(why: str) -> None:
    """A pod may take its whole grace period to go, or for ever on a dead node."""
    child = {"job": "j-a0", "configHash": "c", "madeAt": time(),
             "ending": {"reason": why, "message": ""}}  # fmt: skip
    job = make_job(status={**WAITING, "child": child}, suspend=why == "Suspending", **PENDING)
    leaving = make_child(deletionTimestamp=time())
    done = plan(observe(job, leaving, make_pod(phase="Pending")), NOW + timedelta(seconds=999))
    assert done.requeue_after is None


def outcome(kind: Kind) -> Outcome:
    return Outcome(0, kind, "the pod's words", exit_code=75)


def under_way(reason: Reason, message: str = "") -> dict[str, str]:
    """Returns an ending as the status holds it."""
    return {"reason": reason.word, "message": message}


@pytest.mark.parametrize(
    ("reason", "attempt_class", "counted_as"),
    [
        (Reason.SUSPENDING, "Suspended", Reason.SUSPENDED),
        (Reason.STOPPING, "Stopped", Reason.STOP_REQUESTED),
        (Reason.BUDGET_SPENT, "Completed", Reason.BUDGET_REACHED),
        (Reason.ACTIVE_TOO_LONG, "Stopped", Reason.DEADLINE_EXCEEDED),
        (Reason.PENDING_TOO_LONG, "Stopped", Reason.PENDING_DEADLINE_EXCEEDED),
        (Reason.HANGING, "Hang", Reason.PROGRESS_DEADLINE_EXCEEDED),
        (Reason.POD_LOST, "Preempted", Reason.STOPPED),
    ],
)
def test_what_the_controller_did_is_nobodys_failure(
    reason: Reason, attempt_class: str, counted_as: Reason
) -> None:
    counted = ending.counted(outcome(BY_EXIT_CODE[75]), under_way(reason))
    assert (counted.kind.attempt_class, counted.kind.reason) == (attempt_class, counted_as)
    assert counted.exit_code == 75


@pytest.mark.parametrize("code", [0, 64, 65, 72, 73, 77])
def test_an_attempt_that_was_over_by_itself_keeps_its_own_outcome(code: int) -> None:
    own = outcome(BY_EXIT_CODE[code])
    for reason in (Reason.SUSPENDING, Reason.STOPPING, Reason.HANGING):
        assert ending.counted(own, under_way(reason)) == own
    assert ending.counted(own, None) == own


def test_what_a_run_waited_for_in_vain_is_told_with_its_end() -> None:
    waited = under_way(Reason.PENDING_TOO_LONG, "It waited for a GPU.")
    assert "waited for a GPU" in ending.counted(outcome(BY_EXIT_CODE[75]), waited).message


def test_an_ending_that_is_under_way_is_not_decided_anew() -> None:
    """Else a suspension that turns into a stop would tell two stories of one end."""
    child = {"job": "j-a0", "configHash": "c", "madeAt": time(),
             "ending": {"reason": "Suspending", "message": "m"}}  # fmt: skip
    job = make_job(status={**RUNNING, "child": child}, stop=True)
    done = plan(observe(job, make_child(), make_pod()), NOW)
    assert done.status is not None
    assert done.status["child"]["ending"] == child["ending"]
    assert [c.name for c in done.delete] == ["j-a0"]


def test_what_is_told_of_an_ending_holds_the_numbers_that_led_to_it() -> None:
    def told(spec: dict[str, Any], status: Any, *pods: Pod) -> str:
        job = make_job(status=status, **{"progressDeadlineSeconds": None, **spec})
        observed = observe(job, report=STOOD_STILL, listening_since=NOW)
        attempt = Attempt(0, make_child(), pods or (make_pod(phase="Pending"),))
        found = ending.decide(observed, attempt, LATER)
        return found.message if found else ""

    why = [{**conditions(Running="False")[0], "message": "No node has a GPU."}]
    assert "has cost 1.6 of spec.budget.maxCost 1.0 USD" in told(SPENT, RUNNING)
    assert "running for 160 s" in told(ACTIVE, RUNNING)
    assert "no step for 60 s" in told(HANGING, RUNNING)
    waited = told({"pendingDeadlineSeconds": 50}, {**WAITING, "conditions": why})
    assert "has waited 60 s" in waited
    assert waited.endswith("No node has a GPU.")
    assert "p1 of attempt 0 is going away (it was deleted)" in told(
        {"nodes": 2}, RUNNING, rank(0), rank(1, gone=True)
    )
    assert "(it is being deleted)" in told({"nodes": 2}, RUNNING, rank(0), rank(1, deleting=True))
    drained = rank(1, deleting=True, disruption="Drain")
    assert "(Drain)" in told({"nodes": 2}, RUNNING, rank(0), drained)


@pytest.mark.parametrize(
    ("code", "step", "said"),
    [
        (75, 7, "It saved its state at step 7."),
        (75, 0, "the pod's words"),
        (75, None, "the pod's words"),
        (137, 7, "It was killed before it had saved (exit code 137)."),
        (143, None, "It was killed before it had saved (exit code 143)."),
        (70, 7, "the pod's words"),
    ],
)
def test_an_attempt_that_was_ended_says_what_it_saved(
    code: int, step: int | None, said: str
) -> None:
    result = None if step is None else {"globalStep": step}
    own = replace(outcome(BY_EXIT_CODE[code]), exit_code=code, result=result)
    assert ending.counted(own, under_way(Reason.SUSPENDING)).detail == said


def test_pods_that_have_all_ended_are_lost_no_more() -> None:
    """Their Job's own end is on its way, and tells better."""
    assert decided({"nodes": 2}, RUNNING, rank(0, gone=True), rank(1, gone=True)) == ""
