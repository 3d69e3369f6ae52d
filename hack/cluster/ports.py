"""Free TCP ports of the loopback address, outside the range that the kernel hands out itself."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from hack.cluster.errors import ClusterError

# The kernel's own range begins at 32768, so no outgoing connection can take a port from here
# between its choice and its use.
_FIRST, _LAST = 12000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_ports(names: Iterable[str], wanted: dict[str, int]) -> dict[str, int]:
    """A free port for each name: the wanted one of an earlier start, where it is still free."""
    chosen: dict[str, int] = {}
    for name in names:
        port = wanted.get(name, 0)
        taken = port in chosen.values() or port == 0 or not is_free(port)
        chosen[name] = _any_free_port(set(chosen.values())) if taken else port
    return chosen


def _any_free_port(avoid: set[int]) -> int:
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    raise ClusterError(f"found no free TCP port on 127.0.0.1 between {_FIRST} and {_LAST}")
