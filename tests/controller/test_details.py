"""A status that says the same in other words waits; everything else is written at once."""

from dataclasses import replace
from typing import Any

import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.observed import Job
from tenyson.controller.plan import Plan, plan
from tenyson.controller.queue import WorkQueue
from tenyson.controller.reconciler import Reconciler
from tests.controller.builders import (
    DEFAULTS,
    NOW,
    child_body,
    job_body,
    make_child,
    make_job,
    make_pod,
    observe,
    pod_body,
)

KEY = ("n", "j")


def settled(job: Job, *things: Any, **more: Any) -> Job:
    """The job after the pass that these things lead to."""
    done = plan(observe(job, *things, **more), NOW)
    return replace(job, status=done.status or job.status)


def waiting_pod(why: str) -> Any:
    return replace(make_pod(phase="Pending"), waiting=why)


def next_plan(why: str, **changes: Any) -> Plan:
    job = settled(settled(make_job()), make_child(), waiting_pod("Unschedulable: 0/57 nodes"))
    return plan(observe(replace(job, **changes), make_child(), waiting_pod(why)), NOW)


def test_the_schedulers_other_words_are_a_detail() -> None:
    done = next_plan("Unschedulable: 0/58 nodes")
    assert done.status is not None
    assert done.is_detail


def test_a_new_generation_is_no_detail() -> None:
    assert not next_plan("Unschedulable: 0/57 nodes", generation=2).is_detail


def test_a_pod_that_runs_is_no_detail() -> None:
    job = settled(settled(make_job()), make_child(), waiting_pod("Unschedulable"))
    assert not plan(observe(job, make_child(), make_pod()), NOW).is_detail


@pytest.mark.parametrize("other", ["training.max_stepz", "training.learning_rat"])
def test_another_refusal_is_no_detail(other: str) -> None:
    section, key = other.split(".")
    refused = settled(make_job(config={"model": {"name": "m"}, "training": {"max_step": 1}}))
    now = make_job(status=refused.status, config={"model": {"name": "m"}, section: {key: 1}})
    done = plan(observe(now), NOW)
    assert done.status is not None
    assert not done.is_detail


class Recorder:
    """An API server that takes statuses."""

    def __init__(self) -> None:
        self.job = job_body("j")
        self.statuses: list[Any] = []

    async def create(self, body: Any) -> Any:
        return child_body()

    async def apply_status(self, *args: Any) -> Any:
        self.statuses.append(args[-1])
        meta = {**self.job["metadata"], "resourceVersion": str(len(self.statuses) + 1)}
        return {**self.job, "metadata": meta, "status": args[-1]}

    def announce(self, job: Any, said: Any) -> None:
        pass


async def test_a_detail_is_held_back_after_a_write_and_told_in_the_end() -> None:
    api = Recorder()
    cache, queue = Cache(lambda key, urgent: None), WorkQueue()
    defaults = replace(DEFAULTS, progress_interval_seconds=0.2)
    reconciler = Reconciler(api, cache, queue, api, {}, lambda: defaults, lambda: NOW)  # type: ignore[arg-type]
    cache.put_job(api.job)
    await reconciler.reconcile(KEY)
    assert len(api.statuses) == 1
    state = {"waiting": {"reason": "ImagePullBackOff"}}
    body = pod_body(phase="Pending")
    body["status"]["containerStatuses"] = [{"name": "runner", "state": state}]
    cache.put_pod(body)
    await reconciler.reconcile(KEY)
    assert len(api.statuses) == 1
    assert await queue.get() == KEY  # woken by itself, once the time is over
    await reconciler.reconcile(KEY)
    assert "ImagePullBackOff" in str(api.statuses[1]["conditions"])
