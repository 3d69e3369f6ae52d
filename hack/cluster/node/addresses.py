"""The addresses of pods and Services: each has a loopback address of its own.

All of 127.0.0.0/8 is the machine's own without any set-up, so two pods may listen on one port as
long as each listens on its own address, `status.podIP`. An address follows from what it belongs
to: an agent that starts again gives the same one, and nothing has to be kept.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
"""The address of the node itself."""
_PODS: Final = ipaddress.ip_network("127.64.0.0/10")
_SERVICES: Final = ipaddress.ip_network("127.128.0.0/10")


def pod_address(pod: Mapping[str, Any]) -> str:
    """The pod's address; the node's own for one with `hostNetwork`."""
    if pod["spec"].get("hostNetwork"):
        return LOOPBACK
    return _chosen(_PODS, str(pod["metadata"]["uid"]))


def service_address(state_dir: str, namespace: str, name: str) -> str:
    """The address at which the pods of a node with that state folder reach a Service.

    One that is deleted and made again has it still, as it has its name in a cluster with DNS.
    """
    return _chosen(_SERVICES, f"{state_dir}/{namespace}/{name}")


def _chosen(network: ipaddress.IPv4Network | ipaddress.IPv6Network, text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    # The first and the last address of the network are left out.
    return str(network[1 + int.from_bytes(digest[:8]) % (network.num_addresses - 2)])
