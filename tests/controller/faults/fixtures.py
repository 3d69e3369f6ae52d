"""A control plane with a proxy before it, and the operator behind the proxy in its own role.

The operator is a service account here, with the rights of `rbac/role.yaml` and no others, so that
every test of this folder fails where a right is missing.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.controller.api import Api, OperatorProcess, eventually
from tests.controller.clusters import played_cluster
from tests.controller.faults.proxy import FaultProxy
from tests.controller.rbac.roles import SYSTEM, bind, cluster_wide

ACCOUNT: Final = "tenyson-controller"


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A control plane without a node, on which the operator has its rights."""
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        running.kubectl("create", "serviceaccount", ACCOUNT, "-n", SYSTEM)
        bind(running, cluster_wide(), ACCOUNT)
        yield running


@contextlib.contextmanager
def started_cluster(folder: Path) -> Iterator[Any]:
    """A control plane whose kubelet the test plays, with the operator's namespace."""
    with played_cluster(folder) as running:
        running.kubectl("create", "namespace", SYSTEM)
        yield running


@pytest.fixture(scope="package")
def api(cluster: Any) -> Api:
    return Api(cluster.kubeconfig)


@pytest.fixture(scope="package")
def faulty(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    proxy = start_proxy(cluster, tmp_path_factory.mktemp("proxy"))
    yield proxy
    proxy.stop()


def start_proxy(cluster: Any, folder: Path) -> FaultProxy:
    """Returns a proxy before a cluster's API server."""
    plane = cluster.control_plane
    proxy = FaultProxy(plane.url, plane.certificates.ca.certificate.read_bytes(), folder)
    proxy.start()
    return proxy


@pytest.fixture
def proxy(faulty: FaultProxy) -> Iterator[FaultProxy]:
    """The proxy, without faults before and after the test."""
    yield faulty
    faulty.clear()


@pytest.fixture(scope="package")
def operator(
    cluster: Any, faulty: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator behind the proxy; a test that stops it starts it again."""
    folder = tmp_path_factory.mktemp("operator")
    process = make_operator(cluster, faulty, folder)
    process.start()
    eventually(process.health)
    yield process
    process.stop()


@pytest.fixture
def unharmed(operator: OperatorProcess) -> Iterator[None]:
    """Fails unless the operator lives through the test, answers its probe, and met no bug."""
    assert operator.process is not None
    if operator.process.poll() is not None:
        operator.start()  # What harmed it was told by the test before.
        eventually(operator.health)
    start = operator.log.stat().st_size
    yield
    assert operator.process.poll() is None
    assert eventually(operator.health, seconds=20)
    with operator.log.open("rb") as log:
        log.seek(start)
        said = log.read().decode(errors="replace")
    assert "Traceback" not in said
    assert "this is a bug" not in said


def make_operator(
    cluster: Any,
    proxy: FaultProxy,
    folder: Path,
    *,
    account: str = ACCOUNT,
    system: str = SYSTEM,
    as_container: bool = False,
    **environment: str,
) -> OperatorProcess:
    """Returns an operator that reaches the API server through the proxy, not yet started."""
    fixed = {
        "TENYSON_PROGRESS_CERT_DIR": str(folder / "tls"),
        "TENYSON_METRICS_PORT": "0",
        "TENYSON_LEASE_NAMESPACE": system,
    }
    kubeconfig = write_kubeconfig(cluster, proxy, folder / "kubeconfig", account, system)
    return OperatorProcess(
        kubeconfig, folder / "log", free_port(), {**fixed, **environment}, as_container=as_container
    )


def write_kubeconfig(
    cluster: Any, proxy: FaultProxy, path: Path, account: str = ACCOUNT, system: str = SYSTEM
) -> Path:
    """Writes a kubeconfig of the operator's service account, for the proxy's address."""
    token = cluster.kubectl("create", "token", account, "-n", system, "--duration=4h").strip()
    authority = str(proxy.certificates.ca.certificate)
    place = {"server": proxy.url, "certificate-authority": authority}
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": place}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config))
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
