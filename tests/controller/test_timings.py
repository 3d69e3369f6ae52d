"""How long runs take to begin and attempts run: what the histograms are told."""

from dataclasses import replace
from typing import Any

import pytest

from tenyson.controller import metrics
from tenyson.controller.plan import plan
from tenyson.controller.timings import seconds_of_last_attempt, seconds_to_first_run
from tests.controller.builders import (
    NOW,
    RUNS,
    WAITS,
    child_body,
    job_body,
    make_child,
    make_job,
    make_pod,
    observe,
    pod_body,
    time,
)
from tests.controller.plans import RUNNING
from tests.controller.test_reconciler import KEY, Fake, started


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        ({}, RUNS, 90.0),
        (WAITS, RUNS, 90.0),
        (RUNS, RUNS, None),
        (WAITS, WAITS, None),
        ({**WAITS, "activeSeconds": 0.0}, RUNS, None),
    ],
    ids=["seen at once", "after a wait", "runs already", "still waits", "has run before"],
)
def test_only_the_first_begin_of_a_run_is_timed(before: Any, after: Any, seconds: Any) -> None:
    job = replace(make_job(status=before), created_at=time(-90))
    assert seconds_to_first_run(job, after) == seconds
    assert seconds_to_first_run(replace(job, created_at=""), after) is None


def test_an_attempt_that_was_recorded_says_how_long_it_ran() -> None:
    job = make_job(status=RUNNING)
    done = plan(observe(job, make_child(ended="Failed"), make_pod(code=70)), NOW)
    assert done.status is not None
    assert seconds_of_last_attempt(done.status) == 60.0
    lost = plan(observe(job, make_child(ended="Failed")), NOW)
    assert lost.status is not None
    assert seconds_of_last_attempt(lost.status) is None
    assert seconds_of_last_attempt({}) is None


async def test_the_pass_that_sees_a_run_begin_counts_it_once() -> None:
    def counted() -> float | None:
        return metrics.REGISTRY.get_sample_value("tenyson_job_start_seconds_count", {"type": "SFT"})

    fake = Fake(child_body())
    fake.job = job_body("j", status={**RUNNING, **WAITS})
    fake.job["metadata"]["creationTimestamp"] = time(-30)
    reconciler, cache = started(fake)
    cache.put_child(child_body())
    cache.put_pod(pod_body())
    before = counted() or 0
    await reconciler.reconcile(KEY)
    await reconciler.reconcile(KEY)
    assert (counted() or 0) - before == 1


async def test_the_pass_that_records_an_attempt_tells_how_long_it_ran() -> None:
    def total() -> float:
        names = "tenyson_attempt_seconds_sum", {"class": "App"}
        return metrics.REGISTRY.get_sample_value(*names) or 0.0

    fake = Fake(child_body())
    fake.job = job_body("j", status=RUNNING)
    reconciler, cache = started(fake)
    cache.put_child(child_body(ended="Failed"))
    cache.put_pod(pod_body(code=70))
    before = total()
    await reconciler.reconcile(KEY)
    assert total() - before == 60.0
