"""A whole local cluster: control plane, node and PostgreSQL in one state folder."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from hack.cluster.binaries import Binaries, find_binaries
from hack.cluster.block import ClusterOfBlock
from hack.cluster.control_plane import ControlPlane, ControlPlaneOptions, Timing
from hack.cluster.errors import ClusterError
from hack.cluster.files import exclusive
from hack.cluster.node_process import Node, NodeOptions
from hack.cluster.postgres import Postgres, find_postgres
from hack.cluster.progress import Report, silent, step
from hack.cluster.system import BUBBLEWRAP, Program, check_sandbox, ensure_programs
from hack.cluster.teardown import stop_cluster

_FIRST_NODE = "local"


class LocalCluster(ClusterOfBlock):
    """A cluster for demos and tests; as a context manager it ends with the block.

    Args:
        state_dir: everything of the cluster lies here, and nowhere else.
        node: whether it has a node that runs pods.
        postgres: whether it has a PostgreSQL server.
        node_options: how the node's pods run.
        timing: how soon a silent node is given up.
        control_plane_options: whether writes are logged, and how fast Kubernetes itself works.
        report: takes a line for each step that takes a while.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        node: bool = False,
        postgres: bool = False,
        node_options: NodeOptions | None = None,
        timing: Timing | None = None,
        control_plane_options: ControlPlaneOptions | None = None,
        report: Report = silent,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self._has_node, self._has_postgres = node, postgres
        self._node_options, self._timing = node_options, timing
        self._control_plane_options = control_plane_options
        self._report = report
        self._nodes: dict[str, Node] = {}

    @cached_property
    def binaries(self) -> Binaries:
        """The programs it runs, built on first use."""
        return find_binaries(self._report)

    @cached_property
    def control_plane(self) -> ControlPlane:
        """Its control plane."""
        return ControlPlane(
            self.state_dir, self.binaries, self._timing, self._control_plane_options
        )

    @cached_property
    def postgres(self) -> Postgres:
        """Its PostgreSQL server."""
        return Postgres(self.state_dir)

    @property
    def node(self) -> Node:
        """Its first node."""
        if not self._nodes:
            raise ClusterError("this cluster has no node; make it with node=True")
        return next(iter(self._nodes.values()))

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.postgres.database_url

    @cached_property
    def client(self) -> Any:
        """A `kubernetes.client.ApiClient` of the admin."""
        from kubernetes import config

        return config.new_client_from_config(str(self.kubeconfig))

    def start(self) -> None:
        """Start what does not run yet; nothing is started before everything needed is there."""
        self._check_system()
        binaries = self.binaries  # a build takes minutes, so it comes before the lock
        with exclusive(self.state_dir / "lock"):
            if self._has_postgres:
                with step(self._report, "starting PostgreSQL (about 2 s)"):
                    self.postgres.start()
            title = f"starting Kubernetes from {binaries.source} (about 6 s)"
            with step(self._report, title):
                self.control_plane.start()
            if self._has_node:
                with step(self._report, "starting the node (about 2 s)"):
                    self.add_node(_FIRST_NODE, self._node_options)

    def stop(self) -> None:
        """Stop everything; the data stays for the next start."""
        with exclusive(self.state_dir / "lock"):
            stop_cluster(self.state_dir)

    def add_node(self, name: str, options: NodeOptions | None = None) -> Node:
        """A further node, once it is ready."""
        node = Node(self.control_plane, name, options)
        node.start()
        self._nodes[name] = node
        return node

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints.

        Raises:
            ClusterError: it failed, with what it said.
        """
        answer = subprocess.run(
            self.kubectl_argv(*arguments), input=stdin, capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
        return answer.stdout

    def kubectl_argv(self, *arguments: str) -> list[str]:
        """The command line of kubectl on this cluster."""
        if "kubectl" not in self.binaries.paths:
            raise ClusterError(f"no kubectl on the PATH, and none in {self.binaries.source}")
        return [self.binaries["kubectl"], f"--kubeconfig={self.kubeconfig}", *arguments]

    def _check_system(self) -> None:
        needed: list[Program] = [BUBBLEWRAP] if self._has_node else []
        ensure_programs(needed, self._report)
        if self._has_node:
            check_sandbox()
        if self._has_postgres:
            find_postgres()
