"""Other operators: one with a wrong clock, one that is newer, one that hears nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.system import Program, ensure_programs
from tests.controller.api import Namespace, OperatorProcess, eventually, result
from tests.controller.faults import faults
from tests.controller.faults.fixtures import make_operator
from tests.controller.faults.life import AT_ONCE, lives, pauses
from tests.controller.faults.proxy import FaultProxy

pytestmark = pytest.mark.cluster

FAKETIME = Program("faketime", "faketime", "a test sets the operator's clock wrong with it")


@pytest.fixture
def another(
    cluster: Any, faulty: FaultProxy, operator: OperatorProcess, tmp_path: Path
) -> Iterator[Any]:
    """Starts an operator of other settings in place of the usual one."""
    operator.kill()
    started: list[OperatorProcess] = []

    def start(**environment: str) -> OperatorProcess:
        process = make_operator(cluster, faulty, tmp_path, **environment)
        process.start()
        started.append(process)
        eventually(process.health)
        return process

    yield start
    for process in started:
        process.stop()
        assert "this is a bug" not in process.log.read_text(errors="replace")
    operator.start()
    eventually(operator.health)


@pytest.mark.parametrize("skew", ["-5m", "+5m"])
def test_a_clock_that_is_five_minutes_wrong_harms_no_run(
    ns: Namespace, another: Any, skew: str
) -> None:
    ensure_programs([FAKETIME])
    (library,) = Path("/usr/lib").rglob("faketime/libfaketime.so.1")
    another(LD_PRELOAD=str(library), FAKETIME=skew, FAKETIME_DONT_FAKE_MONOTONIC="1")
    pauses(ns, "pauses")
    limits = {"activeDeadlineSeconds": 120, "pendingDeadlineSeconds": 120}
    lives(ns, "limited", progressDeadlineSeconds=120, **limits)
    ns.create("backs-off", retry={"backoffSeconds": 2, "backoffMaxSeconds": 2})
    ns.run_to_end("backs-off-a0", 75)
    ns.run_to_end("backs-off-a1", 0, result())
    ns.phase("backs-off", "Succeeded")
    ns.create("short", ttlSecondsAfterFinished=2)
    ns.run_to_end("short-a0", 0, result())
    eventually(lambda: ns.job("short") is None)


def test_a_newer_operator_adopts_what_runs_and_touches_none_of_it(
    proxy: FaultProxy, operator: OperatorProcess, ns: Namespace, another: Any
) -> None:
    operator.start()
    ns.create("runs", retry=AT_ONCE)
    ns.run_pod("runs-a0")
    ns.phase("runs", "Running")
    ns.create("starts")
    ns.reason("starts", "Running", "PodWaiting")
    ns.create("nodes", nodes=2)
    for pod in ns.pods("nodes-a0", 2):
        ns.run(pod)
    ns.phase("nodes", "Running")
    names = ("runs", "starts", "nodes")
    before = [(ns.job(name), ns.child(f"{name}-a0")) for name in names]
    operator.kill()
    asked = len(proxy.requests)
    another(TENYSON_RUNNER_IMAGE="runner:newer", TENYSON_WORKERS="4")
    ns.create("probe")
    ns.phase("probe", "Starting")
    written = [request for request in proxy.requests[asked:]  # other tests' namespaces still go
               if request.is_write and request.resource not in ("leases", "events")
               and request.namespace == ns.name]  # fmt: skip
    assert [request.verb for request in written].count("create") == 1
    assert {request.name for request in written if request.verb != "create"} == {"probe"}
    assert [(ns.job(name), ns.child(f"{name}-a0")) for name in names] == before
    ns.end_pod("runs-a0", 75)
    image = ns.child("runs-a1")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "runner:newer"
    ns.run_to_end("runs-a1", 0, result())
    ns.phase("runs", "Succeeded")


def test_a_watch_that_hears_nothing_is_made_up_for_by_the_next_list(
    proxy: FaultProxy, ns: Namespace, another: Any
) -> None:
    rule = proxy.inject(faults.is_silent, "watch")
    another(TENYSON_RELIST_SECONDS="2")
    eventually(lambda: {hit.resource for hit in rule.hits} >= {"tenysonjobs", "jobs", "pods"})
    lives(ns)
