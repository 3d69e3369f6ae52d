"""Leader election: one at a time, at once after a clean stop, and by nobody else's clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from tenyson.controller.cluster import ApiError
from tenyson.controller.fence import Fence
from tenyson.controller.leader import Elector, own_identity
from tenyson.controller.lease import Candidate

ME = Candidate("n", "l", "a", duration_seconds=0.3, renew_seconds=0.2, retry_seconds=0.04)


class Server:
    """An API server that keeps one Lease."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.version = 0
        self.is_away = False

    async def lease(self, namespace: str, name: str) -> Any:
        await self._answer()
        if self.kept is None:
            raise ApiError(404, "NotFound", "none")
        return self.kept

    async def create_lease(self, body: Any) -> Any:
        await self._answer()
        if self.kept is not None:
            raise ApiError(409, "AlreadyExists", "exists")
        return self.keep(body)

    async def replace_lease(self, body: Any) -> Any:
        await self._answer()
        if self.kept is None:
            raise ApiError(404, "NotFound", "none")
        if body["metadata"]["resourceVersion"] != self.kept["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "changed")
        return self.keep(body)

    def keep(self, body: Any) -> Any:
        self.version += 1
        meta = {**body["metadata"], "resourceVersion": str(self.version)}
        self.kept = {**body, "metadata": meta}
        return self.kept

    def edit(self, **spec: Any) -> None:
        """Changes the lease as somebody else would."""
        self.keep({**self.kept, "spec": {**self.kept["spec"], **spec}})

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise ApiError(0, "Unreachable", "away")


class Replica:
    """A candidate, and whether it works."""

    def __init__(self, server: Server, identity: str = "a", **changes: Any) -> None:
        self.fence = Fence()
        me = replace(ME, identity=identity, **changes)
        self.elector = Elector(server, me, self.fence)
        self.works = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> "Replica":
        self.task = asyncio.create_task(self.elector.run(self.lead))
        return self

    async def lead(self) -> None:
        self.works = True
        try:
            await asyncio.Event().wait()
        finally:
            self.works = False

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def started() -> AsyncIterator[Callable[..., Replica]]:
    replicas: list[Replica] = []

    def start(server: Server, identity: str = "a", **changes: Any) -> Replica:
        replicas.append(Replica(server, identity, **changes).start())
        return replicas[-1]

    yield start
    for replica in replicas:
        await replica.stop()


async def until(what: Callable[[], bool], seconds: float = 5.0) -> float:
    """Waits for something, and returns how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)
    return loop.time() - began


async def test_of_two_replicas_one_leads(started: Any) -> None:
    server = Server()
    replicas = [started(server, name) for name in ("a", "b")]
    await until(lambda: any(replica.works for replica in replicas))
    for _ in range(50):
        assert sum(replica.works for replica in replicas) == 1
        assert sum(replica.fence.is_open for replica in replicas) == 1
        await asyncio.sleep(0.01)
    assert server.kept["spec"]["leaseTransitions"] == 0


async def test_after_a_clean_stop_the_other_leads_at_once(started: Any) -> None:
    server = Server()
    first = started(server, "a", duration_seconds=60)
    await until(lambda: first.works)
    second = started(server, "b", duration_seconds=60)
    await asyncio.sleep(0.05)
    await first.stop()
    assert not first.fence.is_open
    assert await until(lambda: second.works) < 1
    assert server.kept["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_is_lost_is_followed_when_its_lease_has_run_out(started: Any) -> None:
    server = Server()
    first = started(server, "a")
    await until(lambda: first.works)
    server.edit(holderIdentity="lost")
    second = started(server, "b")
    assert await until(lambda: second.works) >= 0.3


@pytest.mark.parametrize("shown", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
async def test_the_holders_clock_means_nothing(started: Any, shown: str) -> None:
    server = Server()
    first = started(server, "a")
    await until(lambda: first.works)
    await first.stop()
    server.edit(holderIdentity="skewed", renewTime=shown, acquireTime=shown, leaseDurationSeconds=0)
    second = started(server, "b")
    assert 0.3 <= await until(lambda: second.works) < 1


async def test_a_holder_that_renews_is_left_alone(started: Any) -> None:
    server = Server()
    first = started(server, "a")
    await until(lambda: first.works)
    await first.stop()
    server.edit(holderIdentity="other")
    second = started(server, "b")
    for number in range(10):
        await asyncio.sleep(0.1)
        server.edit(renewTime=str(number))
        assert not second.works


async def test_a_restarted_container_takes_back_its_own_lease_at_once(started: Any) -> None:
    server = Server()
    before = started(server, "pod-1", duration_seconds=60)
    await until(lambda: before.works)
    server.is_away = True  # It dies without a word.
    await before.stop()
    server.is_away = False
    again = started(server, "pod-1", duration_seconds=60)
    assert await until(lambda: again.works) < 1
    assert server.kept["spec"]["leaseTransitions"] == 0


async def test_without_the_api_server_a_leader_stops_and_later_leads_again(started: Any) -> None:
    server = Server()
    replica = started(server)
    await until(lambda: replica.works)
    server.is_away = True
    await until(lambda: not replica.works)
    assert not replica.fence.is_open
    server.is_away = False
    await until(lambda: replica.works and replica.fence.is_open)


async def test_writes_are_refused_before_a_leader_that_stood_still_has_noticed(
    started: Any,
) -> None:
    now = [100.0]
    server, fence = Server(), Fence(clock=lambda: now[0])
    elector = Elector(server, ME, fence, clock=lambda: now[0])
    assert await elector._try()
    assert fence.is_open
    now[0] += 0.2
    assert not fence.is_open


async def test_a_lease_taken_by_another_ends_the_leadership_at_once(started: Any) -> None:
    server = Server()
    replica = started(server, renew_seconds=30)
    await until(lambda: replica.works)
    server.edit(holderIdentity="other")
    await until(lambda: not replica.works, 1)
    await asyncio.sleep(0.1)
    assert server.kept["spec"]["holderIdentity"] == "other"


async def test_an_edit_of_the_lease_or_its_deletion_costs_no_leadership(started: Any) -> None:
    server = Server()
    replica = started(server)
    await until(lambda: replica.works)
    server.edit(somebody="was here")
    version = server.version
    await until(lambda: server.version > version + 1)
    assert replica.works
    server.kept = None
    await until(lambda: server.kept is not None)
    assert replica.works


async def test_a_bug_in_the_leaders_work_is_raised_and_not_hidden_by_the_election() -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(Elector(Server(), ME, Fence()).run(broken), 5)


async def test_the_standby_knows_what_the_leader_tells_about_itself(started: Any) -> None:
    server = Server()
    leader = started(server, "a", annotations={"address": "https://10.0.0.1:8443"})
    await until(lambda: leader.works)
    standby = started(server, "b", annotations={"address": "https://10.0.0.2:8443"})
    await until(lambda: standby.elector.holder == "a")
    assert standby.elector.annotation("address") == "https://10.0.0.1:8443"


def test_a_pods_name_is_its_identity_and_elsewhere_two_processes_differ() -> None:
    assert own_identity({"POD_NAME": "tenyson-0"}) == "tenyson-0"
    assert own_identity({}) != own_identity({})
