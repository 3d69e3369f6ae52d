"""The controller under exactly the rights that the chart gives it: none is missing, none is idle.

It runs as the chart's own service account, behind a proxy that writes down all it asks for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, RELEASE, helm
from tests.controller.api import Api, eventually
from tests.controller.faults.fixtures import make_operator, start_proxy, started_cluster
from tests.controller.faults.request import Request
from tests.controller.rbac.actions import live_through_all, make_namespace
from tests.controller.rbac.roles import (
    SYSTEM,
    cluster_wide,
    granted,
    namespaced,
    refused,
    used,
)

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

Object = dict[str, Any]
SERVED = ("alpha", "beta")
MODES = {
    "all namespaces": [],
    "some namespaces": ["--set", f"watchNamespaces={{{','.join(SERVED)}}}"],
}
_RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
_ELSEWHERE = {
    "TENYSON_PROGRESS_ADVERTISE": "127.0.0.1", "TENYSON_PROGRESS_ADVERTISE_PORT": "0",
    "TENYSON_PROGRESS_PORT": "0",
    "TENYSON_PROGRESS_INTERVAL": "1", "TENYSON_METRICS_PORT": "0", "TENYSON_PROGRESS_CERT_DIR": "",
    "POD_NAMESPACE": SYSTEM,
}  # fmt: skip
"""What differs from the Deployment, since no Service and no kubelet is here."""


@dataclass(frozen=True)
class Lived:
    """What the controller of one mode was given, and what it asked for."""

    mode: str
    roles: list[Object]
    asked: list[Request]


def deployment(rendered: list[Object]) -> Object:
    """Returns the pod of the controller."""
    (found,) = (thing for thing in rendered if thing["kind"] == "Deployment")
    return dict(found["spec"]["template"]["spec"])


def bound(rendered: list[Object], account: str) -> list[Object]:
    """Returns the roles that an account of the chart's namespace is bound to."""
    bindings = [
        thing for thing in rendered if thing["kind"].endswith("RoleBinding")
        and any((s["name"], s["namespace"]) == (account, SYSTEM) for s in thing["subjects"])
    ]  # fmt: skip
    wanted = {
        (b["roleRef"]["kind"], b["roleRef"]["name"], b["metadata"].get("namespace"))
        for b in bindings
    }
    return [
        thing for thing in rendered
        if (thing["kind"], thing["metadata"]["name"], thing["metadata"].get("namespace")) in wanted
    ]  # fmt: skip


@pytest.fixture(scope="module", params=MODES)
def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lived]:
    """A controller of each mode, after lives that use all it can do."""
    text = helm("template", RELEASE[0], CHART, *RELEASE[1:], *MODES[request.param]).stdout
    rendered = [found for found in yaml.safe_load_all(text) if found]
    pod = deployment(rendered)
    account = pod["serviceAccountName"]
    environment = {v["name"]: v["value"] for v in pod["containers"][0]["env"] if "value" in v}
    folder = tmp_path_factory.mktemp("rights")
    with started_cluster(folder / "cluster") as cluster:
        alpha, beta = (make_namespace(Api(cluster.kubeconfig), name) for name in SERVED)
        for body in (thing for thing in rendered if thing["kind"] in _RIGHTS):
            cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))
        proxy = start_proxy(cluster, folder / "proxy")
        operator = make_operator(
            cluster, proxy, folder, account=account, as_container=True,
            **{**environment, **_ELSEWHERE},
        )  # fmt: skip
        operator.start()
        try:
            eventually(operator.health)
            secret = environment["TENYSON_PROGRESS_CERT_SECRET"]
            live_through_all(alpha, beta, proxy, operator, certificate=secret)
            yield Lived(request.param, bound(rendered, account), list(proxy.requests))
        finally:
            operator.stop()
            proxy.stop()


def test_nothing_that_the_controller_asks_for_is_refused(lived: Lived) -> None:
    assert refused(lived.asked) == set()


def test_every_right_that_the_chart_gives_is_used(lived: Lived) -> None:
    assert granted(lived.roles) == used(lived.asked)


def test_some_namespaces_need_no_right_in_the_cluster(lived: Lived) -> None:
    places = {role["metadata"].get("namespace") for role in lived.roles}
    if lived.mode == "some namespaces":
        assert places == {*SERVED, SYSTEM}
        assert granted(lived.roles) == granted(namespaced(*SERVED))
    else:
        assert places == {None, SYSTEM}
        assert granted(lived.roles) == granted(cluster_wide())
