"""A whole real cluster: the control plane, nodes with containerd and a kubelet, Services, DNS."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from hack.cluster.binaries import cached_binaries
from hack.cluster.block import ClusterOfBlock
from hack.cluster.control_plane import ControlPlane, ControlPlaneOptions, Timing
from hack.cluster.errors import ClusterError
from hack.cluster.files import exclusive
from hack.cluster.postgres import Postgres
from hack.cluster.progress import Report, silent, step
from hack.cluster.waiting import wait_for
from hack.node.cgroups import make_cgroup
from hack.node.commands import run
from hack.node.images import node_images, write_archive
from hack.node.network import Network, make_network
from hack.node.node import RealNode
from hack.node.programs_build import node_programs
from hack.node.system import check_firewall, check_system
from hack.node.teardown import clear_the_way, remember, stop_real_cluster
from hack.node.tunables import save_tunables

_DNS = Path(__file__).with_name("dns.yaml")


class RealCluster(ClusterOfBlock):
    """A cluster of real nodes on this machine; it ends with its block, or with its process.

    Args:
        state_dir: everything of the cluster lies here; a short path, as sockets lie in it.
        nodes: how many nodes.
        timing: how soon a silent node is given up.
        report: takes a line for each step that takes a while.
    """

    folder_mode = 0o711
    guardian = "hack.node.guardian"

    def __init__(
        self,
        state_dir: Path,
        *,
        nodes: int = 1,
        timing: Timing | None = None,
        report: Report = silent,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.nodes: Sequence[RealNode] = ()
        self._count, self._timing, self._report = nodes, timing, report
        self._network: Network | None = None
        self._control_plane: ControlPlane | None = None

    @property
    def network(self) -> Network:
        """Its addresses."""
        if self._network is None:
            raise ClusterError("the cluster has not been started; use it as a context manager")
        return self._network

    @property
    def control_plane(self) -> ControlPlane:
        """Its control plane."""
        if self._control_plane is None:
            raise ClusterError("the cluster has not been started; use it as a context manager")
        return self._control_plane

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints.

        Raises:
            ClusterError: it failed, with what it said.
        """
        return run(*self.kubectl_argv(*arguments), stdin=stdin)

    def kubectl_argv(self, *arguments: str) -> list[str]:
        """The command line of kubectl on this cluster."""
        return [cached_binaries()["kubectl"], f"--kubeconfig={self.kubeconfig}", *arguments]

    def import_image(self, archive: Path) -> None:
        """Make the images of a docker archive known to every node."""
        with step(self._report, f"importing {archive.name}"), ThreadPoolExecutor() as threads:
            list(threads.map(lambda node: node.containerd.import_image(archive), self.nodes))

    def postgres(self) -> Postgres:
        """A PostgreSQL server beside the cluster, which pods reach; not started."""
        hba = self.state_dir / "pg_hba.conf"
        hba.write_text("host all all 0.0.0.0/0 scram-sha-256\n")
        addresses = f"127.0.0.1,{self.network.gateway}"
        settings = {"listen_addresses": addresses, "hba_file": str(hba)}
        return Postgres(self.state_dir, settings)

    def database_url(self, postgres: Postgres) -> str:
        """The URL of that server's database as pods reach it."""
        return postgres.database_url.replace("@127.0.0.1:", f"@{self.network.gateway}:")

    def start(self) -> None:
        """Start everything; nothing is started before everything needed is there.

        Raises:
            ClusterError: one is up in the state folder, or something is missing or did not start.
        """
        clear_the_way(self.state_dir)
        check_system(self._report)
        if self._count > 1:
            check_firewall()
        binaries = cached_binaries(self._report)  # builds take minutes, so they come first
        programs = node_programs(self._report)
        with exclusive(self.state_dir / "lock"):
            self._network = network = make_network()
            cgroup = network.bridge
            save_tunables(remember(self.state_dir, network, cgroup))
            with step(self._report, "starting Kubernetes (about 6 s)"):
                options = ControlPlaneOptions(address=network.gateway)
                self._control_plane = plane = ControlPlane(
                    self.state_dir, binaries, self._timing, options
                )
                plane.start()
            kube = Path(binaries["kubectl"]).resolve()
            make_cgroup(cgroup)
            self.nodes = [
                RealNode(plane, network, index, kube, cgroup) for index in range(self._count)
            ]
            with step(self._report, f"starting {self._count} node(s) (about 10 s)"):
                self._start_nodes(programs["pause"], programs["dns"])
            with step(self._report, "starting DNS (about 5 s)"):
                self._start_dns()

    def stop(self) -> None:
        """End everything; only files are left."""
        with exclusive(self.state_dir / "lock"):
            stop_real_cluster(self.state_dir)

    def _start_nodes(self, pause: Path, dns: Path) -> None:
        folder = self.state_dir / "images"
        folder.mkdir(exist_ok=True)
        archives = [folder / f"{number}.tar" for number in range(3)]
        for image, archive in zip(node_images(pause, dns), archives, strict=True):
            write_archive(image, archive)
        for node in self.nodes:
            make_cgroup(node.cgroup)
            node.connect()
            node.containerd.start()
            for archive in archives:
                node.containerd.import_image(archive)
            node.start()
        for node in self.nodes:
            node.wait_until_ready()

    def _start_dns(self) -> None:
        self.kubectl("apply", "-f", str(_DNS))
        path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"

        def is_ready() -> bool:
            found = self.control_plane.admin.find(path) or {}
            return bool((found.get("status") or {}).get("readyReplicas"))

        try:
            wait_for(is_ready, "CoreDNS to be ready", 60.0, poll_seconds=0.2)
        except ClusterError as error:
            pods = self.kubectl("describe", "pods", "--namespace=kube-system")
            raise ClusterError(f"{error}\n{pods[-3000:]}") from error

    def __enter__(self) -> Self:
        clear_the_way(self.state_dir)  # before there is something to stop at an error
        return super().__enter__()
