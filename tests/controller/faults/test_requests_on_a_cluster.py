"""Requests that fail: what is to be done is done in the end, and done once."""

import time

import pytest

from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.faults import faults
from tests.controller.faults.life import AT_ONCE, ended_well, lives, pauses
from tests.controller.faults.proxy import Fault, FaultProxy, Rule

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("unharmed")]

WRITES = (("create", "jobs"), ("patch", "tenysonjobs/status"))
NO_JSON = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def _on_writes(proxy: FaultProxy, fault: Fault, ns: Namespace, times: int) -> list[Rule]:
    return [proxy.inject(fault, *write, namespace=ns.name, times=times) for write in WRITES]


@pytest.mark.parametrize("code", [429, 500])
def test_writes_refused_for_a_while_are_made_in_the_end(
    proxy: FaultProxy, ns: Namespace, code: int
) -> None:
    rules = _on_writes(proxy, faults.refuses(code), ns, times=5)
    lives(ns)
    assert [len(rule.hits) for rule in rules] == [5, 5]


@pytest.mark.parametrize(
    "fault",
    [faults.loses_the_request, faults.loses_the_answer, faults.breaks_off, faults.says(NO_JSON)],
    ids=["request lost", "answer lost", "answer cut short", "answer of another"],
)
def test_a_write_without_an_answer_is_made_once(
    proxy: FaultProxy, ns: Namespace, fault: Fault
) -> None:
    rules = _on_writes(proxy, fault, ns, times=2)
    lives(ns)
    assert [len(rule.hits) for rule in rules] == [2, 2]


def test_a_deletion_without_an_answer_is_no_second_one(proxy: FaultProxy, ns: Namespace) -> None:
    child = proxy.inject(faults.loses_the_answer, "delete", "jobs", namespace=ns.name, times=1)
    pauses(ns)
    job = proxy.inject(faults.loses_the_answer, "delete", "tenysonjobs", namespace=ns.name, times=1)
    ns.edit("j", ttlSecondsAfterFinished=0)
    eventually(lambda: ns.job("j") is None)
    assert (len(child.hits), len(job.hits)) == (1, 1)


def test_a_job_made_anew_outlives_the_late_deletion_of_its_namesake(
    proxy: FaultProxy, ns: Namespace
) -> None:
    late = proxy.inject(faults.waits(1.5), "delete", "tenysonjobs", namespace=ns.name, times=1)
    ns.create("j", ttlSecondsAfterFinished=0)
    ns.run_to_end("j-a0", 0, result())
    eventually(lambda: late.hits)
    ns.api.call("DELETE", f"{ns.jobs_path}/j")
    eventually(lambda: not ns.children())
    new = ns.create("j")["metadata"]["uid"]
    eventually(lambda: late.hits[0].status)
    found = ns.job("j")
    assert found is not None
    assert found["metadata"]["uid"] == new
    assert ns.child("j-a0")["metadata"]["ownerReferences"][0]["uid"] == new


def test_the_server_is_left_alone_for_as_long_as_it_asks(proxy: FaultProxy, ns: Namespace) -> None:
    fault = faults.refuses(429, retry_after="2")
    rule = proxy.inject(fault, "create", "jobs", namespace=ns.name, times=1)
    ns.create("j")
    ns.child("j-a0")
    again = proxy.seen("create", "jobs", ns.name)[1]
    assert again.at - rule.hits[0].at >= 2


def test_events_that_are_refused_delay_nothing(proxy: FaultProxy, ns: Namespace) -> None:
    rule = proxy.inject(faults.waits(3), "create", "events", namespace=ns.name)
    began = time.monotonic()
    ns.create("j")
    ns.run_to_end("j-a0", 0, result())
    ns.create("after", dependsOn=[{"job": "j"}])
    ns.child("after-a0")
    assert eventually(lambda: rule.hits)
    assert time.monotonic() - began < 12


# Forbidden


def test_a_right_that_is_missing_is_told_on_the_job_and_heals_once_granted(
    proxy: FaultProxy, ns: Namespace
) -> None:
    rule = proxy.inject(faults.refuses(403), "create", "jobs", namespace=ns.name)
    ns.create("j", retry=AT_ONCE)
    told = ns.reason("j", "Running", "ChildRefused")
    assert "a fault of the test: Forbidden" in told["message"]
    assert condition(ns.status("j"), "Reconciling")["status"] == "True"
    assert ns.children() == []
    time.sleep(3)
    assert len(rule.hits) < 15
    proxy.clear()
    ns.run_to_end("j-a0", 75)
    ns.run_to_end("j-a1", 0, result())
    ended_well(ns)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("patch", "tenysonjobs/status"), ("create", "events"), ("delete", "jobs"),
        ("list", "pods"), ("watch", "jobs"), ("watch", "tenysonjobs"),
    ],
)  # fmt: skip
def test_whatever_right_is_missing_the_job_is_served_once_it_is_granted(
    proxy: FaultProxy, ns: Namespace, verb: str, resource: str
) -> None:
    rule = proxy.inject(faults.refuses(403), verb, resource)
    proxy.cut_watches(resource)
    ns.create("j", retry=AT_ONCE)
    if verb == "delete":
        ns.run_pod("j-a0")
        ns.edit("j", suspend=True)
    eventually(lambda: rule.hits)
    time.sleep(1)
    proxy.clear()
    if verb == "delete":
        eventually(lambda: ns.is_stopping("j-a0"))
    lives(ns, "other")


def test_a_secret_that_may_not_be_read_is_told_of_and_waited_for(
    proxy: FaultProxy, ns: Namespace
) -> None:
    ns.api.call("POST", f"{ns.core}/secrets", {"metadata": {"name": "db"}, "data": {"url": ""}})
    proxy.inject(faults.refuses(403), "get", "secrets", namespace=ns.name)
    ns.create("j", telemetry={"databaseSecretRef": {"name": "db", "key": "url"}})
    ns.reason("j", "Accepted", "ReferenceForbidden")
    proxy.clear()
    assert ns.child("j-a0")
