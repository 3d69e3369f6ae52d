"""etcd and Kubernetes' three servers, as processes that share one state folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hack.cluster.admin import AdminApi
from hack.cluster.audit import AuditLog
from hack.cluster.binaries import Binaries
from hack.cluster.certificates import LOOPBACK, Certificates, KeyPair
from hack.cluster.errors import ClusterError
from hack.cluster.files import read_json, write_atomically, write_json
from hack.cluster.ports import choose_ports
from hack.cluster.processes import Supervised, stop_all
from hack.cluster.waiting import wait_for

_PORTS = ("apiserver", "etcd", "etcd-peer")
_READY_SECONDS = 90.0


@dataclass(frozen=True)
class Timing:
    """How soon the control plane gives up a node that is silent."""

    node_lost_seconds: int = 40
    """From a node's last sign of life until it is NotReady."""
    eviction_seconds: int = 300
    """From then until its pods are deleted; written into each pod when it is created."""


@dataclass(frozen=True)
class ControlPlaneOptions:
    """What the control plane does beside serving, and how fast."""

    audit: bool = False
    """Whether the apiserver logs every write; see `ControlPlane.audit`."""
    controller_manager_qps: int = 300
    """Requests a second of each of Kubernetes' own controllers. The default of 20 makes the first
    start 4 s slower."""
    address: str = LOOPBACK
    """Where the apiserver listens; a node in a network of its own does not reach the loopback."""


