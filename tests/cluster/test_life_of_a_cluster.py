"""Up, down, again, and side by side."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hack.cluster.control_plane import ControlPlane
from hack.cluster.fixtures import new_namespace
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions
from hack.cluster.ports import is_free
from hack.cluster.processes import Identity, identify
from hack.cluster.teardown import running_processes, stop_cluster
from hack.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster

_OWNER = """
import sys, time
from pathlib import Path
from hack.cluster.local import LocalCluster
with LocalCluster(Path(sys.argv[1])) as cluster:
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever runs in it is stopped after the test."""
    yield tmp_path / "state"
    stop_cluster(tmp_path / "state")


def _identities(state_dir: Path) -> list[Identity]:
    found = [process.identity for process in running_processes(state_dir).values()]
    return [identity for identity in found if identity is not None]


def test_a_second_start_keeps_the_processes_and_a_third_the_data(state_dir: Path) -> None:
    cluster = LocalCluster(state_dir)
    cluster.start()
    first = _identities(state_dir)
    assert len(first) == 4
    cluster.start()
    assert _identities(state_dir) == first
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
    cluster.control_plane.admin.request("POST", "/api/v1/namespaces", namespace)

    cluster.stop()
    assert not any(identity.is_alive() for identity in first)
    assert not _identities(state_dir)

    cluster.start()
    assert cluster.control_plane.admin.find("/api/v1/namespaces/kept") is not None


def test_two_clusters_do_not_meet(cluster: LocalCluster, state_dir: Path) -> None:
    with LocalCluster(state_dir) as other:
        with new_namespace(other) as namespace:
            path = f"/api/v1/namespaces/{namespace.name}"
            assert other.control_plane.admin.find(path) is not None
            assert cluster.control_plane.admin.find(path) is None
        mixed = ControlPlane(state_dir, other.binaries)
        mixed.certificates.ca = cluster.control_plane.certificates.ca
        assert mixed.admin.find("/readyz") is None, "one trusts the other's certificates"
    assert cluster.control_plane.is_ready()


def test_a_killed_owner_leaves_nothing_running(state_dir: Path) -> None:
    argv = [sys.executable, "-c", _OWNER, str(state_dir)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        identities = _identities(state_dir)
        assert len(identities) == 5
        owner.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(i.is_alive() for i in identities), "all processes to end")


def test_the_command_line_brings_a_whole_cluster_up_and_down(state_dir: Path) -> None:
    command = [sys.executable, "-m", "hack.cluster"]
    options = ["--state", str(state_dir)]
    up = subprocess.run(
        [*command, "up", *options, "--node", "--postgres"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert up.returncode == 0, up.stderr
    assert f"export KUBECONFIG={state_dir}/kubeconfig" in up.stderr
    identities = _identities(state_dir)
    assert len(identities) == 6

    url = (state_dir / "database-url").read_text().strip()
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row == (str(state_dir / "postgres"),)

    subprocess.run([*command, "down", *options], check=True)
    assert not any(identity.is_alive() for identity in identities)
    assert is_free(int(url.rpartition(":")[2].partition("/")[0]))
    status = subprocess.run([*command, "status", *options], check=False)
    assert status.returncode == 1


def test_a_process_is_known_by_more_than_its_pid() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    identity = identify(child.pid)
    assert identity is not None
    stranger = Identity(identity.pid, identity.start_time - 1, identity.boot_id)
    stranger.signal(signal.SIGKILL)
    assert child.poll() is None
    identity.signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not identity.is_alive()


def test_an_agent_is_started_anew_for_other_options(cluster: LocalCluster) -> None:
    node = cluster.add_node("changing", NodeOptions(env={"A": "1"}))
    first = node.process.identity
    assert cluster.add_node("changing", NodeOptions(env={"A": "1"})).process.identity == first
    assert cluster.add_node("changing", NodeOptions(env={"A": "2"})).process.identity != first
    node.stop()
    cluster.control_plane.admin.request("DELETE", "/api/v1/nodes/changing")
