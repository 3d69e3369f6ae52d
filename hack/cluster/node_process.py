"""The node agent as a process of a cluster's state folder."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.cluster.control_plane import ControlPlane
from hack.cluster.errors import ClusterError
from hack.cluster.files import read_json, write_atomically, write_json
from hack.cluster.node import REGISTERED
from hack.cluster.node.attempts import ContainerRecords, kill_pod
from hack.cluster.processes import Supervised
from hack.cluster.waiting import wait_for

_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class NodeOptions:
    """How a node's pods run."""

    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The command for each image that pods name without a command of their own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every container, under its own, as an image would bring them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Resources to claim beside or in place of the machine's, such as `nvidia.com/gpu: 1`."""
    share: Sequence[Path] = ()
    """Folders that containers see though they lie in /tmp, /var/tmp or /run; this checkout and
    its Python are always among them."""
    lease_seconds: int = 40
    """How long one sign of life counts."""


class Node:
    """One node of a control plane, named as the cluster knows it."""

    def __init__(
        self, control_plane: ControlPlane, name: str, options: NodeOptions | None = None
    ) -> None:
        self.name = name
        self.state_dir = control_plane.state_dir / "nodes" / name
        self.process = Supervised(control_plane.state_dir, f"node-{name}")
        self._control_plane = control_plane
        self._options = options or NodeOptions()

    def start(self) -> None:
        """Start the agent, and return once the cluster knows the node as ready.

        Raises:
            ClusterError: it ended or did not become ready, with the end of its log.
        """
        argv, argv_path = self._argv(), self.state_dir / "argv.json"
        if self.process.is_running() and read_json(argv_path) != argv:
            self.stop()  # for other options; its containers do not notice
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(argv_path, argv)
        if not self.process.is_running():
            (self.state_dir / REGISTERED).unlink(missing_ok=True)
        self.process.start(argv, env=_agent_environment())
        wait_for(self._is_registered, f"node {self.name!r} to be ready", 30.0)

    def stop(self) -> None:
        """Stop the agent alone: to the cluster the node is silent, while its pods run on."""
        self.process.stop()

    def crash(self) -> None:
        """End the agent and all its containers at once, as a power cut would."""
        self.process.kill()
        self.kill_containers()

    def kill_containers(self) -> None:
        """End every container of every pod."""
        for folder in self._pod_folders():
            kill_pod(folder)

    def kill_container(self, pod_uid: str, container: str) -> None:
        """Send SIGKILL to one container, as the kernel does when memory runs out.

        Raises:
            ClusterError: no such container runs here.
        """
        records = ContainerRecords(self.state_dir / "pods" / pod_uid, container)
        attempt = records.latest()
        process = attempt.main_process() if attempt else None
        if process is None or not process.is_alive():
            raise ClusterError(
                f"container {container!r} of pod {pod_uid} does not run on {self.name}"
            )
        process.signal(signal.SIGKILL)

    def is_ready(self) -> bool:
        """Whether the cluster holds the node for ready."""
        node = self._node()
        conditions = node["status"].get("conditions") or [] if node else []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _is_registered(self) -> bool:
        """Ready, and by this agent: a taint of the time before is gone, and its port is known."""
        self.process.check()
        if not (self.state_dir / REGISTERED).exists():
            return False
        node = self._node()
        taints = {t["key"] for t in node["spec"].get("taints") or []} if node else set()
        return self.is_ready() and not any(key.startswith("node.kubernetes.io/") for key in taints)

    def _node(self) -> dict[str, Any] | None:
        return self._control_plane.admin.find(f"/api/v1/nodes/{self.name}")

    def _pod_folders(self) -> Iterator[Path]:
        pods = self.state_dir / "pods"
        yield from pods.iterdir() if pods.exists() else ()

    def _argv(self) -> list[str]:
        certificates = self._control_plane.certificates
        client, server = certificates.node(self.name)
        kubeconfig = certificates.folder / f"node-{self.name}.kubeconfig"
        write_atomically(kubeconfig, certificates.kubeconfig(client, self._control_plane.url))
        return [
            *(sys.executable, "-m", "hack.cluster.node"),
            f"--kubeconfig={kubeconfig}",
            f"--name={self.name}",
            f"--state={self.state_dir}",
            f"--tls-certificate={server.certificate}",
            f"--tls-key={server.key}",
            f"--client-ca={certificates.ca.certificate}",
            f"--lease-seconds={self._options.lease_seconds}",
            *_option_flags(self._options),
        ]


def _option_flags(options: NodeOptions) -> Iterator[str]:
    for image, command in options.images.items():
        yield f"--image={image}={shlex.join(command)}"
    for flag, pairs in (
        ("env", options.env),
        ("label", options.labels),
        ("capacity", options.capacity),
    ):
        for name, value in pairs.items():
            yield f"--{flag}={name}={value}"
    for path in (*options.share, _CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)):
        yield f"--share={path}"


def _agent_environment() -> dict[str, str]:
    """The caller's, with this checkout importable whatever folder the agent runs in."""
    before = os.environ.get("PYTHONPATH")
    path = f"{_CHECKOUT}{os.pathsep}{before}" if before else str(_CHECKOUT)
    return {**os.environ, "PYTHONPATH": path}
