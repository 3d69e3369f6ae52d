"""A kubelet of one node, and the kube-proxy that makes Services reachable on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hack.cluster.certificates import Certificates
from hack.cluster.files import write_atomically
from hack.cluster.processes import Supervised
from hack.node.network import Network

CLUSTER_DNS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"


class Kubelet:
    """The kubelet of the node with an index."""

    def __init__(self, state_dir: Path, network: Network, index: int, program: Path) -> None:
        self.name = f"node{index}"
        self.process = Supervised(state_dir, f"{self.name}-kubelet")
        self._folder = state_dir / self.name / "kubelet"
        self._network, self._index, self._program = network, index, program

    def start(self, certificates: Certificates, server: str, socket: Path, cgroup: str) -> None:
        """Start it unless it runs."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        address = self._network.address(self._index)
        client, serving = certificates.node(self.name, address)
        kubeconfig, config = self._folder / "kubeconfig", self._folder / "config.yaml"
        write_atomically(kubeconfig, certificates.kubeconfig(client, server))
        # Nothing outside is reached from a pod, and a loopback resolver of this machine would loop.
        write_atomically(self._folder / "resolv.conf", "")
        content = self._config(certificates.ca.certificate, socket, cgroup)
        content |= {"tlsCertFile": str(serving.certificate), "tlsPrivateKeyFile": str(serving.key)}
        write_atomically(config, yaml.safe_dump(content))
        self.process.start(
            [
                *self._network.inside(self._index),
                str(self._program),
                f"--config={config}",
                f"--kubeconfig={kubeconfig}",
                f"--hostname-override={self.name}",
                f"--node-ip={address}",
                f"--root-dir={self._folder}",
                f"--cert-dir={self._folder / 'pki'}",
            ]
        )

    def _config(self, ca: Path, socket: Path, cgroup: str) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self._network.address(self._index),
            "readOnlyPort": 0,
            "healthzPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(ca)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "clusterDNS": [CLUSTER_DNS],
            "clusterDomain": CLUSTER_DOMAIN,
            "resolvConf": str(self._folder / "resolv.conf"),
            "podLogsDir": str(self._folder / "pod-logs"),
            "volumePluginDir": str(self._folder / "volume-plugins"),
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            # A machine that is nearly full is no reason for a test's pods to be evicted.
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "nodeStatusUpdateFrequency": "4s",
            "nodeStatusReportFrequency": "10s",
        }


class Proxy:
    """The kube-proxy of the node with an index."""

    def __init__(self, state_dir: Path, network: Network, index: int, program: Path) -> None:
        self.process = Supervised(state_dir, f"node{index}-kube-proxy")
        self._folder = state_dir / f"node{index}" / "kube-proxy"
        self._name, self._network, self._index = f"node{index}", network, index
        self._program = program

    def start(self, certificates: Certificates, server: str) -> None:
        """Start it unless it runs."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kubeconfig, config = self._folder / "kubeconfig", self._folder / "config.yaml"
        write_atomically(kubeconfig, certificates.kubeconfig(certificates.pair("proxy"), server))
        write_atomically(config, yaml.safe_dump(self._config(kubeconfig)))
        inside = self._network.inside(self._index)
        self.process.start([*inside, str(self._program), f"--config={config}"])

    def _config(self, kubeconfig: Path) -> dict[str, Any]:
        address = self._network.address(self._index)
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": self._name,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": self._network.pods(self._index),
            "healthzBindAddress": f"{address}:10256",
            "metricsBindAddress": f"{address}:10249",
            # The table of connections is the whole machine's: its size is not ours to set.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
            "iptables": {"minSyncPeriod": "100ms"},
        }
