"""What is measured. Each scenario returns its figures by name, with the unit at the name's end."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.operator import bed, jobs, kubelet
from benchmarks.operator.bed import Bed, Key
from benchmarks.operator.contenders import Contender

Figures = dict[str, float]

_LONG_SECONDS = 3600.0
_LATE_SECONDS = 15.0
"""How late a status is written that only says the same in other words."""


async def at_a_rate(contender: Contender, count: int, rate: float) -> Figures:
    """Jobs one after the other: from each creation to its child Job."""
    async with bed.made(contender) as made:
        keys = _keys(count)
        cost = _Cost(made)
        await made.create_at_rate(keys, rate)
        await made.served(set(keys), 60)
        made.drain()
        await made.settle()
        return {**_spread(made.waits(keys)), **cost.per_job(count)}


async def burst(
    contender: Contender, count: int, *, restarts: bool = False, idle_seconds: float = 0.0
) -> Figures:
    """All jobs at once, and one of another namespace amid them; then, if asked, what follows."""
    async with bed.made(contender) as made:
        keys = _keys(count)
        cost = _Cost(made)
        began = time.perf_counter()
        sending = asyncio.create_task(made.create_at_once(keys))
        while len(made.sent_at) < count // 2:
            await asyncio.sleep(0.01)
        other = ("quiet", "amid")
        await made.create(other)
        await sending
        await made.served({*keys, other}, 60 + count / 2)
        last = max(made.children.seen_at[key] for key in keys)
        made.drain()
        await made.settle()
        figures = {
            "children_per_s": count / (last - began),
            "longest_wait_s": max(made.waits(keys)),
            "other_namespace_wait_s": made.served_in(other[0], cost.mark),
            **cost.per_job(count),
            **_memory(made, ""),
        }
        if restarts:
            figures |= await restart(made)
        if idle_seconds:
            figures |= await idle(made, idle_seconds)
        return figures


async def many(contender: Contender, count: int, idle_seconds: float) -> Figures:
    """Ten thousand jobs that wait for a GPU, each with its child Job and its pod."""
    async with bed.made(contender) as made:
        made.drain()
        keys = _keys(count)
        await made.create_at_once(keys)
        await made.served(set(keys), 60 + count / 2)
        await made.settle(_LONG_SECONDS)
        figures = _memory(made, "")
        figures |= await restart(made)
        return figures | await idle(made, idle_seconds)


async def restart(made: Bed) -> Figures:
    """A rollout over the jobs that are there; a new job is created as the process starts."""
    await made.settle(_LONG_SECONDS)
    new = ("fresh", "after-restart")
    mark, began = made.mark(), time.perf_counter()
    await made.restart()
    started = time.perf_counter()
    await made.create(new)
    await made.served({new}, 120)
    served = made.children.seen_at[new] - started
    await made.settle()
    others = [write for write in made.writes(mark, events=True) if write.namespace != "fresh"]
    if others:
        print(f"  writes of the restart: {bed.told(others)}")
    return {
        "restart_served_s": served,
        "restart_down_s": started - began,
        "restart_writes": len(others),
        "restart_cpu_s": made.operator.cpu_seconds(),
        **_memory(made, "restart_"),
    }


async def idle(made: Bed, seconds: float) -> Figures:
    """Nothing happens; what is written late on purpose has been written."""
    await asyncio.sleep(_LATE_SECONDS)
    await made.settle()
    mark, before = made.mark(), made.operator.cpu_seconds()
    await asyncio.sleep(seconds)
    share = (made.operator.cpu_seconds() - before) / seconds
    writes = made.writes(mark, events=True)
    return {"idle_writes_per_s": len(writes) / seconds, "idle_cpu_percent": 100 * share}


async def life(contender: Contender, count: int) -> Figures:
    """Some jobs from their creation to their end; the load plays the kubelet."""
    async with bed.made(contender) as made:
        keys = _keys(count)
        mark = made.mark()
        await made.create_at_once(keys)
        await made.served(set(keys), 60)
        await made.settle()
        await kubelet.join(made.client)
        pods = await kubelet.pods_of(made.client, "research")
        await asyncio.gather(*(kubelet.run(made.client, pod) for pod in pods))
        await in_phase(made, count, "Running", 60)
        await made.settle()
        to_start = made.writes(mark)
        await kubelet.succeed_all(made.client, pods, jobs.result())
        await in_phase(made, count, "Succeeded", 60)
        await made.settle()
        in_all = made.writes(mark)
        events = len(made.writes(mark, events=True)) - len(in_all)
        print(f"  writes of {count} lives: {bed.told(in_all)}; {events} of Events")
        return {
            "writes_to_start": len(to_start) / count,
            "writes_in_all": len(in_all) / count,
            "writes_of_events": events / count,
        }


async def failover(contender: Contender, count: int) -> Figures:
    """Two replicas over some jobs; the one that leads is killed, and a job is created at once."""
    async with bed.made(_named(contender, "first")) as made:
        keys = _keys(count)
        await made.create_at_once(keys)
        await made.served(set(keys), 60)
        log = made.operator.log.with_name("standby")
        second = _named(contender, "second").start(made.cluster.kubeconfig, log)
        while "All kinds are listed" not in log.read_text():
            second.check()
            await asyncio.sleep(0.2)
        leader, made.operator = made.operator, second
        leader.kill()
        killed = time.perf_counter()
        new = ("fresh", "after-kill")
        await made.create(new)
        await made.served({new}, 60)
        return {"takeover_s": made.children.seen_at[new] - killed}


def _named(contender: Contender, pod: str) -> Contender:
    return replace(contender, environment={**contender.environment, "POD_NAME": pod})


class _Cost:
    """What the operator has used since this was made."""

    def __init__(self, made: Bed) -> None:
        self._made = made
        self.mark = made.mark()
        self._cpu = made.operator.cpu_seconds()
        self._kubernetes = made.kubernetes_cpu_seconds()

    def per_job(self, count: int) -> Figures:
        made = self._made
        kubernetes = made.kubernetes_cpu_seconds() - self._kubernetes
        return {
            "cpu_ms_per_job": 1000 * (made.operator.cpu_seconds() - self._cpu) / count,
            "writes_per_job": len(made.writes(self.mark)) / count,
            "kubernetes_cpu_ms_per_job": 1000 * kubernetes / count,
        }


async def in_phase(made: Bed, count: int, phase: str, seconds: float) -> None:
    """Returns once so many jobs of the namespace are in the phase."""
    path = f"/apis/{jobs.API_VERSION}/namespaces/research/tenysonjobs"
    async with asyncio.timeout(seconds):
        while True:
            found = 0
            async for job in made.client.items(path):
                found += (job.get("status") or {}).get("phase") == phase
            if found >= count:
                return
            made.operator.check()
            await asyncio.sleep(0.3 + count / 1000)


def _keys(count: int) -> list[Key]:
    return [("research", f"job-{number}") for number in range(count)]


def _spread(seconds: Sequence[float]) -> Figures:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    shown = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(seconds)}
    return {f"{name}_ms": 1000 * value for name, value in shown.items()}


def _memory(made: Bed, prefix: str) -> Figures:
    operator = made.operator
    return {
        f"{prefix}peak_mb": operator.memory_mb("VmHWM"),
        f"{prefix}rss_mb": operator.memory_mb("VmRSS"),
    }