class ControlPlane:
    """The control plane of one state folder; every file and port of it belongs to that folder."""

    def __init__(
        self,
        state_dir: Path,
        binaries: Binaries,
        timing: Timing | None = None,
        options: ControlPlaneOptions | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.kubeconfig = state_dir / "kubeconfig"
        self._binaries = binaries
        self._timing = timing or Timing()
        self._options = options or ControlPlaneOptions()
        self.certificates = Certificates(state_dir / "certificates", self._options.address)
        self.audit = AuditLog(state_dir)
        self._etcd = Supervised(state_dir, "etcd")
        self._apiserver = Supervised(state_dir, "kube-apiserver")
        self._clients = [
            Supervised(state_dir, "kube-controller-manager"),
            Supervised(state_dir, "kube-scheduler"),
        ]

    @property
    def processes(self) -> Sequence[Supervised]:
        """The four processes, in the order in which they start."""
        return (self._etcd, self._apiserver, *self._clients)

    @property
    def url(self) -> str:
        """The apiserver's address."""
        return f"https://{self._options.address}:{self._ports()['apiserver']}"

    def start(self) -> None:
        """Start what does not run, and return once a pod could be created.

        Raises:
            ClusterError: a process ended or did not become ready, with the end of its log.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.certificates.ensure()
        if not self._etcd.is_running() and not self._apiserver.is_running():
            self._choose_ports()
        self._write_kubeconfigs()
        self._etcd.start(self._etcd_argv())
        self._apiserver.start(self._apiserver_argv())
        self._wait_for_apiserver()
        self._clients[0].start(self._controller_manager_argv())
        self._clients[1].start(self._scheduler_argv())
        self._wait_until("the default service account", self._has_default_account)

    def stop(self) -> None:
        """Stop the four processes; the data stays for the next start."""
        stop_all([*self._clients, self._apiserver], timeout_seconds=5.0)
        self._etcd.stop()

    def kill_apiserver(self) -> None:
        """Kill the apiserver alone, as a crash would."""
        self._apiserver.kill()

    def start_apiserver(self) -> None:
        """Start the apiserver again on the same port, and wait until it serves."""
        self._apiserver.start(self._apiserver_argv())
        self._wait_for_apiserver()
        # Both give up after a while without an apiserver; a real node's kubelet restarts them.
        self._clients[0].start(self._controller_manager_argv())
        self._clients[1].start(self._scheduler_argv())

    def set_controller_manager_qps(self, qps: int) -> None:
        """Start Kubernetes' own controllers again, with another limit of requests a second."""
        self._options = replace(self._options, controller_manager_qps=qps)
        self._clients[0].stop()
        self._clients[0].start(self._controller_manager_argv())

    def is_running(self) -> bool:
        """Whether all four processes run."""
        return all(process.is_running() for process in self.processes)

    def is_ready(self) -> bool:
        """Whether the apiserver says that it is ready."""
        return self.admin.find("/readyz") is not None

    @property
    def admin(self) -> AdminApi:
        """Requests to the apiserver as the admin."""
        return AdminApi(self.url, self.certificates)

    def _wait_for_apiserver(self) -> None:
        self._wait_until("the apiserver to be ready", self.is_ready)

    def _wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        def holds_or_a_process_died() -> bool:
            for process in self.processes:
                if process.record_path.exists():
                    process.check()
            return condition()

        try:
            wait_for(holds_or_a_process_died, what, _READY_SECONDS, poll_seconds=0.1)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self._apiserver.log_tail()}") from error

    def _has_default_account(self) -> bool:
        account = self.admin.find("/api/v1/namespaces/default/serviceaccounts/default")
        root_ca = self.admin.find("/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        return account is not None and root_ca is not None

    def _ports(self) -> dict[str, int]:
        ports = read_json(self.state_dir / "ports.json")
        if ports is None:
            raise ClusterError(f"the cluster in {self.state_dir} was never started")
        return dict(ports)

    def _choose_ports(self) -> None:
        path = self.state_dir / "ports.json"
        write_json(path, choose_ports(_PORTS, read_json(path) or {}))

    def _write_kubeconfigs(self) -> None:
        targets = {"admin": self.kubeconfig}
        for name in ("controller-manager", "scheduler"):
            targets[name] = self.certificates.folder / f"{name}.kubeconfig"
        for name, path in targets.items():
            content = self.certificates.kubeconfig(self.certificates.pair(name), self.url)
            write_atomically(path, content)

    def _etcd_argv(self) -> list[str]:
        ports, server = self._ports(), self.certificates.pair("etcd")
        client, peer = (f"https://127.0.0.1:{ports[name]}" for name in ("etcd", "etcd-peer"))
        ca = self.certificates.ca.certificate
        return [
            self._binaries["etcd"],
            f"--data-dir={self.state_dir / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            *_tls_flags("", server, ca),
            *_tls_flags("peer-", server, ca),
            "--unsafe-no-fsync",  # a crash of the machine may lose data, one of the process not
            "--log-level=warn",
        ]

    def _apiserver_argv(self) -> list[str]:
        ports, certificates = self._ports(), self.certificates
        server, etcd = certificates.pair("apiserver"), certificates.pair("etcd-client")
        kubelet, ca = certificates.pair("kubelet-client"), certificates.ca.certificate
        return [
            self._binaries["kube-apiserver"],
            f"--etcd-servers=https://127.0.0.1:{ports['etcd']}",
            f"--etcd-cafile={ca}",
            f"--etcd-certfile={etcd.certificate}",
            f"--etcd-keyfile={etcd.key}",
            f"--secure-port={ports['apiserver']}",
            f"--bind-address={self._options.address}",
            f"--advertise-address={self._options.address}",
            *self._endpoint_flags(),
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={ca}",
            f"--service-account-key-file={certificates.service_account.certificate}",
            f"--service-account-signing-key-file={certificates.service_account.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-certificate-authority={ca}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--default-not-ready-toleration-seconds={self._timing.eviction_seconds}",
            f"--default-unreachable-toleration-seconds={self._timing.eviction_seconds}",
            *(self.audit.apiserver_flags() if self._options.audit else ()),
        ]

    def _endpoint_flags(self) -> list[str]:
        """How the Service `kubernetes` finds the apiserver, which never publishes a loopback."""
        loopback = self._options.address == LOOPBACK
        return ["--endpoint-reconciler-type=none"] if loopback else []

    def _controller_manager_argv(self) -> list[str]:
        certificates = self.certificates
        return [
            self._binaries["kube-controller-manager"],
            f"--kubeconfig={certificates.folder / 'controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={certificates.service_account.key}",
            f"--root-ca-file={certificates.ca.certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            f"--kube-api-qps={self._options.controller_manager_qps}",
            f"--kube-api-burst={2 * self._options.controller_manager_qps}",
            "--pvclaimbinder-sync-period=1s",  # 15 s otherwise, until a static volume is bound
            "--secure-port=0",  # one port less to find; nobody reads its metrics
            f"--node-monitor-grace-period={self._timing.node_lost_seconds}s",
        ]

    def _scheduler_argv(self) -> list[str]:
        return [
            self._binaries["kube-scheduler"],
            f"--kubeconfig={self.certificates.folder / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--secure-port=0",
        ]


def _tls_flags(prefix: str, server: KeyPair, ca: Path) -> list[str]:
    """Flags of etcd for a listener that only certificates of this cluster may reach."""
    return [
        f"--{prefix}cert-file={server.certificate}",
        f"--{prefix}key-file={server.key}",
        f"--{prefix}trusted-ca-file={ca}",
        f"--{prefix}client-cert-auth",
    ]
