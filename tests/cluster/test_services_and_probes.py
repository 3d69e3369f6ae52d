"""Pods find each other by Services, have addresses of their own, and say when they are ready."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.fixtures import Namespace, shell_pod
from hack.cluster.node.addresses import pod_address, service_address
from hack.cluster.node.hosts import hosts_file
from hack.cluster.node.probes import Readiness
from hack.cluster.node.service_proxy import target_port, tcp_ports

POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
HTTP = {"name": "http", "containerPort": 8000}
PROBE = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}


def server_pod(name: str, folder: Path, **container: Any) -> dict[str, Any]:
    """A pod that serves a folder of the machine on port 8000 of its own address."""
    script = f"exec {sys.executable} -m http.server 8000 --bind $POD_IP --directory /served"
    pod = shell_pod(
        name,
        script,
        container={
            "env": [POD_IP],
            "ports": [{"name": "http", "containerPort": 8000}],
            "volumeMounts": [{"name": "served", "mountPath": "/served"}],
            **container,
        },
        volumes=[{"name": "served", "hostPath": {"path": str(folder)}}],
    )
    pod["metadata"]["labels"] = {"app": "server"}
    return pod


def client_pod(name: str, url: str) -> dict[str, Any]:
    """A pod that ends well once it could fetch the URL."""
    fetch = f"import urllib.request as r; print(r.urlopen('{url}', timeout=2).read().decode())"
    tries = f'for i in $(seq 50); do {sys.executable} -c "{fetch}" && exit; sleep 0.2; done'
    return shell_pod(name, f"{tries}; exit 1")


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def served(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "name").write_text(text)
    return folder


@pytest.mark.cluster
def test_a_service_reaches_the_ready_one_of_two_pods_on_one_port(
    namespace: Namespace, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        folder = served(tmp_path / name, name)
        namespace.create(server_pod(name, folder, readinessProbe=PROBE))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080, "targetPort": "http"}]},
    }
    path = f"/api/v1/namespaces/{namespace.name}/services"
    namespace.api.request("POST", path, service)
    (tmp_path / "two" / "ready").touch()
    namespace.wait("Pod", "two", is_ready, "to be ready")
    assert not is_ready(namespace.wait_for_phase("one", "Running"))

    for index in range(3):  # a choice among both would hit the other sooner or later
        url = f"http://web.{namespace.name}.svc:8080/name"
        namespace.create(client_pod(f"client-{index}", url))
    for index in range(3):
        namespace.wait_for_phase(f"client-{index}", "Succeeded")
        logs = namespace.cluster.kubectl("logs", "-n", namespace.name, f"client-{index}")
        assert logs.split() == ["two"]


@pytest.mark.cluster
def test_a_pod_is_ready_while_its_probe_succeeds(namespace: Namespace, tmp_path: Path) -> None:
    folder = served(tmp_path / "one", "one")
    namespace.create(server_pod("one", folder, readinessProbe=PROBE))
    namespace.wait_for_phase("one", "Running")
    (folder / "ready").touch()
    namespace.wait("Pod", "one", is_ready, "to be ready")
    (folder / "ready").unlink()
    pod = namespace.wait("Pod", "one", lambda pod: not is_ready(pod), "not to be ready")
    assert pod["status"]["containerStatuses"][0]["ready"] is False


def test_a_probe_counts_findings_in_a_row() -> None:
    probe = {**PROBE, "successThreshold": 2, "failureThreshold": 3}
    readiness = Readiness({"readinessProbe": probe, "ports": [HTTP]}, "127.0.0.1")
    changes = [readiness.decide(0, streak) for streak in (1, 2, -1, -2, -3)]
    assert changes == [False, True, False, False, True]
    assert not readiness.is_ready(0)


def test_a_container_that_starts_again_is_not_ready_yet() -> None:
    readiness = Readiness({"readinessProbe": PROBE, "ports": [HTTP]}, "127.0.0.1")
    assert readiness.decide(0, 1)
    assert readiness.is_ready(0)
    assert not readiness.is_ready(1)


@pytest.mark.parametrize(("target", "found"), [("http", 8000), (9000, 9000), (None, 80)])
def test_a_services_port_leads_to_the_pods_port(target: object, found: int) -> None:
    pod = {"spec": {"containers": [{"name": "main", "ports": [HTTP]}]}}
    assert target_port({"port": 80, "targetPort": target}, pod) == found


def test_only_tcp_ports_of_a_service_with_a_selector_are_served() -> None:
    ports = [{"port": 80}, {"port": 53, "protocol": "UDP"}]
    assert list(tcp_ports({"spec": {"selector": {"a": "b"}, "ports": ports}})) == [80]
    assert not tcp_ports({"spec": {"ports": ports}})


def test_a_pod_knows_the_names_of_services_and_its_own() -> None:
    pod = {"metadata": {"name": "p", "namespace": "here", "uid": "u"}, "spec": {}}
    text = hosts_file(pod, {("here", "web"): "127.128.0.1", ("there", "db"): "127.128.0.2"})
    names = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert names["127.128.0.1"] == ["web.here.svc.cluster.local", "web.here.svc", "web.here", "web"]
    assert names["127.128.0.2"] == ["db.there.svc.cluster.local", "db.there.svc", "db.there"]
    assert names[pod_address(pod)] == ["p"]


def test_addresses_are_kept_and_differ() -> None:
    addresses = {service_address("/state", "ns", str(number)) for number in range(500)}
    assert len(addresses) == 500
    assert service_address("/state", "ns", "web") == service_address("/state", "ns", "web")
    assert service_address("/other", "ns", "web") != service_address("/state", "ns", "web")
    network = {"metadata": {"uid": "u"}, "spec": {"hostNetwork": True}}
    assert pod_address(network) == "127.0.0.1"
