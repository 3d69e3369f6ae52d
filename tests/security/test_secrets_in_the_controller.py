"""What the controller itself sees of Secrets, may do, and tells."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tenyson.controller import metrics
from tenyson.controller.cluster import ApiError, Cluster
from tests.controller.rbac.roles import SYSTEM, cluster_wide

CANARY = "Canary-of-a-secret-1"
RIGHTS_TO_RIGHTS = {
    "roles", "rolebindings", "clusterroles", "clusterrolebindings", "serviceaccounts",
    "serviceaccounts/token", "nodes", "nodes/proxy", "pods/exec", "pods/attach", "pods/portforward",
    "pods/log", "pods/ephemeralcontainers", "customresourcedefinitions", "namespaces",
    "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "persistentvolumes",
    "certificatesigningrequests", "certificatesigningrequests/approval",
}  # fmt: skip
OF_AN_OBJECT = {"job", "name", "namespace", "pod", "node", "run_id", "queue"}


class Answers(Cluster):
    """A cluster that gives one answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def test_no_value_of_a_secret_gets_further_than_the_call_that_reads_it() -> None:
    body = {"kind": "Secret", "data": {"k": CANARY}}
    found = await Answers(body).data("Secret", "n", "s")
    assert dict(found) == {"k": ""}
    assert (await Answers(body).data("ConfigMap", "n", "c"))["k"] == CANARY
    with pytest.raises(ApiError) as told:
        await Answers(ApiError(0, "Unreadable", json.dumps(body))).data("Secret", "n", "s")
    assert CANARY not in str(told.value)
    assert "Secret s" in str(told.value)
    assert told.value.__suppress_context__


def test_it_has_no_right_by_which_rights_are_had() -> None:
    granted = {
        (resource, verb)
        for role in cluster_wide()
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {resource for resource, _ in granted} & (RIGHTS_TO_RIGHTS | {"*"}) == set()
    verbs = {verb for _, verb in granted}
    assert verbs & {"*", "escalate", "bind", "impersonate", "deletecollection", "approve"} == set()
    everywhere = [rule for role in cluster_wide()[:2] for rule in role["rules"]]
    secrets = [set(rule["verbs"]) for rule in everywhere if "secrets" in rule["resources"]]
    assert secrets == [{"get"}]
    assert {verb for resource, verb in granted if resource == "jobs"} & {"update", "patch"} == set()


def test_of_its_own_namespace_it_reads_its_certificate_and_its_lease_alone() -> None:
    (own,) = [role for role in cluster_wide() if role["metadata"].get("namespace") == SYSTEM]
    for rule in own["rules"]:
        assert rule["verbs"] == ["create"] or len(rule["resourceNames"]) == 1, rule


def test_no_metric_names_a_job_or_a_namespace() -> None:
    registry: CollectorRegistry = metrics.REGISTRY
    labels = {
        label
        for collector in list(registry._collector_to_names)
        for label in getattr(collector, "_labelnames", ())
    }
    assert "verb" in labels
    assert labels & OF_AN_OBJECT == set()
