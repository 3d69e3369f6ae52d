"""What a job needs is taken away: its node, its Secret, its quota, its whole namespace."""

import time
from typing import Any

import pytest

from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.builders import condition
from tests.controller.faults.life import AT_ONCE

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("unharmed")]

IT = {"name": "o", "key": "k"}
OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "value": "1", "effect": "NoExecute"}


def _node(api: Api, name: str) -> str:
    api.call("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    return name


def _namespace(api: Api, name: str) -> Namespace:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    eventually(lambda: api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return Namespace(api, name)


# Kubernetes' own controllers take a minute for these, so they begin before the other tests.


@pytest.fixture(scope="module")
def lost(api: Api, operator: OperatorProcess) -> dict[str, Namespace]:
    """Runs on nodes that were lost. No pod of theirs is removed by the test."""
    found = {}
    for how in ("tainted", "removed"):
        ns = found[how] = _namespace(api, f"lost-{how}")
        node = _node(api, ns.name)
        ns.create("j", retry=AT_ONCE)
        ns.run(ns.pod("j-a0"), node)
        ns.phase("j", "Running")
        if how == "tainted":
            api.merge(f"/api/v1/nodes/{node}", {"spec": {"taints": [OUT_OF_SERVICE]}})
        else:
            api.call("DELETE", f"/api/v1/nodes/{node}")
    return found


@pytest.fixture(scope="module")
def removed(api: Api, operator: OperatorProcess) -> Namespace:
    """A namespace that was deleted with jobs in every phase."""
    ns = _namespace(api, "removed")
    for job in ("runs", "starts", "ends"):
        ns.create(job, retry=AT_ONCE)
    ns.create("waits", dependsOn=[{"job": "runs"}])
    ns.create("nodes", nodes=2)
    ns.run_pod("runs-a0")
    ns.phase("runs", "Running")
    ns.run_to_end("ends-a0", 0, result())
    ns.phase("ends", "Succeeded")
    ns.pods("nodes-a0", 2)
    ns.pod("starts-a0")
    api.call("DELETE", f"/api/v1/namespaces/{ns.name}")
    # The kubelet's part: the only pod that runs is gone when its processes are.
    eventually(lambda: ns.is_stopping("runs-a0"))
    ns.end_pod("runs-a0", 143)
    ns.remove_pod("runs-a0")
    return ns


@pytest.fixture(scope="module")
def full(api: Api, operator: OperatorProcess) -> tuple[Namespace, str]:
    """A namespace whose quota has room again, and what its job said while there was none."""
    ns = _namespace(api, "full")
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    api.call("POST", f"{ns.core}/resourcequotas", quota)
    path = f"{ns.core}/resourcequotas/q"
    # Kubernetes' own controller counts only after its next look at what kinds there are, which
    # takes up to two minutes after a CRD has changed; until then no pod is made at all.
    counted = {"status": {"hard": quota["spec"]["hard"], "used": {"pods": "0"}}}
    api.merge(f"{path}/status", counted)
    ns.create("j")
    told = ns.reason("j", "Running", "PodMissing")["message"]
    api.call("DELETE", path)
    return ns, told


@pytest.mark.usefixtures("lost", "removed", "full")
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("secrets", {"env": [{"name": "A", "valueFrom": {"secretKeyRef": IT}}]}),
        ("secrets", {"telemetry": {"databaseSecretRef": IT}}),
        ("configmaps", {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": IT}}]}),
    ],
    ids=["env from a secret", "database", "env from a config map"],
)  # fmt: skip
def test_what_a_run_refers_to_may_go_while_it_runs_and_is_waited_for_by_the_next_attempt(
    ns: Namespace, kind: str, spec: dict[str, Any]
) -> None:
    body = {"metadata": {"name": "o"}, "data": {"k": ""}}
    ns.api.call("POST", f"{ns.core}/{kind}", body)
    ns.create("j", retry=AT_ONCE, **spec)
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.api.call("DELETE", f"{ns.core}/{kind}/o")
    time.sleep(2.5)  # A Secret that was there counts as there for two seconds.
    ns.end_pod("j-a0", 75)
    reason = "SecretNotFound" if kind == "secrets" else "ConfigMapNotFound"
    ns.reason("j", "Accepted", reason)
    assert ns.children() == ["j-a0"]
    assert ns.status("j")["retries"] == {"app": 0, "infra": 1}
    ns.api.call("POST", f"{ns.core}/{kind}", body)
    ns.run_to_end("j-a1", 0, result())
    assert ns.phase("j", "Succeeded")["retries"] == {"app": 0, "infra": 1}


def test_a_config_map_that_went_after_the_start_is_not_needed_any_more(ns: Namespace) -> None:
    config = {"metadata": {"name": "c"}, "data": {"k": "training: {max_steps: 8}"}}
    ns.api.call("POST", f"{ns.core}/configmaps", config)
    ns.create("j", retry=AT_ONCE, configFrom={"configMapKeyRef": {"name": "c", "key": "k"}})
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.api.call("DELETE", f"{ns.core}/configmaps/c")
    ns.end_pod("j-a0", 75)
    ns.run_to_end("j-a1", 0, result())
    ns.phase("j", "Succeeded")


def test_a_secret_that_goes_while_the_job_waits_for_another_is_told_of(ns: Namespace) -> None:
    ns.api.call("POST", f"{ns.core}/secrets", {"metadata": {"name": "db"}, "data": {"url": ""}})
    ns.create("parent")
    telemetry = {"databaseSecretRef": {"name": "db", "key": "url"}}
    ns.create("j", dependsOn=[{"job": "parent"}], telemetry=telemetry)
    ns.reason("j", "Running", "WaitingForDependency")
    ns.api.call("DELETE", f"{ns.core}/secrets/db")
    ns.run_to_end("parent-a0", 0, result())
    ns.reason("j", "Accepted", "SecretNotFound")
    assert ns.children() == ["parent-a0"]


def test_a_quota_of_pods_is_told_of_and_the_run_starts_once_there_is_room(
    full: tuple[Namespace, str],
) -> None:
    ns, told = full
    assert "exceeded quota: q" in told
    ns.run_to_end("j-a0", 0, result())
    assert ns.phase("j", "Succeeded")["retries"] == {"app": 0, "infra": 0}


@pytest.mark.parametrize("how", ["tainted", "removed"])
def test_a_lost_node_costs_one_retry_of_the_clusters(lost: dict[str, Namespace], how: str) -> None:
    ns = lost[how]
    began = time.monotonic()
    while ns.api.get(f"{ns.batch}/jobs/j-a1") is None and time.monotonic() - began < 90:
        # Until the pod is gone for good there is no second attempt beside it.
        assert ns.children() == ["j-a0"]
        time.sleep(0.5)
    ns.run_to_end("j-a1", 0, result())
    status = ns.phase("j", "Succeeded")
    assert status["retries"] == {"app": 0, "infra": 1}
    assert [a["class"] for a in status["attempts"]] == ["Preempted", "Completed"]
    assert status["attempts"][0]["node"] == ns.name
    assert condition(status, "Complete")["status"] == "True"
    assert ns.children() == ["j-a0", "j-a1"]


def test_a_namespace_goes_with_all_its_jobs_whatever_they_are_doing(removed: Namespace) -> None:
    path = f"/api/v1/namespaces/{removed.name}"
    eventually(lambda: removed.api.get(path) is None, seconds=150)
