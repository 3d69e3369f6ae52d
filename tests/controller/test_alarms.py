"""When a pass is made again though nothing happens: nobody else wakes a job at its deadline."""

from dataclasses import replace
from typing import Any

import pytest

from tenyson.controller.plan import plan
from tests.controller.builders import (
    NOW,
    conditions,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)

STARTED = {
    "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
    "child": {"job": "j-a0", "configHash": "c", "madeAt": time()},
}  # fmt: skip


def test_the_pass_that_makes_a_child_is_followed_by_one_though_the_child_makes_no_pod() -> None:
    made = plan(observe(make_job()), NOW)
    assert made.create
    assert made.requeue_after == 15


@pytest.mark.parametrize(
    "spec",
    [{"activeDeadlineSeconds": 60}, {"budget": {"maxCost": 1, "pricePerHour": 60}}],
)
def test_the_pass_that_sees_a_run_begin_waits_for_its_deadline(spec: dict[str, Any]) -> None:
    job = make_job(status=STARTED, progressDeadlineSeconds=None, **spec)
    again = plan(observe(job, make_child(), make_pod()), NOW).requeue_after
    assert again == pytest.approx(60, abs=0.1)


def test_the_pass_that_sees_a_run_back_in_its_queue_waits_for_the_pending_deadline() -> None:
    status = {**STARTED, "conditions": conditions(Running="True")}
    job = make_job(status=status, queueName="q", pendingDeadlineSeconds=60)
    again = plan(observe(job, replace(make_child(), suspended=True)), NOW).requeue_after
    assert again == pytest.approx(60, abs=0.1)
