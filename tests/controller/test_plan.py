"""What a pass decides, case by case."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Reference, Report
from tenyson.controller.plan import Plan, child_refused, name_taken, plan
from tenyson.controller.resource.status import TenysonJobStatus
from tenyson.controller.times import format_exactly, format_time
from tests.controller.builders import (
    DEFAULTS,
    NOW,
    condition,
    conditions,
    ended_job,
    gone,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)

RUNNING = {
    "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
    "child": {"job": "j-a0", "configHash": "c", "madeAt": time()},
}  # fmt: skip
RESULT = json.dumps(
    {
        "run_id": "r", "status": "success", "total_time_seconds": 2.5, "global_step": 4,
        "metrics": {"train_loss": 0.5, "bad": float("nan")}, "adapter_sha256": "abc",
        "some_new_field": 1,
    }
)  # fmt: skip


def wanted(outcome: Plan) -> dict[str, Any]:
    assert outcome.status is not None
    TenysonJobStatus.model_validate(outcome.status)
    return outcome.status


def after(code: int, **more: Any) -> Plan:
    """The pass after attempt 0 ended with an exit code."""
    spec, status = more.pop("spec", {}), more.pop("status", RUNNING)
    child = make_child(ended="Failed" if code else "Complete")
    return plan(observe(make_job(status=status, **spec), child, make_pod(code=code, **more)), NOW)


def test_a_new_job_gets_its_first_child_and_a_start_time() -> None:
    done = plan(observe(make_job()), NOW)
    assert done.create[-1]["metadata"]["name"] == "j-a0"
    status = wanted(done)
    assert (status["phase"], status["attempt"], status["startTime"]) == ("Starting", 0, time())
    assert status["runId"] == names.run_id("uid-j")
    assert {c["type"] for c in status["conditions"]} == {
        "Accepted", "Running", "Reconciling", "CheckpointAvailable"
    }  # fmt: skip
    assert all(c["observedGeneration"] == 1 for c in status["conditions"])


def test_a_second_pass_over_the_same_state_does_nothing() -> None:
    first = wanted(plan(observe(make_job()), NOW))
    again = plan(observe(make_job(status=first), make_child()), NOW + timedelta(seconds=9))
    assert (again.create, again.status, again.announcements) == ((), None, ())


def test_a_child_whose_status_was_never_written_is_adopted() -> None:
    done = plan(observe(make_job(), make_child()), NOW)
    assert done.create == ()
    assert wanted(done)["startTime"] == time()


def test_a_running_pod_makes_the_job_running() -> None:
    status = wanted(plan(observe(make_job(status=RUNNING), make_child(), make_pod()), NOW))
    assert status["phase"] == "Running"


def test_between_a_pods_end_and_its_jobs_the_phase_stands_still() -> None:
    running = wanted(plan(observe(make_job(status=RUNNING), make_child(), make_pod()), NOW))
    gap = plan(observe(make_job(status=running), make_child(), make_pod(code=0)), NOW)
    assert wanted(gap)["phase"] == "Running"
    assert condition(wanted(gap), "Running")["reason"] == "Settling"
    assert gap.announcements == ()


def test_a_refused_job_says_why_in_the_condition_that_kubectl_shows() -> None:
    refused = wanted(plan(observe(make_job(config={"model": {"nam": "x"}})), NOW))
    assert condition(refused, "Running")["reason"] == "InvalidConfig"


def test_a_pod_that_cannot_start_says_why() -> None:
    pod = replace(make_pod(phase="Pending"), waiting="ImagePullBackOff: no such image")
    status = wanted(plan(observe(make_job(status=RUNNING), make_child(), pod), NOW))
    assert status["phase"] == "Starting"
    assert "no such image" in condition(status, "Running")["message"]


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


def test_what_a_lost_leader_made_late_is_deleted_though_the_run_is_over() -> None:
    status = {"conditions": conditions(Complete="True"), "completionTime": time()}
    late, done = make_child(attempt=1), make_child(ended="Complete")
    assert plan(observe(make_job(status=status), done, late), NOW) == Plan(delete=(late,))
    leaving = make_child(attempt=1, deletionTimestamp=time())
    assert plan(observe(make_job(status=status), done, leaving), NOW) == Plan()


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


@pytest.mark.parametrize(
    ("parent", "phase", "reason"),
    [
        (None, "Pending", "DependencyNotFound"),
        (make_job("p"), "Pending", "WaitingForDependency"),
        (ended_job("p", "Failed"), "Failed", "DependencyFailed"),
    ],
)
def test_a_parent_decides_whether_its_child_starts(parent: Any, phase: str, reason: str) -> None:
    job = make_job(dependsOn=[{"job": "p"}])
    status = wanted(plan(observe(job, others=[parent] if parent else []), NOW))
    assert status["phase"] == phase
    telling = condition(status, "Failed") or condition(status, "Running")
    assert telling["reason"] == reason
    assert " p " in telling["message"]


@pytest.mark.parametrize(
    ("needed", "ended", "starts"),
    [("Complete", "Complete", True), ("Failed", "Failed", True), ("Finished", "Failed", True),
     ("Failed", "Complete", False)],
)  # fmt: skip
def test_a_dependency_may_ask_for_either_ending(needed: str, ended: str, starts: bool) -> None:
    job = make_job(dependsOn=[{"job": "p", "condition": needed}])
    done = plan(observe(job, others=[ended_job("p", ended)]), NOW)
    assert bool(done.create) is starts


def test_jobs_that_wait_for_one_another_are_refused() -> None:
    a = make_job("a", dependsOn=[{"job": "b"}])
    b = make_job("b", adapterFrom={"job": "c"})
    c = make_job("c", dependsOn=[{"job": "a"}])
    accepted = condition(wanted(plan(observe(a, others=[b, c]), NOW)), "Accepted")
    assert accepted["reason"] == "DependencyCycle"
    assert "a -> b -> c -> a" in accepted["message"]


def test_a_circle_above_a_job_is_not_its_own() -> None:
    job = make_job("j", dependsOn=[{"job": "a"}])
    a = make_job("a", dependsOn=[{"job": "b"}])
    b = make_job("b", dependsOn=[{"job": "a"}])
    status = wanted(plan(observe(job, others=[a, b]), NOW))
    assert condition(status, "Running")["reason"] == "WaitingForDependency"


def env_of(done: Plan) -> dict[str, str]:
    assert done.create
    container = done.create[-1]["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


@pytest.mark.parametrize(
    ("result", "spec", "path"),
    [
        ({"outputUri": "pvc://data/n/p-1", "adapterSha256": "f00"},
         {"output": {"volumeClaim": "data"}}, "/tenyson/output/n/p-1/checkpoint-final"),
        ({"outputUri": "s3://b/n/p-1"}, {}, "s3://b/n/p-1/checkpoint-final"),
    ],
)  # fmt: skip
def test_an_adapter_is_found_where_its_run_left_it(
    result: dict[str, Any], spec: dict[str, Any], path: str
) -> None:
    parent = ended_job("p", result=result)
    done = plan(observe(make_job(adapterFrom={"job": "p"}, **spec), others=[parent]), NOW)
    assert env_of(done)["TENYSON_ADAPTER_PATH"] == path
    assert env_of(done).get("TENYSON_ADAPTER_SHA256") == result.get("adapterSha256")
    assert wanted(done)["child"]["adapterPath"] == path


@pytest.mark.parametrize(
    ("parent", "text"),
    [
        (ended_job("p", result={}), "kept no output"),
        (ended_job("p", type="Eval"), "an Eval"),
        (ended_job("p"), "set output.volumeClaim to claim"),
    ],
)
def test_an_adapter_that_cannot_be_had_is_refused_with_a_way_out(parent: Any, text: str) -> None:
    done = plan(observe(make_job(adapterFrom={"job": "p"}), others=[parent]), NOW)
    accepted = condition(wanted(done), "Accepted")
    assert accepted["reason"] == "AdapterUnavailable"
    assert text in accepted["message"]


def test_a_retry_starts_from_the_same_adapter_though_its_run_is_deleted() -> None:
    job = make_job(adapterFrom={"job": "p"}, retry={"backoffSeconds": 0, "backoffMaxSeconds": 0})
    parent = ended_job("p", result={"outputUri": "s3://b/n/p-1"})
    first = replace(job, status=wanted(plan(observe(job, others=[parent]), NOW)))
    failed = wanted(plan(observe(first, make_child(ended="Failed"), make_pod(code=70)), NOW))
    again = plan(observe(replace(job, status=failed)), NOW + timedelta(seconds=99))
    assert env_of(again)["TENYSON_ADAPTER_PATH"] == "s3://b/n/p-1/checkpoint-final"


def test_progress_is_written_when_due_and_kept_back_before() -> None:
    job = make_job(status=RUNNING)
    report = Report(0, NOW, step=5, total_steps=10, percent=50, metrics={"loss": 1.0})
    first = wanted(plan(observe(job, make_child(), make_pod(), report=report), NOW))
    assert first["progress"]["step"] == 5
    later = NOW + timedelta(seconds=5)
    newer = replace(report, step=6, received_at=later)
    early = plan(observe(replace(job, status=first), make_child(), make_pod(), report=newer), later)
    assert (early.status, early.requeue_after) == (None, 10.0)
    due = plan(
        observe(replace(job, status=first), make_child(), make_pod(), report=newer),
        NOW + timedelta(seconds=15),
    )
    assert wanted(due)["progress"]["step"] == 6


def test_a_new_attempt_starts_without_the_progress_of_the_last() -> None:
    status = {**RUNNING, "progress": {"step": 7, "etaSeconds": 60, "updatedAt": time()}}
    adopted = plan(observe(make_job(status=status), make_child(attempt=1)), NOW)
    assert "progress" not in wanted(adopted)
    attempts = [{"number": 0, "class": "Infra", "reason": "Killed", "endTime": time(-900)}]
    made = plan(observe(make_job(status={**status, "attempts": attempts})), NOW)
    assert made.create
    assert "progress" not in wanted(made)


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


def test_the_end_takes_the_newest_progress_along() -> None:
    status = {**RUNNING, "progress": {"step": 1, "updatedAt": format_time(NOW)}}
    report = Report(0, NOW + timedelta(seconds=1), step=3, metrics={"loss": 0.1})
    job, child = make_job(status=status), make_child(ended="Failed")
    done = plan(observe(job, child, make_pod(code=64), report=report), NOW + timedelta(seconds=1))
    assert wanted(done)["progress"]["step"] == 3
    assert wanted(done)["attempts"][0]["reachedStep"] == 3


def test_a_report_of_another_attempt_is_ignored() -> None:
    done = plan(observe(make_job(status=RUNNING), make_child(), report=Report(1, NOW, step=9)), NOW)
    assert "progress" not in wanted(done)


def test_a_finished_job_is_left_alone_until_its_time_to_live_is_over() -> None:
    status = {"conditions": conditions(Complete="True"), "completionTime": time()}
    job = make_job(status=status, ttlSecondsAfterFinished=60)
    assert plan(observe(make_job(status=status)), NOW) == Plan()
    assert plan(observe(job), NOW + timedelta(seconds=20)) == Plan(requeue_after=40.0)
    assert plan(observe(job), NOW + timedelta(seconds=60)).delete_job


def test_a_job_that_is_being_deleted_gets_no_child() -> None:
    assert plan(observe(replace(make_job(), deleting=True)), NOW) == Plan()


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


def test_ten_attempts_are_kept() -> None:
    entry = {"class": "Infra", "reason": "Killed", "endTime": time()}
    attempts = [{"number": n, **entry} for n in range(10)]
    status = {**RUNNING, "attempt": 10, "attempts": attempts}
    child, pod = make_child(attempt=10, ended="Failed"), make_pod(attempt=10, code=137)
    kept = wanted(plan(observe(make_job(status=status), child, pod), NOW))["attempts"]
    assert [entry["number"] for entry in kept] == list(range(1, 11))


def test_a_status_stays_within_32_kib() -> None:
    fat = {
        "runId": "r", "status": "success",
        "artifacts": [{"path": "x" * 1000, "kind": "k"}] * 64,
    }  # fmt: skip
    job = make_job(status={**RUNNING, "result": fat})
    status = wanted(plan(observe(job, make_child(), make_pod()), NOW))
    assert len(json.dumps(status)) <= 32 * 1024


def test_a_pod_that_is_going_away_is_not_shown_as_running() -> None:
    leaving = replace(make_pod(), deleting=True, disruption="DeletionByTaintManager")
    status = wanted(plan(observe(make_job(status=RUNNING), make_child(), leaving), NOW))
    assert status["phase"] == "Stopping"
    message = condition(status, "Running")["message"]
    assert "node-1" in message
    assert "DeletionByTaintManager" in message
