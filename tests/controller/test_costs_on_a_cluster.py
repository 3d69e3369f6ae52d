"""What a hundred jobs cost the API server, counted in its audit log: no times, so no noise."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from benchmarks.operator import bed, kubelet, scenarios
from benchmarks.operator.contenders import TENYSON

pytestmark = pytest.mark.cluster

JOBS = 100
IDLE_SECONDS = 4.0
# Why a pod still waits is written at intervals; an endless one keeps the machine's speed out of it.
OPERATOR = replace(
    TENYSON, environment={**TENYSON.environment, "TENYSON_PROGRESS_INTERVAL": "86400"}
)


@dataclass(frozen=True)
class Writes:
    """Writes of the operator, as `verb resource code`."""

    to_start: Counter[str]
    """Until all jobs run; Events apart."""
    of_restart: Counter[str]
    when_idle: Counter[str]


@pytest.fixture(scope="module")
def writes() -> Writes:
    return asyncio.run(_counted())


async def _counted() -> Writes:
    async with bed.made(OPERATOR) as made:
        made.drain()
        await kubelet.join(made.client)
        keys = [("research", f"job-{number}") for number in range(JOBS)]
        mark = made.mark()
        await made.create_at_once(keys)
        await made.served(set(keys), 60)
        await made.settle()
        pods = await kubelet.pods_of(made.client, "research")
        await asyncio.gather(*(kubelet.run(made.client, pod) for pod in pods))
        await scenarios.in_phase(made, JOBS, "Running", 60)
        await made.settle()
        to_start = bed.counted(made.writes(mark))
        mark = made.mark()
        await made.restart()
        await made.create(("fresh", "new"))  # its child tells that the operator serves again
        await made.served({("fresh", "new")}, 60)
        await made.settle()
        of_restart = [w for w in made.writes(mark, events=True) if w.namespace != "fresh"]
        mark = made.mark()
        await asyncio.sleep(IDLE_SECONDS)
        when_idle = made.writes(mark, events=True)
        return Writes(to_start, bed.counted(of_restart), bed.counted(when_idle))


def test_a_job_takes_at_most_four_writes_to_start(writes: Writes) -> None:
    assert writes.to_start["create jobs 201"] == JOBS
    assert writes.to_start.total() <= 4 * JOBS, writes.to_start


def test_a_restart_over_a_hundred_jobs_writes_nothing(writes: Writes) -> None:
    assert not writes.of_restart


def test_an_operator_at_rest_writes_nothing(writes: Writes) -> None:
    assert not writes.when_idle
