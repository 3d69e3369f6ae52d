"""What the chart adds to Kubernetes' own roles for people: view, edit and admin."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tenyson.controller import names
from tests.chart.rendering import objects
from tests.controller.api import Api, Namespace, eventually

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

READING = ("get", "list", "watch")
WRITING = ("create", "update", "patch", "delete", "deletecollection")
MAY: dict[str, dict[str, tuple[str, ...]]] = {
    "view": {"tenysonjobs": READING, "tenysonruntimes": READING},
    "edit": {"tenysonjobs": READING + WRITING, "tenysonruntimes": READING},
    "admin": {"tenysonjobs": READING + WRITING, "tenysonruntimes": READING + WRITING},
}
"""By Kubernetes' role, what somebody who has it in a namespace may do there."""
RESOURCES = ("tenysonjobs", "tenysonjobs/status", "tenysonruntimes")
Allowed = Callable[[str, str, str], bool]


@pytest.fixture(scope="module")
def roles(cluster: Any, api: Api) -> None:
    """The chart's roles for people, once they are part of Kubernetes' own."""
    wanted = [o for o in objects("default") if "aggregate" in json.dumps(o["metadata"])]
    assert {o["kind"] for o in wanted} == {"ClusterRole"}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    cluster.kubectl("apply", "-f", "-", stdin=text)
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin"
    eventually(lambda: names.RUNTIME_PLURAL in json.dumps(api.call("GET", path)["rules"]))


@pytest.fixture
def allowed(ns: Namespace, roles: None) -> Allowed:
    """Whether somebody with a role in the test's namespace may do something there."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns.name}/rolebindings"
    for role in MAY:
        ns.api.call("POST", path, {
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": role},
            "subjects": [{"kind": "User", "name": role, "apiGroup": "rbac.authorization.k8s.io"}],
        })  # fmt: skip

    def ask(role: str, verb: str, resource: str) -> bool:
        kind, _, part = resource.partition("/")
        at = {"namespace": ns.name, "verb": verb, "group": names.GROUP, "resource": kind,
              "subresource": part}  # fmt: skip
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": role, "resourceAttributes": at}}  # fmt: skip
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(ns.api.call("POST", reviews, body)["status"]["allowed"])

    return ask


@pytest.mark.parametrize("role", MAY)
def test_each_role_has_what_its_name_says_and_nobody_writes_a_status(
    allowed: Allowed, role: str
) -> None:
    eventually(lambda: allowed(role, "list", "tenysonjobs"))
    may = {
        (resource, verb)
        for resource in RESOURCES
        for verb in READING + WRITING
        if allowed(role, verb, resource)
    }
    wanted = {(resource, verb) for resource, verbs in MAY[role].items() for verb in verbs}
    reading = {("tenysonjobs/status", verb) for verb in READING}
    assert may - reading == wanted


@pytest.mark.parametrize("role", MAY)
def test_a_role_of_a_namespace_says_nothing_of_what_all_namespaces_share(
    allowed: Allowed, role: str
) -> None:
    assert [v for v in WRITING if allowed(role, v, names.CLUSTER_RUNTIME_PLURAL)] == []
