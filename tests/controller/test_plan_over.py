"""A pass over a run that is over and past its time, where Git would bring it back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tenyson.controller import names
from tenyson.controller.kept import keep_job
from tenyson.controller.observed import Job
from tenyson.controller.plan import Plan, plan
from tests.controller.builders import (
    NOW,
    condition,
    conditions,
    job_body,
    make_child,
    observe,
    read_job,
    time,
)
from tests.controller.plans import wanted

LATER = NOW + timedelta(seconds=60)


def over(mark: str = "helm.toolkit.fluxcd.io/name", where: str = "labels", **spec: object) -> Job:
    status = {
        "conditions": conditions(Accepted="True", Running="False", Complete="True"),
        "completionTime": time(), "observedGeneration": 1, "phase": "Succeeded",
        "runId": names.run_id("uid-j"),
    }  # fmt: skip
    body = job_body(status=status, **{"ttlSecondsAfterFinished": 60, **spec})
    body["metadata"][where] = {mark: "x"}
    return read_job(body)


def after(job: Job, done: Plan) -> Job:
    return replace(job, status=wanted(done))


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize("mark", names.TRACKING_MARKS)
def test_what_a_tool_would_make_again_is_not_deleted_and_says_whose_it_is(
    mark: str, where: str
) -> None:
    done = plan(observe(over(mark, where), make_child(ended="Complete")), LATER)
    assert not done.delete_job
    assert [child.name for child in done.delete] == ["j-a0"]
    expired = condition(wanted(done), "Expired")
    assert (expired["status"], expired["reason"]) == ("True", "TrackedInGit")
    assert mark in expired["message"]
    assert names.TRACKING_MARKS[mark] in expired["message"]
    assert [said.reason for said in done.announcements] == ["TrackedInGit"]
    assert wanted(done)["phase"] == "Succeeded"


def test_any_other_mark_does_not_keep_a_job() -> None:
    assert plan(observe(over("app.kubernetes.io/name")), LATER).delete_job


def test_a_job_with_a_generated_name_is_deleted_whatever_its_labels() -> None:
    body = job_body()
    body["metadata"] |= {"generateName": "j-", "labels": {"app.kubernetes.io/instance": "tenyson"}}
    assert read_job(body).tracked_by == keep_job(body).read().tracked_by == ""


def test_before_its_time_a_tracked_job_keeps_its_children() -> None:
    early = NOW + timedelta(seconds=20)
    done = plan(observe(over(), make_child(ended="Complete")), early)
    assert done == Plan(requeue_after=40.0)


def test_it_is_told_once_and_children_are_looked_after_until_they_are_gone() -> None:
    child = make_child(ended="Complete")
    job = after(over(), plan(observe(over(), child), LATER))
    again = plan(observe(job, child), LATER + timedelta(seconds=1))
    assert (again.status, again.announcements) == (None, ())
    assert again.delete == (child,)
    assert again.requeue_after == 10.0
    assert plan(observe(job, replace(child, deleting=True)), LATER) == Plan()
    assert plan(observe(job), LATER) == Plan()


def test_without_the_mark_an_expired_job_is_deleted() -> None:
    job = after(over(), plan(observe(over()), LATER))
    assert plan(observe(replace(job, tracked_by="")), LATER).delete_job


def test_a_longer_time_takes_the_condition_back() -> None:
    expired = after(over(), plan(observe(over()), LATER))
    longer = replace(over(ttlSecondsAfterFinished=600), status=expired.status, generation=2)
    done = plan(observe(longer), LATER)
    assert not condition(wanted(done), "Expired")
    assert wanted(done)["observedGeneration"] == 2
    assert done.requeue_after == 540.0
    assert done.announcements == ()
