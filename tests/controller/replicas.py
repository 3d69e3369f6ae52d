"""One of several replicas of the operator, and what can be asked of it."""

import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3
from cryptography import x509

from tenyson.controller import names
from tests.controller.api import Namespace, OperatorProcess, eventually
from tests.controller.reports import report


@dataclass
class Replica:
    """An operator process, with what it says about itself."""

    process: OperatorProcess
    status_port: int
    progress_port: int

    @property
    def identity(self) -> str:
        return self.process.environment["POD_NAME"]

    def ask(self, path: str) -> urllib3.BaseHTTPResponse | None:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        try:
            return pool.request("GET", f"http://127.0.0.1:{self.status_port}{path}")
        except urllib3.exceptions.HTTPError:
            return None

    def is_ready(self) -> bool:
        answer = self.ask("/readyz")
        return answer is not None and answer.status == 200

    def metric(self, name: str, *parts: str) -> float:
        """Returns the sum of a metric's series that have all these parts."""
        answer = self.ask("/metrics")
        assert answer is not None
        lines = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", answer.data.decode(), re.MULTILINE)
        return sum(float(value) for labels, value in lines if all(part in labels for part in parts))

    def pause(self) -> None:
        assert self.process.process is not None
        self.process.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process.process is not None
        self.process.process.send_signal(signal.SIGCONT)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def seconds_until(what: Callable[[], Any]) -> float:
    began = time.monotonic()
    eventually(what)
    return time.monotonic() - began


def push(replica: Replica, ns: Namespace, child: str, token: str, step: int) -> int:
    """Pushes as a pod would whose Service sends it to this replica."""
    template = ns.child(child)["spec"]["template"]
    authority = template["metadata"]["annotations"][names.ANNOTATION_PROGRESS_CA]
    pool = urllib3.PoolManager(
        ssl_context=ssl.create_default_context(cadata=authority), retries=False
    )
    path = names.progress_path(ns.name, child.rsplit("-a", 1)[0], 0)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"https://127.0.0.1:{replica.progress_port}{path}"
    return int(pool.request("POST", url, body=json.dumps(report(step)), headers=headers).status)


def serial_shown(replica: Replica) -> int:
    """Returns the serial number of the certificate that a replica shows."""
    shown = ssl.get_server_certificate(("127.0.0.1", replica.progress_port))
    return x509.load_pem_x509_certificate(shown.encode()).serial_number
