"""One control plane with one operator, and what every scenario does with them."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from benchmarks.operator import jobs
from benchmarks.operator.client import CONNECTIONS, Children, Client
from benchmarks.operator.contenders import (
    ROOT,
    Contender,
    Running,
    cpu_seconds,
    is_operators,
    running,
)
from hack.cluster.audit import Write
from hack.cluster.control_plane import ControlPlaneOptions, Timing
from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster

Key = tuple[str, str]
"""Namespace and name of a TenysonJob."""

STEADY_QPS, DRAINING_QPS = 50, 500
"""Requests a second of Kubernetes' own Job controller, while measuring and afterwards."""
NAMESPACES = ("research", "quiet", "fresh")
_QUIET_SECONDS, _QUIET_SHARE = 3.0, 0.02


class Bed:
    """What a scenario works with."""

    def __init__(
        self, cluster: LocalCluster, client: Client, contender: Contender, operator: Running
    ) -> None:
        self.cluster = cluster
        self.client = client
        self.contender = contender
        self.operator = operator
        self.children = Children(client)
        self.sent_at: dict[Key, float] = {}

    # The load

    async def create(self, key: Key) -> None:
        """Creates a TenysonJob; its clock starts before the request."""
        namespace, name = key
        body = jobs.manifest(name, namespace)
        self.sent_at[key] = time.perf_counter()
        await self.client.call("POST", _path((namespace, "")), body)

    async def create_at_rate(self, keys: list[Key], rate: float) -> None:
        """Creates jobs, `rate` a second."""
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, key in enumerate(keys):
                await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
                group.create_task(self.create(key))

    async def create_at_once(self, keys: Iterable[Key]) -> None:
        """Creates jobs as fast as the API server takes them, over some connections."""
        left = iter(keys)

        async def sender() -> None:
            for key in left:
                await self.create(key)

        await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))

    async def warm_up(self) -> None:
        """Returns once the operator serves: imports, connections and caches are behind us."""
        keys = {("fresh", f"warm-{number}") for number in range(3)}
        await self.create_at_once(keys)
        await self.served(keys, 60)
        await self.settle()

    async def served(self, keys: set[Key], seconds: float) -> None:
        """Returns once each of the jobs has a child Job."""
        waiting = asyncio.create_task(self.children.wait_for(keys, seconds))
        while not waiting.done():
            self.operator.check()
            await asyncio.wait([waiting], timeout=1.0)
        try:
            await waiting
        except TimeoutError as error:
            without = sorted(keys - self.children.seen_at.keys())
            first = await self.client.call("GET", _path(without[0]))
            raise RuntimeError(
                f"{len(without)} jobs have no child after {seconds:.0f} s: {without[:3]}; the "
                f"first one's status: {first.get('status')}; the end of the operator's log:\n"
                f"{self.operator.log_tail()}"
            ) from error

    def waits(self, keys: Iterable[Key]) -> list[float]:
        """Returns the seconds from each job's creation to its child."""
        return [self.children.seen_at[key] - self.sent_at[key] for key in keys]

    def served_in(self, namespace: str, since: int) -> float:
        """Returns the seconds from a namespace's only job to its child, as the API server saw it.

        In a burst the load's own watch lags a second behind.
        """
        writes = list(self.cluster.control_plane.audit.writes(since))
        made = {
            write.resource: write
            for write in writes
            if (write.namespace, write.verb) == (namespace, "create")
        }
        return made["jobs"].answered_at - made["tenysonjobs"].received_at

    # Until nothing happens any more

    def drain(self) -> None:
        """Lets the Job controller catch up: it makes pods, and the operator hears of each."""
        self.cluster.control_plane.set_controller_manager_qps(DRAINING_QPS)

    async def settle(self, seconds: float = 900.0) -> None:
        """Returns once every child Job has its pod and the operator has come to rest.

        Raises:
            TimeoutError: It has not.
        """
        async with asyncio.timeout(seconds):
            while await self.client.count("/apis/batch/v1/jobs") > await self.client.count(
                "/api/v1/pods"
            ):
                await asyncio.sleep(0.5)
            while await self._cpu_share(_QUIET_SECONDS) > _QUIET_SHARE:
                self.operator.check()

    async def _cpu_share(self, seconds: float) -> float:
        before = self.operator.cpu_seconds()
        await asyncio.sleep(seconds)
        return (self.operator.cpu_seconds() - before) / seconds

    # What it cost

    def mark(self) -> int:
        """Returns a place in the audit log."""
        return self.cluster.control_plane.audit.end()

    def writes(self, since: int, *, events: bool = False) -> list[Write]:
        """Returns the operator's writes since a mark, the renewals of its Lease apart."""
        apart = {"leases"} if events else {"leases", "events"}
        found = self.cluster.control_plane.audit.writes(since)
        return [write for write in found if is_operators(write) and write.resource not in apart]

    def kubernetes_cpu_seconds(self) -> float:
        """Returns the processor time of etcd and the API server."""
        processes = self.cluster.control_plane.processes[:2]
        return sum(cpu_seconds(p.identity.pid) for p in processes if p.identity is not None)

    async def restart(self) -> None:
        """Ends the operator as a rollout does, and starts it again."""
        self.operator.stop()
        log = self.operator.log
        self.operator = self.contender.start(self.cluster.kubeconfig, log)


