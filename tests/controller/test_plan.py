"""What a pass over an attempt decides, and over a run that is over."""

import json
from dataclasses import replace
from datetime import timedelta

from tenyson.controller import names
from tenyson.controller.observed import Report
from tenyson.controller.plan import Plan, plan
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
from tests.controller.plans import RUNNING, wanted


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


def test_a_pod_that_cannot_start_says_why() -> None:
    pod = replace(make_pod(phase="Pending"), waiting="ImagePullBackOff: no such image")
    status = wanted(plan(observe(make_job(status=RUNNING), make_child(), pod), NOW))
    assert status["phase"] == "Starting"
    assert "no such image" in condition(status, "Running")["message"]


def test_what_a_lost_leader_made_late_is_deleted_though_the_run_is_over() -> None:
    status = {"conditions": conditions(Complete="True"), "completionTime": time()}
    late, done = make_child(attempt=1), make_child(ended="Complete")
    assert plan(observe(make_job(status=status), done, late), NOW) == Plan(delete=(late,))
    leaving = make_child(attempt=1, deletionTimestamp=time())
    assert plan(observe(make_job(status=status), done, leaving), NOW) == Plan()


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
