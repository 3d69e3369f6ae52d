"""Requests that fail in every way there is: a job still runs, once, and keeps its result."""

from collections.abc import Callable

import pytest

from tests.controller.api import Namespace, OperatorProcess, eventually, result
from tests.controller.faults import faults
from tests.controller.faults.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def lives(ns: Namespace, job: str = "j") -> None:
    """Takes a job through a failed attempt to its end, and looks that nothing happened twice."""
    ns.create(job, retry=AT_ONCE)
    ns.run_to_end(f"{job}-a0", 75)
    ns.run_to_end(f"{job}-a1", 0, result())
    status = ns.phase(job, "Succeeded")
    assert status["result"]["metrics"] == {"train_loss": 0.25}
    assert status["retries"] == {"app": 0, "infra": 1}
    assert [a["class"] for a in status["attempts"]] == ["Preempted", "Completed"]
    assert ns.children() == [f"{job}-a0", f"{job}-a1"]


@pytest.mark.parametrize("code", [429, 500, 503])
@pytest.mark.parametrize("burst", [1, 12])
def test_writes_that_are_refused_for_a_while_are_made_in_the_end(
    proxy: FaultProxy, ns: Namespace, code: int, burst: int
) -> None:
    made = proxy.inject(faults.refuses(code), "create", "jobs", namespace=ns.name, times=burst)
    told = proxy.inject(
        faults.refuses(code), "patch", "tenysonjobs/status", namespace=ns.name, times=burst
    )
    lives(ns)
    assert (len(made.hits), len(told.hits)) == (burst, burst)
