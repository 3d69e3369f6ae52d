"""One real node: a network of its own, containerd, a kubelet and kube-proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hack.cluster.control_plane import ControlPlane
from hack.cluster.errors import ClusterError
from hack.cluster.waiting import wait_for
from hack.node.containerd import Containerd
from hack.node.kubelet import Kubelet, Proxy
from hack.node.network import Network, connect_node

_READY_SECONDS = 90.0


class RealNode:
    """The node with an index, counted from 0."""

    def __init__(
        self, control_plane: ControlPlane, network: Network, index: int, kube: Path, cgroup: str
    ) -> None:
        """Takes, among others, the multi-call program and the cgroup of the whole cluster."""
        state_dir = control_plane.state_dir
        programs = state_dir / "bin"
        programs.mkdir(exist_ok=True)
        for name in ("kubelet", "kube-proxy"):  # the name it is called by chooses what it is
            if not (programs / name).is_symlink():
                (programs / name).symlink_to(kube)
        self.containerd = Containerd(state_dir, network, index)
        self.kubelet = Kubelet(state_dir, network, index, programs / "kubelet")
        self.proxy = Proxy(state_dir, network, index, programs / "kube-proxy")
        self.address = network.address(index)
        self._control_plane, self._network, self._index = control_plane, network, index
        self._cgroup = f"{cgroup}/{self.name}"

    @property
    def name(self) -> str:
        """The node's name, as the cluster knows it."""
        return self.kubelet.name

    @property
    def cgroup(self) -> str:
        """The cgroup that holds its pods."""
        return self._cgroup

    def connect(self) -> None:
        """Make the node's network."""
        connect_node(self._network, self._index)

    def start(self) -> None:
        """Start what does not run."""
        plane = self._control_plane
        self.containerd.start()
        self.proxy.start(plane.certificates, plane.url)
        self.start_kubelet()

    def start_kubelet(self) -> None:
        """Start the kubelet alone, unless it runs."""
        plane = self._control_plane
        socket = self.containerd.socket
        self.kubelet.start(plane.certificates, plane.url, socket, self._cgroup)

    def stop_kubelet(self) -> None:
        """Stop the kubelet alone, as an upgrade would; the containers run on."""
        self.kubelet.process.stop()

    def wait_until_ready(self) -> None:
        """Return once pods are scheduled to it."""
        try:
            wait_for(self.is_ready, f"node {self.name} to be ready", _READY_SECONDS)
        except ClusterError as error:
            tails = (self.kubelet.process.log_tail(), self.containerd.process.log_tail(5))
            raise ClusterError("\n".join([str(error), *tails])) from error

    def is_ready(self) -> bool:
        """Whether the cluster holds the node for ready."""
        for process in (self.containerd.process, self.kubelet.process, self.proxy.process):
            process.check()
        node: dict[str, Any] | None = self._control_plane.admin.find(f"/api/v1/nodes/{self.name}")
        conditions = (node or {}).get("status", {}).get("conditions") or []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
