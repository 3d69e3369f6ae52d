"""The chart's release on the real cluster, in a namespace that enforces the restricted standard."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from hack.charttools.tools import tool
from hack.images.building import Archive
from hack.node.commands import run
from hack.node.real import RealCluster
from tests.kubelet.pods import Object

CHART = Path(__file__).parents[2] / "charts" / "tenyson"
NAMESPACE = "tenyson-system"


class Release:
    """The release `tenyson`."""

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster
        self.install_seconds = 0.0
        self.placed_on: set[str] = set()

    def install(self, controller: Archive, runner: Archive) -> None:
        """Installs the chart as the README does, with images that the nodes have."""
        _make_namespace(self.cluster)
        values = {
            **_image("image", controller),
            **_image("runtime.image", runner),
            # All pods share this machine's cores: threads that wait for each other would spin.
            "runtime.env[0].name": "OMP_NUM_THREADS",
            "runtime.env[0].value": "1",
        }
        sets = [f"--set-string={name}={value}" for name, value in values.items()]
        began = time.monotonic()
        quick = "--set=settings.progressInterval=1"
        self.helm("install", "tenyson", str(CHART), "--wait", "--timeout=5m", quick, *sets)
        self.install_seconds = time.monotonic() - began
        # A test that drains a node moves them, and nothing moves them back.
        self.placed_on = {pod["spec"]["nodeName"] for pod in self.pods()}

    def helm(self, *arguments: str) -> str:
        """Returns what helm prints."""
        home = self.cluster.state_dir / "helm"
        homes = [f"HELM_{kind}_HOME={home / kind}" for kind in ("CACHE", "CONFIG", "DATA")]
        options = (f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={NAMESPACE}")
        return run("env", *homes, str(tool("helm")), *arguments, *options)

    def pods(self) -> list[Object]:
        """Returns the controller's pods that are not going away."""
        selector = "app.kubernetes.io/name=tenyson,app.kubernetes.io/component=controller"
        found = self.cluster.kubectl(
            "get", "pods", f"--namespace={NAMESPACE}", "-l", selector, "-o", "json"
        )
        pods: list[Object] = json.loads(found)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def resident_bytes(self) -> list[int]:
        """Returns the resident memory of each replica, as the kernel counts it."""
        return [_resident(pod["metadata"]["uid"]) for pod in self.pods()]


def _make_namespace(cluster: RealCluster) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": labels}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    cluster.control_plane.admin.request("POST", "/api/v1/namespaces", body)


def _image(key: str, archive: Archive) -> dict[str, str]:
    repository, _, tag = archive.reference.rpartition(":")
    return {f"{key}.repository": repository, f"{key}.tag": tag}


def _resident(uid: str) -> int:
    """The memory of a pod's largest process, which is found by its cgroup."""
    sizes = [0]
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"pod{uid}" in (path / "cgroup").read_text():
                sizes.append(int((path / "statm").read_text().split()[1]))
        except OSError:
            continue  # it ended meanwhile
    return max(sizes) * os.sysconf("SC_PAGE_SIZE")
