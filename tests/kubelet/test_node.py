"""The node itself: what the tests of Tenyson on it rely on."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.waiting import wait_for
from hack.node.images import SHELL
from hack.node.network import NETNS_FOLDER
from hack.node.real import RealCluster
from tests.kubelet.pods import Namespace, restricted_namespace, shell_pod, terminated

pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def namespace(cluster: RealCluster) -> Iterator[Namespace]:
    with restricted_namespace(cluster) as own:
        yield own


def test_a_restricted_pod_runs_without_root_rights_or_a_writable_root(namespace: Namespace) -> None:
    script = "id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; echo x > /file"
    pod = namespace.run("restricted", script)
    said = namespace.log("restricted")
    assert "65532" in said
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said
    assert "Seccomp:\t2" in said
    assert "Read-only file system" in said
    assert terminated(pod)["exitCode"] == 1


def test_a_pod_that_asks_for_more_is_refused_by_the_namespace(namespace: Namespace) -> None:
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        namespace.apply(shell_pod("root", "id", securityContext={"runAsUser": 0}))


def test_a_service_is_found_by_name_and_leads_to_a_pod_on_another_node(
    namespace: Namespace,
) -> None:
    script = "while true; do echo -e 'HTTP/1.0 200 OK\\n\\nhello from '$NODE | nc -l -p 8000; done"
    node = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    probe = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
    container = {"env": [node], "readinessProbe": probe}
    namespace.apply(shell_pod("server", script, nodeName="node1", container=container))
    namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hello"},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8000}]},
        }
    )
    namespace.ready("server")
    # This shell's wget cannot resolve names, for want of a C library; its nslookup can.
    lookup = f"nslookup hello.{namespace.name}.svc.cluster.local | tail -n 2 | grep Address"
    request = r"printf 'GET / HTTP/1.0\r\n\r\n'"
    ask = f"set -- $({lookup}) && {request} | nc -w 2 $2 80 && exit 0"
    tries = f"for i in 1 2 3 4 5 6 7 8 9; do {ask}; sleep 1; done; exit 1"
    namespace.run("client", tries, nodeName="node0")
    assert "hello from node1" in namespace.log("client")


def test_a_pod_reaches_the_api_server_by_its_service(namespace: Namespace) -> None:
    # Plain HTTP, which the API server answers with what it is.
    request = r"printf 'GET / HTTP/1.0\r\n\r\n'"
    namespace.run("api", f"{request} | nc -w 5 $KUBERNETES_SERVICE_HOST 443; true")
    assert "HTTP request to an HTTPS server" in namespace.log("api")


def test_a_container_over_its_memory_limit_is_oom_killed(namespace: Namespace) -> None:
    container = {"resources": {"limits": {"memory": "16Mi"}}}
    pod = namespace.run("greedy", "head -c 100000000 /dev/zero | tail", container=container)
    assert terminated(pod)["reason"] == "OOMKilled"


def test_an_image_that_does_not_exist_keeps_the_pod_waiting_with_a_reason(
    namespace: Namespace,
) -> None:
    namespace.apply(shell_pod("imageless", "true", container={"image": "localhost/none:1"}))

    def reason(pod: dict) -> str:  # type: ignore[type-arg]
        statuses = pod["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))

    namespace.wait_for_pod("imageless", lambda p: "Image" in reason(p), "waiting for its image")


def test_a_kubelet_that_restarts_finds_its_pods_as_they_were(
    cluster: RealCluster, namespace: Namespace
) -> None:
    namespace.apply(shell_pod("steady", "sleep 600", nodeName="node0"))
    before = namespace.ready("steady")
    cluster.nodes[0].stop_kubelet()
    cluster.nodes[0].start_kubelet()
    cluster.nodes[0].wait_until_ready()
    after = namespace.ready("steady")
    [old], [new] = (p["status"]["containerStatuses"] for p in (before, after))
    assert (new["containerID"], new["restartCount"]) == (old["containerID"], 0)


def test_a_killed_owner_leaves_no_process_no_mount_no_network_and_no_cgroup(
    tmp_path: Path,
) -> None:
    state = tmp_path / "s"
    program = (
        "import pathlib, sys, time\n"
        "from hack.node.real import RealCluster\n"
        "with RealCluster(pathlib.Path(sys.argv[1])) as cluster:\n"
        f"    cluster.kubectl('run', 'left', '--image={SHELL}', '--', '-c', 'sleep 600')\n"
        "    cluster.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/left')\n"
        "    print(cluster.network.bridge, flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(state)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert owner.stdout is not None
    bridge = owner.stdout.readline().strip()
    assert bridge, "the cluster did not start"
    left = Left(state, bridge)
    assert all(left.everything())
    owner.kill()
    owner.wait()
    wait_for(lambda: not any(left.everything()), "nothing to be left", 60.0, poll_seconds=0.5)


class Left:
    """What of a cluster is still there."""

    def __init__(self, state: Path, bridge: str) -> None:
        self.state, self.bridge = state, bridge

    def everything(self) -> tuple[Sequence[object], ...]:
        return self.processes(), self.mounts(), self.networks(), self.cgroups()

    def processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if str(self.state) in words:
                found.append(words)
        return found

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if f"{self.state}/" in line.split()[4]]

    def networks(self) -> list[Path]:
        devices = Path("/sys/class/net")
        found = [*devices.glob(f"{self.bridge}v*"), *NETNS_FOLDER.glob(f"{self.bridge}-*")]
        return found + [path for path in [devices / self.bridge] if path.exists()]

    def cgroups(self) -> list[Path]:
        folder = Path("/sys/fs/cgroup")
        return [*folder.glob(self.bridge), *folder.glob(f"*/{self.bridge}")]
