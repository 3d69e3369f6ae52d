"""A pass while there is no attempt: what a run waits for, and how it starts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Reference
from tenyson.controller.plan import Plan, child_refused, name_taken, plan
from tests.controller.builders import (
    DEFAULTS,
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


def test_a_refused_job_says_why_in_the_condition_that_kubectl_shows() -> None:
    refused = wanted(plan(observe(make_job(config={"model": {"nam": "x"}})), NOW))
    assert condition(refused, "Running")["reason"] == "InvalidConfig"


def test_the_next_attempt_waits_for_its_time_and_then_starts() -> None:
    job = make_job(status=wanted(after(70)))
    things = (make_child(ended="Failed"), make_pod(code=70))
    early = plan(observe(job, *things), NOW + timedelta(seconds=7))
    assert early.create == ()
    late = plan(observe(job, *things), NOW + timedelta(seconds=13))
    assert late.create
    assert late.create[-1]["metadata"]["name"] == "j-a1"


def test_the_next_attempt_waits_until_no_pod_of_an_earlier_one_is_left() -> None:
    job = make_job(status=wanted(after(70)))
    done = plan(observe(job, make_child(ended="Failed"), make_pod()), NOW + timedelta(seconds=99))
    assert done.create == ()
    assert condition(wanted(done), "Running")["reason"] == "WaitingForPods"


def test_a_suspended_job_is_not_started() -> None:
    done = plan(observe(make_job(suspend=True)), NOW)
    assert done.create == ()
    assert wanted(done)["phase"] == "Suspended"


def test_an_invalid_config_is_refused_with_every_problem() -> None:
    config = {"model": {"name": "x"}, "training": {"max_steps": 0}, "rl": {"beta": -1}}
    done = plan(observe(make_job(config=config)), NOW)
    status = wanted(done)
    accepted = condition(status, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidConfig")
    assert "config.training.max_steps" in accepted["message"]
    assert "config.rl.beta" in accepted["message"]
    assert condition(status, "Stalled")["status"] == "True"
    assert "startTime" not in status
    assert [said.kind for said in done.announcements] == ["Warning"]


def test_a_batch_that_does_not_divide_into_groups_is_refused() -> None:
    config = {"model": {"name": "x"}, "training": {"per_device_train_batch_size": 5}}
    done = plan(observe(make_job(type="RL", config=config)), NOW)
    assert "num_generations" in condition(wanted(done), "Accepted")["message"]


def test_without_any_image_the_job_is_refused() -> None:
    done = plan(observe(make_job(), defaults=replace(DEFAULTS, image="")), NOW)
    assert condition(wanted(done), "Accepted")["reason"] == "ImageMissing"


@pytest.mark.parametrize(
    ("state", "text"),
    [("no object", "Secret db does not exist"), ("no key", "Secret db has no key url")],
)
def test_a_missing_secret_is_named_and_polled_for(state: str, text: str) -> None:
    job = make_job(telemetry={"databaseSecretRef": {"name": "db", "key": "url"}})
    reference = Reference("Secret", "db", "url")
    assert plan(observe(job), NOW).look_up == (reference,)
    done = plan(observe(job, references={reference: state}), NOW)
    accepted = condition(wanted(done), "Accepted")
    assert accepted["reason"] == "SecretNotFound"
    assert text in accepted["message"]
    assert "namespace n" in accepted["message"]
    assert done.create == ()
    assert done.requeue_after == 1.0
    assert plan(observe(job, references={reference: "found"}), NOW).create


def test_a_new_attempt_starts_without_the_progress_of_the_last() -> None:
    status = {**RUNNING, "progress": {"step": 7, "etaSeconds": 60, "updatedAt": time()}}
    adopted = plan(observe(make_job(status=status), make_child(attempt=1)), NOW)
    assert "progress" not in wanted(adopted)
    attempts = [{"number": 0, "class": "Infra", "reason": "Killed", "endTime": time(-900)}]
    made = plan(observe(make_job(status={**status, "attempts": attempts})), NOW)
    assert made.create
    assert "progress" not in wanted(made)


def test_a_job_of_the_same_name_that_is_not_ours_is_not_touched() -> None:
    done = plan(observe(make_job(), make_child(job_uid="someone")), NOW)
    assert (done.create, done.delete) == ((), ())
    assert condition(wanted(done), "Running")["reason"] == "NameTaken"


def test_a_child_that_the_api_refuses_shows_in_the_status() -> None:
    done = child_refused(observe(make_job()), NOW, "exceeded quota: gpus", final=False)
    assert "exceeded quota: gpus" in condition(wanted(done), "Running")["message"]
    assert "startTime" not in wanted(done)


def test_a_taken_name_shows_in_the_status_and_is_told_once() -> None:
    done = name_taken(observe(make_job()), NOW, "Job", "j-a0")
    assert condition(wanted(done), "Running")["reason"] == "NameTaken"
    assert "j-a0" in condition(wanted(done), "Running")["message"]
    assert [said.kind for said in done.announcements] == ["Warning"]
    assert name_taken(observe(make_job(status=wanted(done))), NOW, "Job", "j-a0") == Plan()


ATTEMPTS = [{"number": 0, "class": "App", "reason": "InternalError", "endTime": time(-99)}]
RETRIED = {**RUNNING, "attempts": ATTEMPTS, "activeSeconds": 600.0}


@pytest.mark.parametrize(
    ("spec", "kind", "reason", "result"),
    [
        ({"activeDeadlineSeconds": 600}, "Failed", "DeadlineExceeded", "failed"),
        ({"budget": {"maxCost": 1, "pricePerHour": 6}}, "Complete", "BudgetReached", "budget"),
        ({"stop": True}, "Failed", "StopRequested", "stopped"),
        ({"stop": True, "suspend": True}, "Failed", "StopRequested", "stopped"),
    ],
)
def test_a_run_may_end_between_two_attempts(spec: Any, kind: str, reason: str, result: str) -> None:
    done = plan(observe(make_job(status=RETRIED, **spec)), NOW)
    status = wanted(done)
    assert done.create == ()
    assert condition(status, kind)["reason"] == reason
    assert status["result"]["status"] == result
    assert condition(status, "Accepted")["status"] == "True"


@pytest.mark.parametrize(
    "spec",
    [{"activeDeadlineSeconds": 601}, {"budget": {"maxCost": 1.01, "pricePerHour": 6}}],
)
def test_a_run_with_time_and_money_left_goes_on(spec: Any) -> None:
    assert plan(observe(make_job(status=RETRIED, **spec)), NOW).create


def test_a_run_that_ends_between_two_attempts_keeps_the_result_of_the_last() -> None:
    last = {"runId": "r", "status": "failed", "globalStep": 7}
    job = make_job(status={**RETRIED, "result": last}, stop=True, budget={"pricePerHour": 6})
    assert wanted(plan(observe(job), NOW))["result"] == {
        "runId": names.run_id("uid-j"), "status": "stopped", "globalStep": 7,
        "cost": {"amount": 1.0, "currency": "USD"},
    }  # fmt: skip


def test_a_resumed_run_is_suspended_no_more_whatever_it_waits_for_next() -> None:
    job = make_job(status={"conditions": conditions(Suspended="True")}, dependsOn=[{"job": "p"}])
    status = wanted(plan(observe(job), NOW))
    assert condition(status, "Suspended") == {}
    assert status["phase"] == "Pending"
    assert condition(status, "Accepted")["status"] == "True"


def test_a_suspended_job_is_accepted_whatever_was_wrong_with_it_before() -> None:
    held = conditions(Accepted="False", Stalled="True")
    status = wanted(plan(observe(make_job(status={"conditions": held}, suspend=True)), NOW))
    assert condition(status, "Accepted")["status"] == "True"
    assert condition(status, "Stalled") == {}


def test_the_next_attempt_waits_until_a_stray_is_deleted() -> None:
    stray = make_child()
    done = plan(observe(make_job(status=RETRIED), stray), NOW)
    assert (done.create, done.delete) == ((), (stray,))
    running = condition(wanted(done), "Running")
    assert (running["reason"], "j-a0" in running["message"]) == ("StrayAttempt", True)


def test_pods_that_hold_an_attempt_up_are_named_with_their_nodes() -> None:
    lost = replace(make_pod(), node="")
    for pod, shown in ((make_pod(), "j-a0-x on node-1"), (lost, "j-a0-x on no node")):
        done = plan(observe(make_job(status=RETRIED), make_child(ended="Failed"), pod), NOW)
        assert shown in condition(wanted(done), "Running")["message"]


@pytest.mark.parametrize(("seconds", "made"), [(0, True), (1, False), (-1, True)])
def test_an_attempt_starts_at_its_time_and_not_a_moment_before(seconds: int, made: bool) -> None:
    status = {**RETRIED, "nextAttemptTime": time(seconds)}
    done = plan(observe(make_job(status=status)), NOW)
    assert bool(done.create) is made
    assert done.requeue_after == (15 if made else seconds)


def test_what_no_watch_tells_of_is_asked_for_again_and_a_wrong_spec_is_not() -> None:
    assert plan(observe(make_job(backend="Modal")), NOW).requeue_after is None
    held = [{**conditions(Stalled="True")[0], "lastTransitionTime": time(-40)}]
    secret = {"databaseSecretRef": {"name": "db", "key": "url"}}
    job = make_job(status={"conditions": held}, telemetry=secret)
    observed = observe(job, references={Reference("Secret", "db", "url"): "no object"})
    assert plan(observed, NOW).requeue_after == 10.0
    assert plan(observed, NOW + timedelta(hours=1)).requeue_after == 30.0
