"""`activeDeadlineSeconds`, `pendingDeadlineSeconds`, `progressDeadlineSeconds`."""

import time

import pytest

from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.fields.kueue import Kueue
from tests.controller.reports import push_as

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def end_stopped_pod(ns: Namespace, child: str, code: int = 75) -> None:
    """Ends a pod that is being deleted, as its kubelet does."""
    eventually(lambda: ns.is_stopping(child))
    pod = ns.end_pod(child, code, result(status="stopped", global_step=2))
    ns.remove(pod)


def test_running_too_long_ends_the_run(ns: Namespace) -> None:
    ns.create("j", activeDeadlineSeconds=1)
    ns.run_pod("j-a0")
    status = ns.phase("j", "Stopping")
    assert status["child"]["ending"]["reason"] == "ActiveTooLong"
    end_stopped_pod(ns, "j-a0")
    status = ns.phase("j", "Failed")
    assert condition(status, "Failed")["reason"] == "DeadlineExceeded"
    assert status["attempts"][0]["class"] == "Stopped"
    assert status["result"]["globalStep"] == 2
    assert ns.children() == []


def test_running_time_is_summed_over_a_suspend_and_waiting_does_not_count(ns: Namespace) -> None:
    ns.create("j", activeDeadlineSeconds=9)
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    time.sleep(3)  # the run's own time, which nothing else can pass
    ns.edit("j", suspend=True)
    end_stopped_pod(ns, "j-a0")
    active = ns.phase("j", "Suspended")["activeSeconds"]
    assert 2 <= active < 9
    ns.edit("j", suspend=False)
    ns.run_pod("j-a1")
    began = time.monotonic()
    assert ns.phase("j", "Stopping")["child"]["ending"]["reason"] == "ActiveTooLong"
    assert time.monotonic() - began < 8.5  # not 9 anew
    end_stopped_pod(ns, "j-a1")
    assert condition(ns.phase("j", "Failed"), "Failed")["reason"] == "DeadlineExceeded"


def test_a_pod_that_does_not_run_in_time_fails_the_run(ns: Namespace) -> None:
    ns.create("j", pendingDeadlineSeconds=4)
    status = ns.phase("j", "Failed")
    failed = condition(status, "Failed")
    assert failed["reason"] == "PendingDeadlineExceeded"
    assert "Unschedulable" in failed["message"]
    eventually(lambda: ns.children() == [])


def test_the_wait_in_the_queue_is_pending_time(ns: Namespace) -> None:
    ns.create("j", queueName="gpus", pendingDeadlineSeconds=2)
    ns.phase("j", "Queued")
    failed = condition(ns.phase("j", "Failed"), "Failed")
    assert failed["reason"] == "PendingDeadlineExceeded"
    assert "LocalQueue gpus has not admitted the run yet" in failed["message"]


def test_admission_in_time_keeps_a_queued_run(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", pendingDeadlineSeconds=5)
    ns.phase("j", "Queued")
    kueue.admit("j-a0")
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    time.sleep(5)  # past the deadline
    ns.end_pod("j-a0", 0, result())
    ns.phase("j", "Succeeded")


def test_the_wait_for_another_job_is_not_pending_time(ns: Namespace) -> None:
    ns.create("j", dependsOn=[{"job": "parent"}], pendingDeadlineSeconds=4)
    ns.reason("j", "Running", "DependencyNotFound")
    time.sleep(4)  # past the deadline
    ns.create("parent")
    ns.run_to_end("parent-a0", 0, result())
    ns.run_pod("j-a0")
    ns.phase("j", "Running")


def test_an_attempt_that_stands_still_is_killed_and_made_again(ns: Namespace) -> None:
    ns.create("j", progressDeadlineSeconds=2, retry={"maxRetries": 1, **AT_ONCE})
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    push_as(ns, pod, 1)
    push_as(ns, pod, 3)
    status = ns.phase("j", "Stopping")
    assert status["child"]["ending"]["reason"] == "Hanging"
    assert condition(status, "ProgressDeadlineExceeded")["status"] == "True"
    end_stopped_pod(ns, "j-a0", 137)
    pod = ns.run(ns.pods("j-a1")[0])
    status = ns.phase("j", "Running", attempt=1)
    (attempt,) = status["attempts"]
    assert (attempt["class"], attempt["reason"]) == ("Hang", "ProgressDeadlineExceeded")
    assert status["retries"] == {"app": 1, "infra": 0}
    push_as(ns, pod, 4)
    eventually(lambda: condition(ns.status("j"), "ProgressDeadlineExceeded")["status"] == "False")
    ns.phase("j", "Stopping")
    end_stopped_pod(ns, "j-a1", 137)
    failed = condition(ns.phase("j", "Failed"), "Failed")
    assert failed["reason"] == "RetriesExhausted"
    assert "spec.progressDeadlineSeconds" in failed["message"]


def test_reports_of_the_same_step_are_no_progress(ns: Namespace) -> None:
    ns.create("j", progressDeadlineSeconds=2)
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")

    def is_ending() -> bool:
        push_as(ns, pod, 3)
        time.sleep(0.3)
        return ns.status("j")["phase"] == "Stopping"

    eventually(is_ending, seconds=10)


def test_who_steps_or_never_reported_or_has_no_deadline_any_more_is_left_alone(
    ns: Namespace,
) -> None:
    ns.create("steps", progressDeadlineSeconds=3)
    ns.create("silent", progressDeadlineSeconds=1)
    ns.create("lifted", activeDeadlineSeconds=3, progressDeadlineSeconds=3)
    pods = {name: ns.run_pod(f"{name}-a0") for name in ("steps", "silent", "lifted")}
    for name in pods:
        ns.phase(name, "Running")
    push_as(ns, pods["lifted"], 1)
    lifted = {"activeDeadlineSeconds": None, "progressDeadlineSeconds": None}
    path = f"{ns.jobs_path}/lifted?fieldManager=somebody&force=true"
    apply = "application/apply-patch+yaml"
    ns.api.call("PATCH", path, ns.manifest("lifted", **lifted), apply)
    for step in range(1, 9):  # for longer than any of the deadlines
        push_as(ns, pods["steps"], step)
        time.sleep(0.5)
    assert {name: ns.status(name)["phase"] for name in pods} == dict.fromkeys(pods, "Running")
