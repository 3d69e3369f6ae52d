"""The operator killed: no second child, no lost result."""

from collections.abc import Callable

import pytest

from tests.controller.api import Namespace, OperatorProcess, eventually, result

pytestmark = pytest.mark.cluster

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def _created(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)


def _child_made(ns: Namespace) -> None:
    _created(ns)
    ns.child("j-a0")


def _running(ns: Namespace) -> None:
    _child_made(ns)
    ns.run_pod("j-a0")


def _failed_once(ns: Namespace) -> None:
    _child_made(ns)
    ns.run_to_end("j-a0", 75)


@pytest.mark.parametrize("moment", [_created, _child_made, _running, _failed_once])
def test_a_killed_operator_goes_on_where_it_was(
    operator: OperatorProcess, ns: Namespace, moment: Callable[[Namespace], None]
) -> None:
    moment(ns)
    operator.restart()
    newest = "j-a1" if moment is _failed_once else "j-a0"
    if moment is not _running:
        ns.run_pod(newest)
    ns.end_pod(newest, 0, result())
    status = ns.phase("j", "Succeeded")
    assert status["result"]["metrics"] == {"train_loss": 0.25}
    numbers = range(2 if moment is _failed_once else 1)
    assert ns.children() == [f"j-a{n}" for n in numbers]
    assert [a["number"] for a in status["attempts"]] == list(numbers)


def test_what_ended_while_the_operator_was_away_is_not_lost(
    operator: OperatorProcess, ns: Namespace
) -> None:
    ns.create("done")
    ns.create("gone")
    ns.create("waits", dependsOn=[{"job": "done"}])
    for job in ("done", "gone"):
        ns.run_pod(f"{job}-a0")
        ns.phase(job, "Running")
    operator.kill()
    ns.end_pod("done-a0", 0, result())
    ns.api.call("DELETE", f"{ns.jobs_path}/gone")
    ns.create("new")
    operator.start()
    assert ns.phase("done", "Succeeded")["result"]["globalStep"] == 4
    assert ns.child("waits-a0")
    assert ns.child("new-a0")
    eventually(lambda: ns.job("gone") is None)


def test_a_restart_with_nothing_to_do_writes_nothing(
    operator: OperatorProcess, ns: Namespace
) -> None:
    ns.create("runs")
    ns.run_pod("runs-a0")
    ns.phase("runs", "Running")
    ns.create("done")
    ns.run_to_end("done-a0", 0, result())
    ns.phase("done", "Succeeded")
    versions = [ns.job(job) for job in ("runs", "done")]
    operator.restart()
    ns.create("probe")
    ns.phase("probe", "Starting")
    assert [ns.job(job) for job in ("runs", "done")] == versions


def test_a_suspend_while_the_operator_was_away_is_carried_out(
    operator: OperatorProcess, ns: Namespace
) -> None:
    _running(ns)
    ns.phase("j", "Running")
    operator.kill()
    ns.edit("j", suspend=True)
    operator.start()
    eventually(lambda: ns.is_stopping("j-a0"))
    operator.restart()
    ns.remove(ns.end_pod("j-a0", 75))
    status = ns.phase("j", "Suspended")
    assert status["attempts"][0]["class"] == "Suspended"
