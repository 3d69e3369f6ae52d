import contextlib
import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controller.api import Api, Namespace, OperatorProcess, eventually
from tests.controller.clusters import played_cluster

_COUNT = itertools.count()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A control plane without a node: the test plays the kubelet."""
    with played_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def api(cluster: Any) -> Api:
    return Api(cluster.kubeconfig)


@pytest.fixture
def ns(api: Api) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    name = f"t{next(_COUNT)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.call("POST", "/api/v1/namespaces", body)
    namespace = Namespace(api, name)
    eventually(lambda: api.get(f"{namespace.core}/serviceaccounts/default"))
    yield namespace
    with contextlib.suppress(Exception):
        api.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def operator(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator, running; a test that kills it starts it again."""
    folder = tmp_path_factory.mktemp("operator")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"TENYSON_PROGRESS_CERT_DIR": str(folder / "tls")}
    process = OperatorProcess(cluster.kubeconfig, folder / "log", port, environment)
    process.start()
    eventually(process.health)
    yield process
    process.stop()
