"""`retry`: two budgets, and what an ending counts as."""

from datetime import datetime

import pytest

from tenyson.controller.outcome import BY_EXIT_CODE
from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
CODES = sorted({int(code) for code in BY_EXIT_CODE} | {1, 2, 139, 255})


def test_the_job_controller_ends_every_attempt_at_its_first_exit_code(ns: Namespace) -> None:
    """All codes at once: none of them may make the Job controller start a second pod."""
    for code in CODES:
        ns.create(f"c{code}", retry={"maxRetries": 0, "maxInfraRetries": 0})
    for code in CODES:
        ns.run_to_end(f"c{code}-a0", code, result())
    for code in CODES:
        kind = BY_EXIT_CODE.get(code)
        complete = kind is not None and kind.attempt_class == "Completed"
        status = ns.phase(f"c{code}", "Succeeded" if complete else "Failed")
        (attempt,) = status["attempts"]
        assert (attempt["exitCode"], attempt["class"]) == (
            code, kind.attempt_class if kind else "App",
        )  # fmt: skip
        ended = ns.child(f"c{code}-a0")["status"]["conditions"][-1]
        assert ended["type"] == ("Failed" if code else "Complete")
        assert code == 0 or f"exit code {code}" in ended["message"]
    assert len(ns.api.call("GET", f"{ns.core}/pods")["items"]) == len(CODES)


def test_each_budget_is_used_up_on_its_own(ns: Namespace) -> None:
    ns.create("j", retry={"maxRetries": 1, "maxInfraRetries": 1, **AT_ONCE})
    ns.run_to_end("j-a0", 1)
    ns.run_to_end("j-a1", 69)
    ns.run_pod("j-a2")
    assert ns.phase("j", "Running")["retries"] == {"app": 1, "infra": 1}
    ns.end_pod("j-a2", 137, conditions=[DRAINED])
    status = ns.phase("j", "Failed")
    failed = condition(status, "Failed")
    assert failed["reason"] == "InfraRetriesExhausted"
    assert "after 1 of 1 retries (spec.retry.maxInfraRetries)" in failed["message"]
    assert "EvictionByEvictionAPI" in failed["message"]
    assert [a["class"] for a in status["attempts"]] == ["App", "Infra", "Preempted"]


def test_what_the_kubelet_says_outweighs_the_exit_code(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)
    ns.run_to_end("j-a0", 137, reason="OOMKilled")
    pod = ns.run_pod("j-a1")
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}
    ns.api.merge(f"{ns.core}/pods/{pod['metadata']['name']}/status", {"status": evicted})
    ns.run_to_end("j-a2", 0, result())
    status = ns.phase("j", "Succeeded")
    assert [(a["class"], a["reason"]) for a in status["attempts"]] == [
        ("OOM", "OutOfMemory"), ("Infra", "Evicted"), ("Completed", "Succeeded"),
    ]  # fmt: skip
    assert status["retries"] == {"app": 1, "infra": 1}


def test_the_next_attempt_waits_for_its_time(ns: Namespace) -> None:
    ns.create("j", retry={"backoffSeconds": 2, "backoffMaxSeconds": 2})
    ns.run_to_end("j-a0", 70, "boom")
    waiting = ns.reason("j", "Running", "BackingOff")
    assert "Attempt 1 starts at" in waiting["message"]
    assert "boom" in waiting["message"]
    start = datetime.fromisoformat(ns.status("j")["nextAttemptTime"])
    created = ns.child("j-a1")["metadata"]["creationTimestamp"]
    assert datetime.fromisoformat(created).timestamp() >= int(start.timestamp())
    assert "nextAttemptTime" not in ns.phase("j", "Starting", attempt=1)


def test_the_budget_may_be_raised_while_the_run_goes_on(ns: Namespace) -> None:
    ns.create("j", retry={"maxRetries": 0, **AT_ONCE})
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.edit("j", retry={"maxRetries": 1})
    ns.end_pod("j-a0", 70)
    assert ns.phase("j", "Starting", attempt=1)["retries"]["app"] == 1


def test_a_retry_is_an_event_that_tells_what_happened(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)
    failure = {"type": "ValueError", "message": "no rows", "hint": "look at the data"}
    ns.run_to_end("j-a0", 70, result(status="failed", failure=failure))
    (event,) = eventually(lambda: ns.events("InternalError"))
    assert event["type"] == "Warning"
    assert "Attempt 0 is over; attempt 1 starts at " in event["message"]
    assert "ValueError: no rows. look at the data" in event["message"]
    assert "result" not in ns.phase("j", "Starting", attempt=1)
