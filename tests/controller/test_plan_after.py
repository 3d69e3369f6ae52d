"""The pass that records an attempt, and what follows from how it ended."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Report
from tenyson.controller.plan import plan
from tenyson.controller.times import format_exactly, format_time
from tests.controller.builders import (
    NOW,
    condition,
    conditions,
    gone,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)
from tests.controller.plans import RESULT, RUNNING, after, wanted


def test_success_brings_the_result_into_the_status() -> None:
    claim = {"spec": {"output": {"volumeClaim": "data"}}}
    status = wanted(after(0, message=RESULT, **claim))
    folder = names.run_folder("n", "j", names.run_id("uid-j"))
    assert status["phase"] == "Succeeded"
    assert status["result"] == {
        "runId": names.run_id("uid-j"), "status": "success", "totalTimeSeconds": 2.5,
        "globalStep": 4, "metrics": {"train_loss": 0.5}, "adapterSha256": "abc", "attempt": 0,
        "exitCode": 0, "outputUri": f"pvc://data/{folder}",
    }  # fmt: skip
    assert status["progress"] == {"percent": 100, "etaSeconds": 0, "step": 4}
    assert status["completionTime"] == time()
    assert not condition(status, "Reconciling")
    assert not condition(status, "Stalled")
    assert status["attempts"][0]["class"] == "Completed"


def test_a_budget_that_is_used_up_completes_the_run() -> None:
    status = wanted(after(73))
    assert condition(status, "Complete")["reason"] == "BudgetReached"
    assert status["result"]["status"] == "budget"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(64, "ConfigRefused"), (65, "TaskRefused"), (77, "CredentialsRefused"), (72, "Diverged")],
)
def test_some_exit_codes_are_never_retried(code: int, reason: str) -> None:
    status = wanted(after(code, message="the last line"))
    assert condition(status, "Failed")["reason"] == reason
    assert "the last line" in condition(status, "Failed")["message"]
    assert status["result"]["failure"]["type"] == reason


@pytest.mark.parametrize(
    ("code", "more", "attempt_class", "budget"),
    [
        (70, {}, "App", "app"),
        (71, {}, "OOM", "app"),
        (1, {}, "App", "app"),
        (137, {"reason": "OOMKilled"}, "OOM", "app"),
        (137, {}, "Infra", "infra"),
        (143, {}, "Infra", "infra"),
        (69, {}, "Infra", "infra"),
        (75, {}, "Preempted", "infra"),
        (1, {"pod_reason": "Evicted"}, "Infra", "infra"),
        (
            1,
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "Drain"}]},
            "Preempted",
            "infra",
        ),
    ],
)
def test_a_failure_counts_against_its_own_budget(
    code: int, more: dict[str, Any], attempt_class: str, budget: str
) -> None:
    done = after(code, **more)
    status = wanted(done)
    assert status["attempts"][-1]["class"] == attempt_class
    assert status["retries"] == {"app": 0, "infra": 0, budget: 1}
    assert status["phase"] == "Pending"
    assert done.requeue_after is not None
    assert 8 <= done.requeue_after <= 12  # backoff is 10 s, give or take 2
    assert status["nextAttemptTime"] == format_exactly(NOW + timedelta(seconds=done.requeue_after))


def test_a_spent_budget_fails_the_run_and_the_other_one_does_not() -> None:
    status = {**RUNNING, "retries": {"app": 2, "infra": 0}}
    assert condition(wanted(after(70, status=status)), "Failed")["reason"] == "RetriesExhausted"
    assert wanted(after(75, status=status))["retries"] == {"app": 2, "infra": 1}


def test_suspending_deletes_the_child_and_counts_no_failure() -> None:
    job = make_job(status=RUNNING, suspend=True)
    stopping = plan(observe(job, make_child(), make_pod()), NOW)
    assert stopping.delete
    assert wanted(stopping)["phase"] == "Stopping"
    stopped = replace(job, status=wanted(stopping))
    status = wanted(plan(observe(stopped, make_pod(code=75), references=gone()), NOW))
    assert (status["phase"], status["retries"]) == ("Suspended", {"app": 0, "infra": 0})
    assert status["attempts"][0]["class"] == "Suspended"
    resumed = plan(observe(make_job(status=status), make_pod(code=75)), NOW)
    assert resumed.create
    assert resumed.create[-1]["metadata"]["name"] == "j-a1"


def test_a_resume_before_the_pod_is_gone_waits_for_it_and_goes_on() -> None:
    job = make_job(status=RUNNING, suspend=True)
    status = wanted(plan(observe(job, make_child(), make_pod()), NOW))
    resumed = make_job(status=status)
    child = make_child(deletionTimestamp=time())
    assert plan(observe(resumed, child, make_pod()), NOW).create == ()
    ended = plan(observe(resumed, make_pod(code=75), references=gone()), NOW)
    assert wanted(ended)["attempts"][0]["class"] == "Suspended"
    assert ended.requeue_after == 0.0


def test_a_run_that_completes_while_it_is_suspended_is_complete() -> None:
    job = make_job(status=RUNNING, suspend=True)
    child = make_child(ended="Complete")
    assert wanted(plan(observe(job, child, make_pod(code=0)), NOW))["phase"] == "Succeeded"


@pytest.mark.parametrize("attempt", [0, 1])
def test_an_attempt_that_reported_nothing_reached_no_step(attempt: int) -> None:
    """Whether or not the status that tells of attempt 1 had been written before it ended."""
    status = {**RUNNING, "attempt": attempt, "attempts": [
        {"number": 0, "class": "Infra", "reason": "Killed", "endTime": time(), "reachedStep": 7},
    ]}  # fmt: skip
    if attempt == 0:
        status["progress"] = {"step": 7, "updatedAt": time()}
    child = make_child(attempt=1, ended="Failed")
    done = plan(observe(make_job(status=status), child, make_pod(attempt=1, code=137)), NOW)
    assert wanted(done)["attempts"][-1]["number"] == 1
    assert "reachedStep" not in wanted(done)["attempts"][-1]


def test_an_attempt_that_knew_no_step_takes_nothing_back() -> None:
    """It was stopped while it loaded, and only its pod's reports told of a step."""
    status = {**RUNNING, "progress": {"step": 7, "updatedAt": time()}}
    said = json.dumps({"run_id": "r", "status": "stopped"})
    pod = make_pod(code=75, message=said)
    done = plan(observe(make_job(status=status), make_child(ended="Failed"), pod), NOW)
    assert wanted(done)["attempts"][0]["reachedStep"] == 7
    assert wanted(done)["progress"]["step"] == 7
    assert "CheckpointAvailable" not in {c["type"] for c in wanted(done)["conditions"]}


