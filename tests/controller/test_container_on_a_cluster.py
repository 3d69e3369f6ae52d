"""The controller as a container runs it: first process, no HOME, nothing that can be written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.controller.api import Api, Namespace, eventually
from tests.controller.faults.fixtures import free_port
from tests.controller.rbac.roles import SYSTEM, bind, namespaced

pytestmark = pytest.mark.cluster

ACCOUNT = "tenyson-in-a-container"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/tenyson-controller"
UID = 65532


@dataclass
class Container:
    """A process that believes to be alone on a read-only disk."""

    arguments: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    first_process: int = 0

    def start(self) -> None:
        told, tell = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bwrap", "--info-fd", str(tell), *self.arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=(tell,),
            )  # fmt: skip
        os.close(tell)
        with os.fdopen(told) as info:
            self.first_process = json.load(info)["child-pid"]

    def terminate(self) -> float:
        """Ends it as the kubelet does, and returns how long that took."""
        assert self.process is not None
        began = time.monotonic()
        os.kill(self.first_process, signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - began

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def container(cluster: Any, api: Api, ns: Namespace, tmp_path: Path) -> Iterator[Container]:
    """The controller of one namespace, with its service account mounted, not yet started."""
    from hack.cluster.system import BUBBLEWRAP, ensure_programs

    ensure_programs([BUBBLEWRAP])
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount",
               "metadata": {"name": ACCOUNT, "namespace": SYSTEM}}  # fmt: skip
    for body in (system, account):
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))
    bind(cluster, namespaced(ns.name), ACCOUNT)
    mounted, status = tmp_path / "account", free_port()
    mounted.mkdir()
    token = cluster.kubectl("create", "token", ACCOUNT, "-n", SYSTEM).strip()
    (mounted / "token").write_text(token)
    authority = cluster.control_plane.certificates.ca.certificate
    (mounted / "ca.crt").write_bytes(authority.read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": api.server.rsplit(":", 1)[1],
        "POD_NAME": "tenyson-0", "POD_NAMESPACE": SYSTEM, "POD_IP": "127.0.0.1",
        "TENYSON_NAMESPACES": ns.name,
        "TENYSON_PROGRESS_ADVERTISE": "tenyson-progress.tenyson-system.svc",
        "TENYSON_PROGRESS_ADVERTISE_PORT": "8443",
        "TENYSON_PROGRESS_CERT_SECRET": "tenyson-progress-certificate",
        "TENYSON_PROGRESS_PORT": "0",
        "TENYSON_METRICS_PORT": str(status),
    }  # fmt: skip
    started = Container(
        [
            "--unshare-all", "--share-net", "--as-pid-1", "--die-with-parent",
            "--uid", str(UID), "--gid", str(UID),
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run",
            "--ro-bind", str(mounted), "/run/secrets/kubernetes.io/serviceaccount",
            "--remount-ro", "/run", "--clearenv",
            *(part for name, value in environment.items() for part in ("--setenv", name, value)),
            sys.executable, "-m", "tenyson.controller",
        ],
        tmp_path / "log",
    )  # fmt: skip
    started.start()
    yield started
    assert started.process is not None
    started.process.kill()
    started.process.wait()


def ready(container: Container) -> bool:
    port = container.arguments[container.arguments.index("TENYSON_METRICS_PORT") + 1]
    try:
        pool = urllib3.PoolManager(retries=False, timeout=2)
        return pool.request("GET", f"http://127.0.0.1:{port}/readyz").status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_it_works_without_a_writable_disk_and_ends_in_seconds_when_told_to(
    container: Container, api: Api
) -> None:
    assert eventually(lambda: ready(container))
    eventually(lambda: (api.get(LEASE) or {})["spec"]["holderIdentity"] == "tenyson-0")
    assert container.terminate() < 10
    assert container.process is not None
    assert container.process.returncode == 0
    assert (api.get(LEASE) or {})["spec"]["holderIdentity"] == ""
    lines = [json.loads(line) for line in container.lines()]
    assert any("has given up the lease" in line["message"] for line in lines)
    assert {line["severity"] for line in lines} <= {"info"}, "nothing to warn of"


def test_pods_are_told_the_services_port_whatever_it_listens_on_itself(
    container: Container,
) -> None:
    eventually(lambda: ready(container))
    told = [json.loads(line)["message"] for line in container.lines()]
    assert "Pods report their progress to https://tenyson-progress.tenyson-system.svc:8443" in told


def test_it_can_be_ended_while_it_still_starts(tmp_path: Path) -> None:
    """A container's first process ignores SIGTERM until it has a handler: here, in mid import."""
    from hack.cluster.system import BUBBLEWRAP, ensure_programs

    ensure_programs([BUBBLEWRAP])
    (tmp_path / "kopf").mkdir()
    (tmp_path / "kopf" / "__init__.py").touch()
    told = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)\n"
    (tmp_path / "kopf" / "cli.py").write_text(told)
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    command = [
        "bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--ro-bind", "/", "/",
        "--dev", "/dev", "--proc", "/proc", "--setenv", "PYTHONPATH", path,
        sys.executable, "-m", "tenyson.controller",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=40)
    assert (done.returncode, done.stderr) == (0, b"")
