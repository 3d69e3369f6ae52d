"""Two replicas on one cluster: one makes the passes, the other is ready to."""

import base64
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller.certificates import sign
from tenyson.controller.rotation import SERVING_LIFE, Issued, read
from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.clusters import played_cluster
from tests.controller.replicas import Replica, free_ports, push, seconds_until, serial_shown

pytestmark = pytest.mark.cluster
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
SECRETS = "/api/v1/namespaces/default/secrets"
_COUNT = itertools.count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A control plane that no other operator works on, and that logs all writes."""
    from hack.cluster.control_plane import ControlPlaneOptions

    audited = ControlPlaneOptions(audit=True)
    folder = tmp_path_factory.mktemp("cluster")
    with played_cluster(folder, control_plane_options=audited) as running:
        yield running


@pytest.fixture(scope="module")
def api(cluster: Any) -> Api:
    return Api(cluster.kubeconfig)


def writes(cluster: Any, replica: Replica, since: int = 0) -> list[tuple[str, str, str]]:
    """Returns what a replica has written, its lease and Events apart."""
    return [
        (write.verb, write.resource, write.name)
        for write in cluster.control_plane.audit.writes(since)
        if f"({replica.identity})" in write.agent and write.resource not in ("leases", "events")
    ]


Pair = tuple[Replica, Replica]


@pytest.fixture
def pair(cluster: Any, api: Api, tmp_path: Path) -> Iterator[Pair]:
    """The leader and the standby."""
    number = next(_COUNT)
    lease = f"lease-{number}"
    started: list[Replica] = []
    try:
        for name in ("one", "two"):
            started.append(_start(cluster, tmp_path, name, number))
        for replica in started:
            eventually(replica.is_ready)
        holder = eventually(lambda: _holder(api, lease))
        leader = next(r for r in started if r.identity == holder)
        standby = next(r for r in started if r is not leader)
        yield leader, standby
    finally:
        for replica in started:
            replica.wake()
            replica.process.kill()


def _start(cluster: Any, folder: Path, name: str, number: int) -> Replica:
    """Starts a replica of the controller with that number, which has a lease of its own."""
    liveness, status, progress = free_ports(3)
    process = OperatorProcess(
        cluster.kubeconfig, folder / f"{name}.log", liveness,
        {
            "POD_NAME": name, "TENYSON_LEASE_NAME": f"lease-{number}",
            "TENYSON_METRICS_PORT": str(status), "TENYSON_METRICS_BIND": "127.0.0.1",
            "TENYSON_PROGRESS_PORT": str(progress),
            "TENYSON_PROGRESS_CERT_SECRET": f"tls-{number}",
            "TENYSON_PROGRESS_ADVERTISE": "127.0.0.1",
        },
    )  # fmt: skip
    process.start()
    return Replica(process, status, progress)


def _holder(api: Api, lease: str) -> str:
    return str(((api.get(f"{LEASES}/{lease}") or {}).get("spec") or {}).get("holderIdentity", ""))


def test_the_leader_alone_writes_and_both_are_ready(
    cluster: Any, pair: Pair, ns: Namespace
) -> None:
    leader, standby = pair
    since = cluster.control_plane.audit.end()
    for number in range(5):
        ns.create(f"j{number}")
    for number in range(5):
        assert ns.child(f"j{number}-a0")
    assert len(writes(cluster, leader, since)) >= 5
    assert writes(cluster, standby, since) == []
    assert (leader.metric("tenyson_leader"), standby.metric("tenyson_leader")) == (1, 0)
    assert leader.is_ready()
    assert standby.is_ready()
    assert leader.process.health()
    assert standby.process.health()
    assert eventually(lambda: standby.metric("tenyson_jobs", 'type="SFT"') >= 5)


def test_a_leader_that_is_killed_is_followed_within_20_seconds(pair: Pair, ns: Namespace) -> None:
    leader, standby = pair
    ns.create("before")
    assert ns.child("before-a0")
    leader.process.kill()
    ns.create("after")
    assert seconds_until(lambda: "after-a0" in ns.children()) < 20
    assert standby.is_ready()
    assert ns.children() == ["after-a0", "before-a0"]


def test_a_leader_that_is_stopped_is_followed_within_3_seconds(
    api: Api, pair: Pair, ns: Namespace
) -> None:
    leader, standby = pair
    assert leader.process.process is not None
    lease = leader.process.environment["TENYSON_LEASE_NAME"]
    stopped_at = time.monotonic()
    leader.process.process.terminate()
    eventually(lambda: _holder(api, lease) == standby.identity)
    ns.create("after")
    assert ns.child("after-a0")
    assert time.monotonic() - stopped_at < 3
    assert leader.process.process.wait(10) == 0
    assert standby.is_ready()
    assert standby.metric("tenyson_leader_transitions") == 1


def test_a_leader_that_stood_still_for_20_seconds_writes_nothing_when_it_wakes(
    cluster: Any, pair: Pair, api: Api, ns: Namespace
) -> None:
    leader, standby = pair
    jobs = [f"j{number}" for number in range(60)]
    for job in jobs:
        ns.create(job)
    # It is in the middle of them.
    leader.pause()
    paused_at = time.monotonic()
    lease = leader.process.environment["TENYSON_LEASE_NAME"]
    eventually(lambda: _holder(api, lease) == standby.identity)
    ns.create("new")
    eventually(lambda: ns.children() == sorted(f"{job}-a0" for job in [*jobs, "new"]))
    time.sleep(max(0.0, 20 - (time.monotonic() - paused_at)))
    since = cluster.control_plane.audit.end()
    leader.wake()
    eventually(leader.is_ready)
    # It may answer a scrape before it has looked at the clock; it must not write before that.
    eventually(lambda: leader.metric("tenyson_leader") == 0)
    time.sleep(3)
    assert writes(cluster, leader, since) == []
    assert leader.process.health()
    assert _holder(api, lease) == standby.identity


def held(api: Api, path: str) -> Issued:
    """Returns what the Secret of the certificate holds."""
    data = (api.get(path) or {})["data"]
    return read({name: base64.b64decode(text).decode() for name, text in data.items()})


def test_a_standby_hands_progress_on_to_the_leader(cluster: Any, pair: Pair, ns: Namespace) -> None:
    leader, standby = pair
    since = cluster.control_plane.audit.end()
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    eventually(lambda: push(standby, ns, "j-a0", token, 3) == 200)
    eventually(lambda: ns.status("j").get("progress", {}).get("step") == 3)
    assert writes(cluster, standby, since) == []
    assert push(standby, ns, "j-a0", token[:-6] + "AAAAAA", 4) == 401
    ns.create("other")
    stranger = ns.token(ns.run_pod("other-a0"), PROGRESS_AUDIENCE)
    assert push(standby, ns, "j-a0", stranger, 4) == 403
    leader.process.kill()
    assert push(standby, ns, "j-a0", token, 5) == 503
    eventually(lambda: push(standby, ns, "j-a0", token, 6) == 200)
    eventually(lambda: ns.status("j").get("progress", {}).get("step") == 6)


def test_a_certificate_that_is_due_is_renewed_and_shown_by_both_while_a_pod_reports(
    api: Api, pair: Pair, ns: Namespace
) -> None:
    leader, standby = pair
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    eventually(lambda: push(leader, ns, "j-a0", token, 1) == 200)
    eventually(lambda: push(standby, ns, "j-a0", token, 1) == 200)
    path = f"{SECRETS}/{leader.process.environment['TENYSON_PROGRESS_CERT_SECRET']}"
    authorities = held(api, path).authorities
    began = datetime.now(UTC) - timedelta(days=61)
    due = Issued(authorities, sign(authorities[0], ("127.0.0.1",), began, SERVING_LIFE))
    data = {name: base64.b64encode(text.encode()).decode() for name, text in due.data().items()}
    api.merge(path, {"data": data})
    while held(api, path).data() == due.data():
        assert [push(replica, ns, "j-a0", token, 2) for replica in pair] == [200, 200]
        time.sleep(0.5)  # both come to the leader, which takes five a second of one pod
    renewed = held(api, path).serving.certificate.serial_number
    eventually(lambda: {serial_shown(replica) for replica in pair} == {renewed})
    assert [push(replica, ns, "j-a0", token, 3) for replica in pair] == [200, 200]


def test_a_second_controller_of_the_same_namespaces_is_noticed_and_a_takeover_is_none(
    cluster: Any, api: Api, pair: Pair, ns: Namespace, tmp_path: Path
) -> None:
    foreign = "tenyson_foreign_status_writes_total"
    leader, standby = pair
    ns.create("before")
    ns.run_pod("before-a0")
    ns.phase("before", "Running")
    leader.process.kill()
    eventually(lambda: standby.metric("tenyson_leader") == 1)
    ns.end_pod("before-a0", 0, result())
    ns.phase("before", "Succeeded")
    assert standby.metric(foreign) == 0

    other = _start(cluster, tmp_path, "other", next(_COUNT))
    try:
        eventually(lambda: other.is_ready() and other.metric("tenyson_leader") == 1)
        for number in range(5):
            ns.create(f"j{number}")
            ns.run_pod(f"j{number}-a0")
            ns.phase(f"j{number}", "Running")
            ns.end_pod(f"j{number}-a0", 0, result())
            ns.phase(f"j{number}", "Succeeded")
        eventually(lambda: standby.metric(foreign) + other.metric(foreign) > 0)
        noticed = standby if standby.metric(foreign) else other
        assert "somebody else has written its status" in noticed.process.log.read_text()
    finally:
        other.process.kill()
