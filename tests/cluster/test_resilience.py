"""What happens when the node's agent, the node or the apiserver is away for a while."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.fixtures import Namespace, Object, shell_pod, terminated
from hack.cluster.node.attempts import ContainerRecords
from hack.cluster.node_process import Node, NodeOptions
from hack.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture
def node(namespace: Namespace) -> Iterator[Node]:
    """The first node, which runs again after the test."""
    yield namespace.cluster.node
    namespace.cluster.node.start()


def _pod_until_told(tmp_path: Path, ending: str = "exit 0") -> Object:
    """A pod that writes a line for each start, and runs until there is a file `go`."""
    script = f"echo start >> /told/starts; until test -e /told/go; do sleep 0.05; done; {ending}"
    mount = {"volumeMounts": [{"name": "told", "mountPath": "/told"}]}
    volumes = [{"name": "told", "hostPath": {"path": str(tmp_path)}}]
    return shell_pod("p", script, container=mount, volumes=volumes)


def _wait_for_start(namespace: Namespace, tmp_path: Path) -> None:
    namespace.wait_for_phase("p", "Running")
    wait_for((tmp_path / "starts").exists, "the pod's script to begin")


def test_a_pod_outlives_its_agent_and_is_not_doubled(
    namespace: Namespace, node: Node, tmp_path: Path
) -> None:
    namespace.create(_pod_until_told(tmp_path))
    _wait_for_start(namespace, tmp_path)
    node.process.kill()
    node.start()
    (tmp_path / "go").touch()
    pod = namespace.wait_for_phase("p", "Succeeded")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert (tmp_path / "starts").read_text() == "start\n"


def test_an_end_without_an_agent_is_reported_later(
    namespace: Namespace, node: Node, tmp_path: Path
) -> None:
    created = namespace.create(
        _pod_until_told(tmp_path, "echo -n bye > /dev/termination-log; exit 7")
    )
    _wait_for_start(namespace, tmp_path)
    node.stop()
    (tmp_path / "go").touch()
    folder = node.state_dir / "pods" / created["metadata"]["uid"]
    attempt = ContainerRecords(folder, "main").latest()
    assert attempt is not None
    wait_for((attempt.folder / "exit.json").exists, "the container's end to be on record")
    node.start()
    ended = terminated(namespace.wait_for_phase("p", "Failed"))
    assert (ended["exitCode"], ended["message"]) == (7, "bye")


def test_a_pod_deleted_without_an_agent_is_stopped_later(
    namespace: Namespace, node: Node, tmp_path: Path
) -> None:
    created = namespace.create(_pod_until_told(tmp_path))
    _wait_for_start(namespace, tmp_path)
    node.stop()
    namespace.delete("Pod", "p", grace_seconds=0)
    node.start()
    folder = node.state_dir / "pods" / created["metadata"]["uid"]
    wait_for(lambda: not folder.exists(), "the pod's folder to be gone")


def test_containers_that_a_crash_took_are_reported_as_lost(
    namespace: Namespace, node: Node, tmp_path: Path
) -> None:
    namespace.create(_pod_until_told(tmp_path))
    _wait_for_start(namespace, tmp_path)
    node.crash()
    node.start()
    assert terminated(namespace.wait_for_phase("p", "Failed"))["exitCode"] == 137


def test_a_shim_that_is_killed_takes_its_container_along(
    namespace: Namespace, node: Node, tmp_path: Path
) -> None:
    created = namespace.create(_pod_until_told(tmp_path))
    _wait_for_start(namespace, tmp_path)
    folder = node.state_dir / "pods" / created["metadata"]["uid"]
    attempt = ContainerRecords(folder, "main").latest()
    assert attempt is not None
    shim, main = attempt.shim(), attempt.main_process()
    assert shim is not None
    assert main is not None
    shim.signal(signal.SIGKILL)
    ended = terminated(namespace.wait_for_phase("p", "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    wait_for(lambda: not main.is_alive(), "the container's process to be gone")


def test_an_end_without_an_apiserver_is_reported_later(
    namespace: Namespace, tmp_path: Path
) -> None:
    control_plane = namespace.cluster.control_plane
    created = namespace.create(_pod_until_told(tmp_path, "exit 5"))
    _wait_for_start(namespace, tmp_path)
    control_plane.kill_apiserver()
    try:
        (tmp_path / "go").touch()
        folder = namespace.cluster.node.state_dir / "pods" / created["metadata"]["uid"]
        attempt = ContainerRecords(folder, "main").latest()
        assert attempt is not None
        wait_for((attempt.folder / "exit.json").exists, "the container's end to be on record")
    finally:
        control_plane.start_apiserver()
    assert terminated(namespace.wait_for_phase("p", "Failed"))["exitCode"] == 5


def test_the_pods_of_a_lost_node_are_evicted(namespace: Namespace) -> None:
    options = NodeOptions(labels={"tenyson.dev/test": "lost"}, lease_seconds=8)
    lost = namespace.cluster.add_node("lost", options)
    selector = {"nodeSelector": {"tenyson.dev/test": "lost"}}
    namespace.create(shell_pod("p", "sleep 600", **selector))
    namespace.wait_for_phase("p", "Running")
    lost.crash()
    namespace.wait(
        "Pod",
        "p",
        lambda pod: pod["metadata"].get("deletionTimestamp"),
        "to be evicted",
        timeout_seconds=60,
    )
    lost.start()
    namespace.wait_until_gone("Pod", "p", timeout_seconds=45)
    lost.stop()
    namespace.api.request("DELETE", "/api/v1/nodes/lost")