def _path(key: Key) -> str:
    path = f"/apis/{jobs.API_VERSION}/namespaces/{key[0]}/tenysonjobs"
    return f"{path}/{key[1]}" if key[1] else path


def counted(writes: Iterable[Write]) -> Counter[str]:
    """Returns how many writes there are of each kind: `verb resource code`."""
    return Counter(f"{write.verb} {write.resource} {write.code}" for write in writes)


def told(writes: Iterable[Write]) -> str:
    """Returns writes as a person counts them."""
    return ", ".join(f"{count} x {what}" for what, count in counted(writes).most_common())


@contextlib.asynccontextmanager
async def made(contender: Contender) -> AsyncIterator[Bed]:
    """A bed within the block: its control plane, its operator, namespaces, a warm start."""
    timing = Timing(eviction_seconds=3600)  # nothing keeps the lease of the node that is played
    options = ControlPlaneOptions(audit=True, controller_manager_qps=STEADY_QPS)
    with tempfile.TemporaryDirectory(prefix="tenyson-bench-") as folder:
        place = Path(folder)
        with LocalCluster(place / "cluster", timing=timing, control_plane_options=options) as up:
            await _apply_crds(up)
            async with Client(up.kubeconfig) as client:
                await client.call("POST", jobs.RUNTIMES, jobs.RUNTIME)
                await asyncio.gather(*(_make_namespace(client, name) for name in NAMESPACES))
                with running(contender, up.kubeconfig, place / "log") as operator:
                    bed = Bed(up, client, contender, operator)
                    try:
                        async with bed.children.watched():
                            await bed.warm_up()
                            yield bed
                    finally:
                        bed.operator.stop()


async def _apply_crds(cluster: LocalCluster) -> None:
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    for _ in range(100):
        try:
            cluster.kubectl("get", "tenysonjobs,tenysonruntimes,clustertenysonruntimes")
            return
        except ClusterError:  # a new CRD is served a moment later
            await asyncio.sleep(0.1)
    raise RuntimeError("The CRDs are not served 10 s after they were applied.")


async def _make_namespace(client: Client, name: str) -> None:
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    core = f"/api/v1/namespaces/{name}"
    await client.call("POST", f"{core}/secrets", jobs.SECRET)
    for _ in range(300):
        with contextlib.suppress(RuntimeError):
            await client.call("GET", f"{core}/serviceaccounts/default")
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"Namespace {name} has no service account after 30 s.")
