"""A controller of some namespaces: it has rights in these and in its own, and no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.faults.fixtures import make_operator, start_proxy, started_cluster
from tests.controller.faults.life import lives
from tests.controller.faults.proxy import FaultProxy
from tests.controller.rbac.actions import ENVIRONMENT, live_through_all, make_namespace
from tests.controller.rbac.roles import SYSTEM, bind, granted, namespaced, refused, used

pytestmark = pytest.mark.cluster

ACCOUNT = "tenyson-of-some"
SERVED = ("alpha", "beta")
CLUSTER_RUNTIMES = f"/apis/{names.API_VERSION}/{names.CLUSTER_RUNTIME_PLURAL}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster that no controller of all namespaces works on."""
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def api(cluster: Any) -> Api:
    return Api(cluster.kubeconfig)


@pytest.fixture(scope="module")
def served(api: Api) -> tuple[Namespace, Namespace]:
    alpha, beta = (make_namespace(api, name) for name in SERVED)
    return alpha, beta


@pytest.fixture(scope="module")
def own_proxy(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """A proxy that sees this controller's requests only."""
    proxy = start_proxy(cluster, tmp_path_factory.mktemp("proxy"))
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def some(
    cluster: Any, api: Api, served: Any, own_proxy: FaultProxy, tmp_path_factory: Any
) -> Iterator[OperatorProcess]:
    """The controller, in Roles alone."""
    runtime = {"apiVersion": names.API_VERSION, "kind": names.CLUSTER_RUNTIME_KIND,
               "metadata": {"name": "h100"}, "spec": {"image": "cluster:1"}}  # fmt: skip
    api.call("POST", CLUSTER_RUNTIMES, runtime)
    cluster.kubectl("create", "serviceaccount", ACCOUNT, "-n", SYSTEM)
    roles = namespaced(*SERVED)
    assert {role["kind"] for role in roles} == {"Role"}
    renamed = [{**role, "metadata": {**role["metadata"], "name": ACCOUNT}} for role in roles]
    bind(cluster, renamed, ACCOUNT)
    folder: Path = tmp_path_factory.mktemp("some")
    operator = make_operator(
        cluster, own_proxy, folder, account=ACCOUNT, as_container=True,
        **{**ENVIRONMENT, "TENYSON_NAMESPACES": ",".join(SERVED), "POD_NAME": "of-some"},
    )  # fmt: skip
    operator.start()
    eventually(operator.health)
    yield operator
    operator.stop()


def test_it_lives_in_its_roles_and_needs_all_of_them(
    some: OperatorProcess, served: tuple[Namespace, Namespace], own_proxy: FaultProxy
) -> None:
    alpha, beta = served
    live_through_all(alpha, beta, own_proxy, some)
    assert refused(own_proxy.requests) == set()
    assert used(own_proxy.requests) == granted(namespaced(*SERVED))
    places = {request.namespace for request in own_proxy.requests if request.resource}
    assert places - {""} == {*SERVED, SYSTEM}
    everywhere = {r.resource for r in own_proxy.requests if r.resource and not r.namespace}
    assert everywhere == {"selfsubjectaccessreviews"}


def test_it_says_so_where_a_job_names_a_runtime_of_the_cluster(
    some: OperatorProcess, served: tuple[Namespace, Namespace]
) -> None:
    alpha, _ = served
    alpha.create("far", runtimeRef={"kind": names.CLUSTER_RUNTIME_KIND, "name": "h100"})
    told = alpha.reason("far", "Accepted", "RuntimeForbidden")["message"]
    assert "ClusterTenysonRuntime h100" in told
    assert "name a TenysonRuntime instead" in told
    assert "far-a0" not in alpha.children()


def test_the_namespaces_own_default_runtime_is_used(
    some: OperatorProcess, served: tuple[Namespace, Namespace]
) -> None:
    alpha, _ = served
    path = f"/apis/{names.API_VERSION}/namespaces/{alpha.name}/{names.RUNTIME_PLURAL}"
    runtime = {"apiVersion": names.API_VERSION, "kind": names.RUNTIME_KIND,
               "metadata": {"name": "default"}, "spec": {"image": "namespace:1"}}  # fmt: skip
    alpha.api.call("POST", path, runtime)

    def image() -> str:
        alpha.create("near")
        child = alpha.child("near-a0")
        alpha.run_to_end("near-a0", 0, result())
        return str(child["spec"]["template"]["spec"]["containers"][0]["image"])

    assert image() == "namespace:1"
    alpha.api.call("DELETE", f"{path}/default")


def test_it_leaves_other_namespaces_alone(some: OperatorProcess, api: Api, served: Any) -> None:
    other = make_namespace(api, "gamma")
    other.create("j")
    lives(served[0], "meanwhile")
    assert other.status("j") == {}


def test_it_takes_the_right_to_the_clusters_runtimes_where_it_is_given(
    cluster: Any, some: OperatorProcess, served: tuple[Namespace, Namespace]
) -> None:
    alpha, _ = served
    cluster.kubectl(
        "create", "clusterrole", "runtimes", "--verb=list,watch",
        f"--resource={names.CLUSTER_RUNTIME_PLURAL}.{names.GROUP}",
    )  # fmt: skip
    cluster.kubectl(
        "create", "clusterrolebinding", "runtimes", "--clusterrole=runtimes",
        f"--serviceaccount={SYSTEM}:{ACCOUNT}",
    )  # fmt: skip
    some.restart()
    eventually(some.health)
    assert (
        alpha.child("far-a0")["spec"]["template"]["spec"]["containers"][0]["image"] == "cluster:1"
    )
    cluster.kubectl("delete", "clusterrolebinding", "runtimes")
