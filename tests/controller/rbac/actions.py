"""Lives of jobs that together use all that the controller can do."""

import base64
from typing import Any, Final

from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.faults import faults
from tests.controller.faults.life import AT_ONCE, lives, pauses
from tests.controller.faults.proxy import FaultProxy
from tests.controller.rbac.roles import SYSTEM
from tests.controller.reports import push_as

CERTIFICATE: Final = "tenyson-progress-certificate"
ENVIRONMENT: Final = {
    "TENYSON_PROGRESS_CERT_DIR": "",
    "TENYSON_PROGRESS_CERT_SECRET": CERTIFICATE,
    "TENYSON_PROGRESS_ADVERTISE": "127.0.0.1",
    "POD_NAMESPACE": SYSTEM,
}
"""An operator's, as the chart sets it."""


def make_namespace(api: Api, name: str) -> Namespace:
    """Returns a new namespace, once pods can be made in it."""
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    ns = Namespace(api, name)
    eventually(lambda: api.get(f"{ns.core}/serviceaccounts/default"))
    return ns


def live_through_all(
    ns: Namespace, full: Namespace, proxy: FaultProxy, operator: OperatorProcess,
    certificate: str = CERTIFICATE, system: str = SYSTEM,
) -> None:  # fmt: skip
    """Has the operator do all it can.

    Args:
        ns: Where jobs run.
        full: Where no pod may be made.
        proxy: What the operator reaches the API server through.
        operator: The operator.
        certificate: Name of the Secret of its certificate.
        system: Its own namespace.
    """
    _lives_from_all_sources(ns)
    pauses(ns, "pauses")
    _trains_on_two_nodes(ns, proxy)
    _fails_again_after_a_restart(ns, operator)
    _is_removed_after_its_time(ns)
    _is_kept_back_by_quota(full)
    _loses_answers(ns, proxy)
    _mends_its_certificate(ns.api, system, certificate)


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
    eventually(lambda: _counts_of_stops(ns, "again") == [1])
    operator.restart()
    ns.end_pod("again-a1", 75)
    ns.run_to_end("again-a2", 0, result())
    ns.phase("again", "Succeeded")
    eventually(lambda: _counts_of_stops(ns, "again") == [2])


def _counts_of_stops(ns: Namespace, job: str) -> list[int]:
    events = ns.events("Stopped")
    return [event["count"] for event in events if event["involvedObject"]["name"] == job]


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


def _mends_its_certificate(api: Api, system: str, name: str) -> None:
    path = f"/api/v1/namespaces/{system}/secrets/{name}"
    before = dict(eventually(lambda: api.get(path)))["data"]
    api.merge(path, {"data": {"tls.key": ""}})
    eventually(lambda: (api.get(path) or {}).get("data") == before)
