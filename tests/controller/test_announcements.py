"""Which passes post an Event, and what it says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.plan import Plan, child_refused, name_taken, plan
from tenyson.controller.reading import read_pod
from tests.controller.builders import (
    NOW,
    conditions,
    ended_job,
    make_child,
    make_job,
    make_pod,
    observe,
    pod_body,
    time,
)

STARTED = {
    "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
    "child": {"job": "j-a0", "configHash": "c", "madeAt": time()},
}  # fmt: skip


def said(done: Plan) -> list[tuple[str, str]]:
    return [(event.kind, event.reason) for event in done.announcements]


def status_after(*things: Any, before: Any = STARTED, **more: Any) -> dict[str, Any]:
    """The status after a pass over these things."""
    done = plan(observe(make_job(status=before, **more), *things), NOW)
    return done.status or before


def test_a_retry_is_told_once_with_its_cause_and_the_time_of_the_next_attempt() -> None:
    child, pod = make_child(ended="Failed"), make_pod(code=70, message="boom")
    done = plan(observe(make_job(status=STARTED, retry={"backoffSeconds": 0}), child, pod), NOW)
    assert said(done) == [("Warning", "InternalError")]
    message = done.announcements[0].message
    assert message.startswith(f"Attempt 0 is over; attempt 1 starts at {time(1)}. ")
    assert message.endswith("Exit code 70. boom")


def test_a_pod_that_cannot_start_is_told_once_though_its_words_change() -> None:
    waiting = replace(make_pod(phase="Pending"), waiting="ErrImagePull: not found")
    starting = status_after(make_child())
    done = plan(observe(make_job(status=starting), make_child(), waiting), NOW)
    assert said(done) == [("Warning", "PodWaiting")]
    again = replace(waiting, waiting="ImagePullBackOff: not found")
    assert done.status is not None
    assert said(plan(observe(make_job(status=done.status), make_child(), again), NOW)) == []


def test_a_container_that_is_being_made_is_no_news() -> None:
    starting = status_after(make_child())
    body = pod_body(phase="Pending")
    state = {"waiting": {"reason": "ContainerCreating"}}
    body["status"]["containerStatuses"] = [{"name": names.CONTAINER, "state": state}]
    pod = read_pod(body)
    assert said(plan(observe(make_job(status=starting), make_child(), pod), NOW)) == []


def test_a_parent_that_has_come_is_told_in_place_of_its_absence() -> None:
    spec = {"dependsOn": [{"job": "p"}]}
    absent = status_after(before={}, **spec)
    done = plan(observe(make_job(status=absent, **spec), others=[make_job("p")]), NOW)
    assert said(done) == [("Normal", "WaitingForDependency")]


def test_a_child_for_a_queue_is_told_as_queued_from_the_first() -> None:
    done = plan(observe(make_job(queueName="q")), NOW)
    assert said(done) == [("Normal", "Queued")]
    assert done.status is not None
    assert done.status["phase"] == "Queued"


def test_a_pod_that_went_away_does_not_run_again_in_between() -> None:
    leaving = replace(make_pod(), deleting=True)
    status = status_after(make_child(), leaving)
    gone = replace(make_pod(), gone=True)
    done = plan(observe(make_job(status=status), make_child(), gone), NOW)
    assert (done.status or status)["phase"] == "Stopping"
    assert said(done) == []


@pytest.mark.parametrize(
    ("edit", "reason"), [({"stop": True}, "StopRequested"), ({"suspend": True}, "Suspended")]
)
def test_what_a_person_asked_for_is_no_warning(edit: dict[str, Any], reason: str) -> None:
    held = conditions(Accepted="True")
    done = plan(observe(make_job(status={"conditions": held}, **edit)), NOW)
    assert said(done) == [("Normal", reason)]


def test_a_refusal_and_a_failure_are_warnings() -> None:
    parent = ended_job("p", "Failed")
    failed = plan(observe(make_job(dependsOn=[{"job": "p"}]), others=[parent]), NOW)
    assert said(failed) == [("Warning", "DependencyFailed")]
    assert said(plan(observe(make_job(backend="Modal")), NOW)) == [
        ("Warning", "BackendNotSupported")
    ]


@pytest.mark.parametrize(
    ("final", "reason", "kind"),
    [(True, "ChildInvalid", "Stalled"), (False, "ChildRefused", "Reconciling")],
)
def test_only_what_a_person_must_mend_stalls_a_child(final: bool, reason: str, kind: str) -> None:
    done = child_refused(observe(make_job()), NOW, "no room", final=final)
    assert said(done) == [("Warning", reason)]
    assert done.status is not None
    found = {c["type"]: c["reason"] for c in done.status["conditions"]}
    assert found[kind] == reason


def test_what_stalls_is_told_once_and_keeps_its_time() -> None:
    first = name_taken(observe(make_job()), NOW, "Job", "j-a0")
    assert first.status is not None
    later = NOW + timedelta(seconds=30)
    assert name_taken(observe(make_job(status=first.status)), later, "Job", "j-a0") == Plan()


def test_what_goes_on_again_is_stalled_no_more() -> None:
    stalled = name_taken(observe(make_job()), NOW, "Job", "j-a0").status
    done = plan(observe(make_job(status=stalled)), NOW)
    assert done.status is not None
    assert "Stalled" not in {c["type"] for c in done.status["conditions"]}
