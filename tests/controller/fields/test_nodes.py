"""`nodes`: pods that start together, end together, and find each other."""

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Namespace, eventually, index_of, result
from tests.controller.builders import condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"retry": {"backoffSeconds": 0, "backoffMaxSeconds": 0}}


def environment(child: Object) -> dict[str, Object]:
    """Returns the variables of a child's container, by name."""
    container = child["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable for variable in container["env"]}


def started(ns: Namespace, nodes: int = 3, **spec: object) -> list[Object]:
    """Makes a job on several nodes, and returns its running pods."""
    ns.create("j", nodes=nodes, **AT_ONCE, **spec)
    pods = [ns.run(pod) for pod in ns.pods("j-a0", nodes)]
    ns.phase("j", "Running")
    return pods


def test_nodes_make_an_indexed_job_behind_a_headless_service(ns: Namespace) -> None:
    created = ns.create("j", nodes=3, resources={"gpus": 2})
    child = ns.child("j-a0")
    spec = child["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (3, 3, "Indexed")
    assert spec["template"]["spec"]["subdomain"] == "j-a0"
    service = ns.api.call("GET", f"{ns.core}/services/j-a0")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    pods = ns.pods("j-a0", 3)
    assert [index_of(pod) for pod in pods] == [0, 1, 2]
    for pod in pods:
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        assert pod["spec"]["hostname"] == f"j-a0-{index_of(pod)}"


def test_ranks_are_told_of_each_other_in_torchruns_names(ns: Namespace) -> None:
    created = ns.create("j", nodes=3, resources={"gpus": 2})
    found = environment(ns.child("j-a0"))
    port = str(names.master_port(names.run_id(created["metadata"]["uid"])))
    values = {name: variable.get("value") for name, variable in found.items()}
    assert values["PET_NNODES"] == "3"
    assert values["PET_NPROC_PER_NODE"] == "2"
    assert values["PET_MASTER_ADDR"] == values["MASTER_ADDR"] == "j-a0-0.j-a0"
    assert values["PET_MASTER_PORT"] == values["MASTER_PORT"] == port
    field = found["PET_NODE_RANK"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def test_a_run_on_one_node_has_no_service_and_no_ranks(ns: Namespace) -> None:
    ns.create("j", resources={"gpus": 1})
    child = ns.child("j-a0")
    assert child["spec"]["completionMode"] == "NonIndexed"
    assert not [name for name in environment(child) if name.startswith(("PET_", "MASTER_"))]
    assert ns.api.call("GET", f"{ns.core}/services")["items"] == []


def test_a_run_runs_once_all_its_nodes_do(ns: Namespace) -> None:
    ns.create("j", nodes=2)
    first, second = ns.pods("j-a0", 2)
    ns.run(first)
    partly = ns.reason("j", "Running", "RunningPartly")
    assert partly["message"].startswith("1 of 2 pods of attempt 0 run.")
    assert ns.phase("j", "Starting")
    ns.run(second)
    ns.phase("j", "Running")
    ns.end(first, 0, result())
    ns.phase("j", "Running")
    ns.end(second, 0, result(metrics={}))
    status = ns.phase("j", "Succeeded")
    assert status["result"]["metrics"] == {"train_loss": 0.25}  # rank 0 speaks for all


def test_one_failing_pod_ends_the_attempt_as_a_whole(ns: Namespace) -> None:
    first, second, third = started(ns)
    ns.end(second, 70, "boom")
    eventually(lambda: not ns.live_pods("j-a0"))
    assert ns.children() == ["j-a0"]
    for pod in (first, third):
        ns.end(pod, 75)
    status = ns.phase("j", "Starting", attempt=1)
    (attempt,) = status["attempts"]
    assert (attempt["class"], attempt["exitCode"]) == ("App", 70)
    assert status["retries"] == {"app": 1, "infra": 0}
    assert len(ns.pods("j-a1", 3)) == 3
    assert ns.api.get(f"{ns.core}/services/j-a1")


def test_a_pod_deleted_by_hand_ends_the_attempt_as_a_whole(ns: Namespace) -> None:
    first, second, third = started(ns)
    ns.api.call("DELETE", f"{ns.core}/pods/{third['metadata']['name']}")
    status = ns.phase("j", "Stopping")
    assert status["child"]["ending"]["reason"] == "PodLost"
    assert third["metadata"]["name"] in status["child"]["ending"]["message"]
    eventually(lambda: not ns.live_pods("j-a0"))
    for pod in (first, second, third):
        assert "j-a1" not in ns.children()
        ns.end(pod, 75)
        ns.remove(pod)
    status = ns.phase("j", "Starting", attempt=1)
    assert status["retries"] == {"app": 0, "infra": 1}


def test_the_next_attempt_waits_until_every_pod_is_gone(ns: Namespace) -> None:
    first, second = started(ns, nodes=2)
    ns.api.call("DELETE", f"{ns.batch}/jobs/j-a0", {"propagationPolicy": "Background"})
    eventually(lambda: ns.children() == [])
    eventually(lambda: not ns.live_pods("j-a0"))
    ns.end(first, 75)
    ns.remove(first)
    waiting = eventually(lambda: condition(ns.status("j"), "Running"))
    assert waiting["status"] == "False" or ns.phase("j", "Running")
    assert ns.children() == []
    ns.end(second, 75)
    ns.remove(second)
    ns.phase("j", "Starting", attempt=1)


def test_a_failure_of_a_few_is_told_with_the_pods_name(ns: Namespace) -> None:
    first, second = started(ns, nodes=2)
    failure = {"type": "TaskError", "message": "no data", "hint": "bring some"}
    ns.end(second, 65, result(status="failed", failure=failure))
    eventually(lambda: not ns.live_pods("j-a0"))
    ns.end(first, 70)
    failed = condition(ns.phase("j", "Failed"), "Failed")
    assert failed["reason"] == "TaskRefused"
    assert second["metadata"]["name"] in failed["message"]
    assert "no data" in failed["message"]


def test_a_service_of_somebody_else_is_left_alone(ns: Namespace) -> None:
    foreign = {"metadata": {"name": "j-a0"}, "spec": {"ports": [{"port": 80}]}}
    ns.api.call("POST", f"{ns.core}/services", foreign)
    ns.create("j", nodes=2)
    taken = ns.reason("j", "Running", "NameTaken")
    assert taken["message"].startswith("Service j-a0 exists and does not belong to this run")
    assert condition(ns.status("j"), "Stalled")["status"] == "True"
    assert ns.children() == []
    ns.api.call("DELETE", f"{ns.core}/services/j-a0")
    assert len(ns.pods("j-a0", 2)) == 2
