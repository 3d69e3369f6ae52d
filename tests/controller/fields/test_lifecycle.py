"""`suspend`, `stop`, `ttlSecondsAfterFinished`: what people ask of a run under way."""

import pytest

from tests.controller.api import ApiError, Namespace, eventually, result
from tests.controller.builders import condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

SLOW_RETRY = {"backoffSeconds": 600, "backoffMaxSeconds": 600}


def running(ns: Namespace, job: str = "j", **spec: object) -> None:
    """Makes a job whose first attempt runs."""
    ns.create(job, **spec)
    ns.run_pod(f"{job}-a0")
    ns.phase(job, "Running")


def test_a_suspended_run_frees_its_quota_and_goes_on_with_the_next_attempt(ns: Namespace) -> None:
    running(ns)
    ns.edit("j", suspend=True)
    status = ns.phase("j", "Stopping")
    assert condition(status, "Suspended")["status"] == "False"
    assert condition(status, "Reconciling")["reason"] == "Suspending"
    eventually(lambda: ns.is_stopping("j-a0"))
    assert ns.pod("j-a0")["metadata"]["deletionGracePeriodSeconds"] == 120
    ns.remove(ns.end_pod("j-a0", 75, result(status="stopped", global_step=2)))
    status = ns.phase("j", "Suspended")
    assert condition(status, "Suspended")["status"] == "True"
    assert ns.children() == []
    ns.edit("j", suspend=False)
    ns.run_to_end("j-a1", 0, result(resumed_from_step=2))
    status = ns.phase("j", "Succeeded")
    assert [a["number"] for a in status["attempts"]] == [0, 1]
    assert status["retries"] == {"app": 0, "infra": 0}
    assert not condition(status, "Suspended")


def test_a_job_made_suspended_starts_nothing_until_it_is_resumed(ns: Namespace) -> None:
    ns.create("j", suspend=True)
    status = ns.phase("j", "Suspended")
    assert "startTime" not in status
    assert ns.children() == []
    ns.edit("j", suspend=False)
    assert ns.phase("j", "Starting")["attempt"] == 0
    assert ns.children() == ["j-a0"]


def test_a_suspend_taken_back_in_time_still_makes_a_new_attempt(ns: Namespace) -> None:
    running(ns)
    ns.edit("j", suspend=True)
    ns.phase("j", "Stopping")
    ns.edit("j", suspend=False)
    ns.remove(ns.end_pod("j-a0", 75, result(status="stopped")))
    status = ns.phase("j", "Starting", attempt=1)
    assert status["retries"] == {"app": 0, "infra": 0}
    assert not condition(status, "Suspended")


def test_a_run_that_ends_well_while_it_is_suspended_is_complete(ns: Namespace) -> None:
    running(ns)
    ns.edit("j", suspend=True)
    ns.phase("j", "Stopping")
    ns.remove(ns.end_pod("j-a0", 0, result()))
    ns.phase("j", "Succeeded")


def test_a_suspend_between_two_attempts_forgets_the_wait(ns: Namespace) -> None:
    ns.create("j", retry=SLOW_RETRY)
    ns.run_to_end("j-a0", 70)
    ns.reason("j", "Running", "BackingOff")
    ns.edit("j", suspend=True)
    assert "nextAttemptTime" not in ns.phase("j", "Suspended")
    ns.edit("j", suspend=False)
    assert ns.child("j-a1")


def test_a_stopped_run_ends_for_good_with_its_result(ns: Namespace) -> None:
    running(ns, output={"volumeClaim": "data"})
    ns.edit("j", stop=True)
    status = ns.phase("j", "Stopping")
    assert condition(status, "Reconciling")["reason"] == "Stopping"
    eventually(lambda: ns.is_stopping("j-a0"))
    ns.remove(ns.end_pod("j-a0", 75, result(status="stopped", global_step=3)))
    status = ns.phase("j", "Stopped")
    failed = condition(status, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "StopRequested")
    assert status["result"]["globalStep"] == 3
    assert status["result"]["status"] == "stopped"
    assert condition(status, "CheckpointAvailable")["message"].endswith("step 3.")
    assert status["attempts"][0]["class"] == "Stopped"
    assert status["retries"] == {"app": 0, "infra": 0}
    with pytest.raises(ApiError, match=r"spec\.stop is not undone"):
        ns.edit("j", stop=False)
    with pytest.raises(ApiError, match=r"spec\.stop is not undone"):
        ns.edit("j", stop=None)


def test_a_stop_before_any_attempt_ends_the_run_without_one(ns: Namespace) -> None:
    ns.create("j", dependsOn=[{"job": "nobody"}])
    ns.reason("j", "Running", "DependencyNotFound")
    ns.edit("j", stop=True)
    status = ns.phase("j", "Stopped")
    assert "attempts" not in status
    assert status["result"]["status"] == "stopped"
    assert ns.children() == []


def test_a_stop_ends_a_suspended_run(ns: Namespace) -> None:
    ns.create("j", suspend=True)
    ns.phase("j", "Suspended")
    ns.edit("j", stop=True)
    status = ns.phase("j", "Stopped")
    assert not condition(status, "Suspended")


def test_a_stop_ends_a_run_whose_spec_was_refused(ns: Namespace) -> None:
    ns.create("j", runtimeRef={"name": "nothing"})
    ns.reason("j", "Accepted", "RuntimeNotFound")
    ns.edit("j", stop=True)
    ns.phase("j", "Stopped")


def test_a_stop_between_two_attempts_waits_for_no_retry(ns: Namespace) -> None:
    ns.create("j", retry=SLOW_RETRY)
    ns.run_to_end("j-a0", 70, result(status="failed", global_step=1))
    ns.reason("j", "Running", "BackingOff")
    ns.edit("j", stop=True)
    status = ns.phase("j", "Stopped")
    assert "nextAttemptTime" not in status
    assert ns.children() == ["j-a0"]


def test_a_failure_that_no_retry_would_change_wins_over_a_stop(ns: Namespace) -> None:
    running(ns)
    ns.edit("j", stop=True)
    ns.phase("j", "Stopping")
    ns.remove(ns.end_pod("j-a0", 72, result(status="diverged")))
    assert condition(ns.phase("j", "Failed"), "Failed")["reason"] == "Diverged"


def test_a_time_to_live_may_be_set_after_the_end(ns: Namespace) -> None:
    running(ns)
    ns.end_pod("j-a0", 0, result())
    ns.phase("j", "Succeeded")
    ns.edit("j", ttlSecondsAfterFinished=1)
    eventually(lambda: ns.job("j") is None)


def test_a_failed_run_lives_no_longer_than_its_time_either(ns: Namespace) -> None:
    running(ns, ttlSecondsAfterFinished=1)
    ns.end_pod("j-a0", 64)
    ns.phase("j", "Failed")
    eventually(lambda: ns.job("j") is None)


def test_a_run_under_way_is_not_deleted_by_its_time_to_live(ns: Namespace) -> None:
    running(ns, ttlSecondsAfterFinished=0)
    ns.edit("j", suspend=True)
    ns.phase("j", "Stopping")
    ns.remove(ns.end_pod("j-a0", 75))
    ns.phase("j", "Suspended")
    ns.edit("j", suspend=False)
    ns.phase("j", "Starting", attempt=1)
