"""Pod Security, quotas and limits: what the API server holds against a child's pods."""

from collections.abc import Iterator

import pytest

from tests.controller.api import Api, Namespace, eventually
from tests.controller.builders import condition
from tests.controller.fields.runtimes import TEAM, make_runtime

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]


@pytest.fixture
def other(api: Api, ns: Namespace) -> Iterator[Namespace]:
    """A second namespace of the test's own."""
    name = f"{ns.name}-other"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    namespace = Namespace(api, name)
    eventually(lambda: api.get(f"{namespace.core}/serviceaccounts/default"))
    yield namespace
    api.call("DELETE", f"/api/v1/namespaces/{name}")


def enforce_restricted(ns: Namespace) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    ns.api.merge(f"/api/v1/namespaces/{ns.name}", {"metadata": {"labels": labels}})


def forbid_pods(ns: Namespace) -> None:
    """Sets a quota of no pod, and waits until it is in force."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    ns.api.call("POST", f"{ns.core}/resourcequotas", quota)
    path = f"{ns.core}/resourcequotas/none"
    eventually(lambda: ns.api.call("GET", path).get("status", {}).get("used"))


def test_the_restricted_standard_admits_every_shape_of_a_default_job(ns: Namespace) -> None:
    enforce_restricted(ns)
    ns.create("plain")
    ns.create("claim", output={"volumeClaim": "data"}, resources={"sharedMemory": "1Gi"})
    ns.create("gpus", resources={"gpus": 8}, nodes=2)
    assert ns.pods("plain-a0")
    assert ns.pods("claim-a0")
    assert ns.pods("gpus-a0", 2)


def test_why_a_child_has_no_pod_is_told_in_admissions_own_words(
    ns: Namespace, other: Namespace
) -> None:
    enforce_restricted(ns)
    make_runtime(ns, pod={"containerSecurityContext": {"allowPrivilegeEscalation": True}})
    ns.create("j", runtimeRef=TEAM)
    forbid_pods(other)
    other.create("j")
    missing = ns.reason("j", "Running", "PodMissing")
    assert 'violates PodSecurity "restricted' in missing["message"]
    assert "allowPrivilegeEscalation != false" in missing["message"]
    missing = other.reason("j", "Running", "PodMissing")
    assert "exceeded quota: none" in missing["message"]
    status = other.phase("j", "Starting")
    assert condition(status, "Reconciling")["reason"] == "PodMissing"
    assert not condition(status, "Stalled")


def test_a_quota_of_services_holds_a_run_on_several_nodes_back(ns: Namespace) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/services": "0"}}}
    ns.api.call("POST", f"{ns.core}/resourcequotas", quota)
    path = f"{ns.core}/resourcequotas/few"
    eventually(lambda: ns.api.call("GET", path).get("status", {}).get("used"))
    ns.create("j", nodes=2)
    assert "exceeded quota: few" in ns.reason("j", "Running", "ChildRefused")["message"]
    assert ns.children() == []
    ns.api.call("DELETE", path)
    assert len(ns.pods("j-a0", 2)) == 2


def test_an_image_that_cannot_be_pulled_is_shown(ns: Namespace) -> None:
    ns.create("j")
    state = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    pod = ns.pods("j-a0")[0]
    ns.set_pod(pod, "Pending", {"waiting": state})
    waiting = ns.reason("j", "Running", "PodWaiting")
    eventually(lambda: "ImagePullBackOff: Back-off pulling image" in (
        condition(ns.status("j"), "Running")["message"]
    ))  # fmt: skip
    assert ns.status("j")["phase"] == "Starting"
    assert waiting["status"] == "False"
