"""The network of a real cluster: one bridge on this machine, one network namespace per node.

A node's iptables rules, routes and forwarding are its namespace's own, so that they can neither
meet this machine's nor outlive the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.node.commands import run, succeeds

NETNS_FOLDER = Path("/run/netns")
_NETWORKS = range(1, 250)


@dataclass(frozen=True)
class Network:
    """The addresses and names of one cluster; `number` tells the clusters of a machine apart."""

    number: int

    @property
    def bridge(self) -> str:
        """The bridge on this machine to which the nodes are connected."""
        return f"tny{self.number}"

    @property
    def gateway(self) -> str:
        """This machine's own address on the bridge, where the apiserver listens."""
        return f"10.231.{self.number}.1"

    def address(self, index: int) -> str:
        """A node's address."""
        return f"10.231.{self.number}.{10 + index}"

    def pods(self, index: int) -> str:
        """The addresses of a node's pods."""
        return f"10.{232 + index}.{self.number}.0/24"

    def namespace(self, index: int) -> str:
        """The name of a node's network namespace."""
        return f"{self.bridge}-node{index}"

    def inside(self, index: int) -> list[str]:
        """What goes before a command so that it runs in a node's network."""
        # Not `ip netns exec`: that mounts another /sys, in which a kubelet finds no cgroups.
        return ["nsenter", f"--net={NETNS_FOLDER / self.namespace(index)}", "--"]


def make_network() -> Network:
    """A network with the first free number, and its bridge.

    Raises:
        ClusterError: no number is free, or the kernel makes no bridge.
    """
    for number in _NETWORKS:
        network = Network(number)
        if Path("/sys/class/net", network.bridge).exists():
            continue
        if succeeds("ip", "link", "add", network.bridge, "type", "bridge"):  # else: taken meanwhile
            run("ip", "address", "add", f"{network.gateway}/24", "dev", network.bridge)
            run("ip", "link", "set", network.bridge, "up")
            return network
    raise ClusterError(
        "this kernel makes no bridge (CONFIG_BRIDGE), or 249 clusters are up; see `ip link`"
    )


def connect_node(network: Network, index: int) -> None:
    """Make a node's network namespace, and the routes between it, its peers and this machine."""
    name, port = network.namespace(index), f"{network.bridge}v{index}"
    run("ip", "netns", "add", name)
    run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "link", "set", port, "master", network.bridge, "up")
    for device in ("lo", "eth0"):
        run("ip", "-n", name, "link", "set", device, "up")
    run("ip", "-n", name, "address", "add", f"{network.address(index)}/24", "dev", "eth0")
    run("ip", "-n", name, "route", "add", "default", "via", network.gateway)
    run(*network.inside(index), "sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("ip", "route", "add", network.pods(index), "via", network.address(index))
    for other in range(index):
        for here, there in ((index, other), (other, index)):
            run(
                *("ip", "-n", network.namespace(here), "route", "add", network.pods(there)),
                *("via", network.address(there)),
            )


def remove_network(network: Network) -> None:
    """Remove the namespaces and the bridge; what they hold goes with them."""
    for path in NETNS_FOLDER.glob(f"{network.bridge}-node*"):
        run("ip", "netns", "delete", path.name)
    succeeds("ip", "link", "delete", network.bridge)
