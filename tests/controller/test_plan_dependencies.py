"""A run that waits for another, or starts from another's adapter."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.plan import plan
from tests.controller.builders import (
    NOW,
    condition,
    ended_job,
    make_child,
    make_job,
    make_pod,
    observe,
)
from tests.controller.plans import env_of, wanted


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