def test_the_end_takes_the_newest_progress_along() -> None:
    status = {**RUNNING, "progress": {"step": 1, "updatedAt": format_time(NOW)}}
    report = Report(0, NOW + timedelta(seconds=1), step=3, metrics={"loss": 0.1})
    job, child = make_job(status=status), make_child(ended="Failed")
    done = plan(observe(job, child, make_pod(code=64), report=report), NOW + timedelta(seconds=1))
    assert wanted(done)["progress"]["step"] == 3
    assert wanted(done)["attempts"][0]["reachedStep"] == 3


def test_ten_attempts_are_kept() -> None:
    entry = {"class": "Infra", "reason": "Killed", "endTime": time()}
    attempts = [{"number": n, **entry} for n in range(10)]
    status = {**RUNNING, "attempt": 10, "attempts": attempts}
    child, pod = make_child(attempt=10, ended="Failed"), make_pod(attempt=10, code=137)
    kept = wanted(plan(observe(make_job(status=status), child, pod), NOW))["attempts"]
    assert [entry["number"] for entry in kept] == list(range(1, 11))


def test_a_run_that_was_told_to_stop_is_stopped_and_keeps_its_result() -> None:
    ending = {"reason": "Stopping", "message": "m"}
    status = {**RUNNING, "child": {**RUNNING["child"], "ending": ending}}  # type: ignore[dict-item]
    done = after(75, status=status, message=RESULT.replace("success", "stopped"))
    ended = wanted(done)
    assert (ended["phase"], condition(ended, "Failed")["reason"]) == ("Stopped", "StopRequested")
    assert (ended["result"]["status"], ended["result"]["globalStep"]) == ("stopped", 4)
    assert done.recorded == "Stopped"
    assert "ending" not in ended["child"]


@pytest.mark.parametrize("code", [0, 70, 72, 73])
def test_the_cost_counts_the_last_stretch_of_running(code: int) -> None:
    since = {"type": "Running", "status": "True", "reason": "Running", "message": "",
             "lastTransitionTime": time(-1800)}  # fmt: skip
    status = {**RUNNING, "conditions": [since], "activeSeconds": 1800.0}
    spec = {"budget": {"pricePerHour": 10.0}, "retry": {"maxRetries": 0}}
    ended = wanted(after(code, status=status, spec=spec))
    assert ended["result"]["cost"] == {"amount": 10.0, "currency": "USD"}
    assert ended["activeSeconds"] == 3600


@pytest.mark.parametrize(
    ("code", "output", "reason"),
    [
        (0, {"volumeClaim": "data"}, "Saved"),
        (73, {"uri": "s3://b"}, "Saved"),
        (75, {"uri": "s3://b"}, "Saved"),
        (70, {"uri": "s3://b"}, None),
        (75, {}, "NotKept"),
    ],
)
def test_who_ends_in_order_has_saved_where_it_ended(
    code: int, output: Any, reason: str | None
) -> None:
    status = wanted(after(code, message=RESULT, spec={"output": output}))
    saved = condition(status, "CheckpointAvailable")
    assert saved.get("reason") == reason
    assert reason != "Saved" or saved["message"] == "The newest checkpoint is of step 4."


def test_a_run_whose_budget_is_used_up_is_not_all_done() -> None:
    progress = {"step": 2, "totalSteps": 9, "percent": 22, "updatedAt": time()}
    short = wanted(after(73, message=RESULT, status={**RUNNING, "progress": progress}))
    assert short["progress"]["percent"] < 100
    assert wanted(after(0, message=RESULT))["progress"]["percent"] == 100


def test_an_attempt_is_recorded_though_its_spec_cannot_be_read_any_more() -> None:
    """A newer controller may have admitted fields that this one, rolled back, does not know."""
    status = {**RUNNING, "retries": {"app": 1, "infra": 0}}
    done = after(70, status=status, spec={"fromTheFuture": True})
    assert wanted(done)["attempts"][0]["reason"] == "InternalError"
    assert wanted(done)["retries"] == {"app": 2, "infra": 0}
    done = wanted(after(0, spec={"fromTheFuture": True}))
    assert done["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [({}, 160), ({"node": "node-1"}, 100), ({"running": True}, 100)],
)
def test_running_that_no_pass_saw_counts_by_the_pods_own_clock(seen: Any, seconds: int) -> None:
    """As while the controller was away: its container ran for a minute."""
    running = conditions(Running="True") if seen.pop("running", False) else []
    child = {**RUNNING["child"], **seen}  # type: ignore[dict-item]
    status = {**RUNNING, "activeSeconds": 100.0, "child": child, "conditions": running}
    assert wanted(after(70, status=status))["activeSeconds"] == seconds
