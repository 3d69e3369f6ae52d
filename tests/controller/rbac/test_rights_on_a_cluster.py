"""The controller's rights: it is never refused anything, and needs every verb that it has.

Everything that it asks of the API server passes the proxy, which writes it down.
"""

import base64
from typing import Any

import pytest
import yaml

from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.faults import faults
from tests.controller.faults.fixtures import ROLE
from tests.controller.faults.life import AT_ONCE, lives, pauses
from tests.controller.faults.proxy import FaultProxy
from tests.controller.faults.request import Request
from tests.controller.reports import push_as

pytestmark = pytest.mark.cluster

Right = tuple[str, str, str]


def granted() -> set[Right]:
    """Returns verb, group and resource of all that the roles grant."""
    return {
        (verb, group, resource)
        for role in yaml.safe_load_all(ROLE.read_text())
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.fixture(scope="module")
def asked(api: Api, faulty: FaultProxy, operator: OperatorProcess) -> list[Request]:
    """Everything that the operator asked for in lives that use all it can do."""
    ns = _namespace(api, "lives")
    _lives_from_all_sources(ns)
    pauses(ns, "pauses")
    _trains_on_two_nodes(ns, faulty)
    _fails_again_after_a_restart(ns, operator)
    _is_removed_after_its_time(ns)
    _is_kept_back_by_quota(_namespace(api, "full"))
    _loses_answers(ns, faulty)
    return list(faulty.requests)


def test_nothing_that_it_asks_for_is_refused(asked: list[Request]) -> None:
    assert {request.right for request in asked if request.status in (401, 403)} == set()


def test_its_role_holds_what_it_asks_for_and_nothing_else(asked: list[Request]) -> None:
    assert {request.right for request in asked if request.resource} == granted()


def test_paths_that_are_no_resource_are_open_to_every_service_account(asked: list[Request]) -> None:
    paths = {request.path: request.status for request in asked if not request.resource}
    assert paths["/openid/v1/jwks"] == 200
    assert set(paths.values()) == {200}


def _namespace(api: Api, name: str) -> Namespace:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    ns = Namespace(api, name)
    eventually(lambda: api.get(f"{ns.core}/serviceaccounts/default"))
    return ns


def _lives_from_all_sources(ns: Namespace) -> None:
    url = base64.b64encode(b"sqlite://").decode()
    ns.api.call("POST", f"{ns.core}/secrets", {"metadata": {"name": "db"}, "data": {"url": url}})
    config = {"metadata": {"name": "base"}, "data": {"config": "training: {max_steps: 8}"}}
    ns.api.call("POST", f"{ns.core}/configmaps", config)
    ns.create(
        "sources",
        retry=AT_ONCE,
        telemetry={"databaseSecretRef": {"name": "db", "key": "url"}},
        configFrom={"configMapKeyRef": {"name": "base", "key": "config"}},
    )
    push_as(ns, ns.run_pod("sources-a0"), 3)
    eventually(lambda: ns.status("sources").get("progress"))
    ns.end_pod("sources-a0", 75)
    ns.run_to_end("sources-a1", 0, result())
    ns.phase("sources", "Succeeded")


def _trains_on_two_nodes(ns: Namespace, proxy: FaultProxy) -> None:
    """Loses the answer to the Service, so that it must be looked at."""
    proxy.inject(faults.loses_the_answer, "create", "services", times=1)
    ns.create("nodes", nodes=2)
    for pod in ns.pods("nodes-a0", 2):
        ns.end(ns.run(pod), 0, result())
    ns.phase("nodes", "Succeeded")


def _fails_again_after_a_restart(ns: Namespace, operator: OperatorProcess) -> None:
    """Makes the operator count up an Event that it does not remember."""
    ns.create("again", retry=AT_ONCE)
    ns.run_to_end("again-a0", 75)
    ns.run_pod("again-a1")
    eventually(lambda: ns.events("Stopped"))
    operator.restart()
    ns.end_pod("again-a1", 75)
    ns.run_to_end("again-a2", 0, result())
    ns.phase("again", "Succeeded")
    eventually(lambda: any(event.get("count") == 2 for event in ns.events("Stopped")))


def _is_removed_after_its_time(ns: Namespace) -> None:
    ns.create("short", ttlSecondsAfterFinished=0)
    ns.run_to_end("short-a0", 0, result())
    eventually(lambda: ns.job("short") is None)


def _is_kept_back_by_quota(ns: Namespace) -> None:
    """Has the Job controller refused a pod, so that its Events tell why there is none."""
    quota: dict[str, Any] = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    ns.api.call("POST", f"{ns.core}/resourcequotas", quota)
    path = f"{ns.core}/resourcequotas/q"
    eventually(lambda: ns.api.call("GET", path).get("status", {}).get("used"))
    ns.create("j")
    assert "exceeded quota" in ns.reason("j", "Running", "PodMissing")["message"]


def _loses_answers(ns: Namespace, proxy: FaultProxy) -> None:
    proxy.inject(faults.loses_the_answer, "create", "jobs", times=1)
    lives(ns, "lost")
