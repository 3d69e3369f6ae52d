"""`queueName`: what a queue's admission and eviction mean for a run."""

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.fields.kueue import FLAVOR, Kueue

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

NO_RETRIES = {"maxRetries": 0, "maxInfraRetries": 0}


def suspend_writers(child: Object) -> set[str]:
    """Returns who has written spec.suspend of a Job since its creation."""
    return {
        entry["manager"]
        for entry in child["metadata"]["managedFields"]
        if "f:suspend" in entry["fieldsV1"].get("f:spec", {})
    }


def let_go(ns: Namespace, child: str, *pods: Object) -> None:
    """Lets evicted pods end, and goes on once the Job controller has looked at their ends."""
    eventually(lambda: ns.child(child)["status"].get("terminating") == len(pods))
    for pod in pods:
        ns.end(pod, 75, result(status="stopped", global_step=2))
    eventually(lambda: ns.child(child)["status"]["terminating"] == 0)
    for pod in pods:
        ns.remove(pod)


def test_a_child_waits_in_its_queue_until_it_is_admitted(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", placement={"priorityClassName": "research"})
    status = ns.phase("j", "Queued")
    child = ns.child("j-a0")
    assert child["spec"]["suspend"] is True
    labels = child["metadata"]["labels"]
    assert labels[names.LABEL_QUEUE] == "gpus"
    assert labels[names.LABEL_PRIORITY] == "research"
    assert "priorityClassName" not in child["spec"]["template"]["spec"]
    assert condition(status, "Admitted")["status"] == "False"
    assert condition(status, "Reconciling")["reason"] == "Queued"
    kueue.admit("j-a0")
    status = ns.phase("j", "Starting")
    assert condition(status, "Admitted")["status"] == "True"
    pod = ns.run_pod("j-a0")
    assert pod["spec"]["nodeSelector"] == FLAVOR
    ns.phase("j", "Running")
    ns.end_pod("j-a0", 0, result())
    assert not condition(ns.phase("j", "Succeeded"), "Admitted")


def test_an_eviction_is_no_failure_and_the_attempt_goes_on(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", retry=NO_RETRIES)
    ns.phase("j", "Queued")
    kueue.admit("j-a0")
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    kueue.evict("j-a0")
    status = ns.phase("j", "Queued")
    assert condition(status, "Admitted")["status"] == "False"
    let_go(ns, "j-a0", pod)
    status = ns.phase("j", "Queued")
    assert status["attempt"] == 0
    assert "attempts" not in status
    kueue.admit("j-a0")
    pod = ns.run(ns.pods("j-a0")[0])
    ns.phase("j", "Running", attempt=0)
    ns.end(pod, 0, result(resumed_from_step=2))
    status = ns.phase("j", "Succeeded")
    (attempt,) = status["attempts"]
    assert (attempt["number"], attempt["class"], attempt["resumedFromStep"]) == (0, "Completed", 2)
    assert status["retries"] == {"app": 0, "infra": 0}
    assert ns.children() == ["j-a0"]
    assert suspend_writers(ns.child("j-a0")) == {"kueue"}


def test_all_nodes_come_back_after_an_eviction(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", nodes=2, retry=NO_RETRIES)
    ns.phase("j", "Queued")
    kueue.admit("j-a0")
    taken = [ns.run(pod) for pod in ns.pods("j-a0", 2)]
    ns.phase("j", "Running")
    kueue.evict("j-a0")
    ns.phase("j", "Queued")
    let_go(ns, "j-a0", *taken)
    kueue.admit("j-a0")
    for pod in ns.pods("j-a0", 2):
        ns.run(pod)
    ns.phase("j", "Running", attempt=0)
    for pod in ns.pods("j-a0", 2):
        ns.end(pod, 0, result())
    assert len(ns.phase("j", "Succeeded")["attempts"]) == 1


def test_a_failure_after_an_eviction_counts_as_itself(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", retry={**NO_RETRIES, "backoffSeconds": 0})
    ns.phase("j", "Queued")
    kueue.admit("j-a0")
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    kueue.evict("j-a0")
    let_go(ns, "j-a0", pod)
    kueue.admit("j-a0")
    ns.end(ns.run(ns.pods("j-a0")[0]), 70, "boom")
    status = ns.phase("j", "Failed")
    assert condition(status, "Failed")["reason"] == "RetriesExhausted"
    (attempt,) = status["attempts"]
    assert (attempt["class"], attempt["exitCode"]) == ("App", 70)


def test_each_retry_goes_through_the_queue_again(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus", retry={"backoffSeconds": 0, "backoffMaxSeconds": 0})
    ns.phase("j", "Queued")
    kueue.admit("j-a0")
    ns.run_to_end("j-a0", 75)
    status = ns.phase("j", "Queued", attempt=1)
    assert status["retries"] == {"app": 0, "infra": 1}
    assert ns.child("j-a1")["spec"]["suspend"] is True


def test_a_run_may_be_suspended_while_it_is_queued(ns: Namespace) -> None:
    kueue = Kueue(ns)
    ns.create("j", queueName="gpus")
    ns.phase("j", "Queued")
    ns.edit("j", suspend=True)
    status = ns.phase("j", "Suspended")
    assert not condition(status, "Admitted")
    eventually(lambda: ns.children() == [])
    ns.edit("j", suspend=False)
    ns.phase("j", "Queued", attempt=1)
    kueue.admit("j-a1")
    ns.run_to_end("j-a1", 0, result())
    status = ns.phase("j", "Succeeded")
    assert [a["class"] for a in status["attempts"]] == ["Suspended", "Completed"]
    assert status["retries"] == {"app": 0, "infra": 0}


def test_a_stop_ends_a_queued_run_for_good(ns: Namespace) -> None:
    ns.create("j", queueName="gpus")
    ns.phase("j", "Queued")
    ns.edit("j", stop=True)
    ns.phase("j", "Stopped")
    eventually(lambda: ns.children() == [])
