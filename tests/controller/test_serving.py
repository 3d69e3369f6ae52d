"""What machines are told about the controller: metrics, alive, ready."""

import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.health import STUCK_SECONDS, Health, UnhealthyError
from tenyson.controller.observed import Report
from tenyson.controller.queue import WorkQueue
from tenyson.controller.serving import PortTakenError, StatusServer
from tenyson.controller.snapshot import Snapshot
from tests.controller.builders import conditions, job_body


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Parts:
    """A controller's parts, without an API server."""

    def __init__(self) -> None:
        self.now = 0.0
        self.queue = WorkQueue(clock=lambda: self.now)
        self.cache = Cache(lambda key, urgent: None)
        self.reports: dict[Any, Report] = {}
        self.health = Health(self.queue, clock=lambda: self.now)
        snapshot = Snapshot(self.queue, self.health, self.cache, self.reports)
        self.server = StatusServer(self.health, snapshot)


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    parts = Parts()
    yield parts
    await parts.server.stop()


async def ask(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_a_scrape_shows_jobs_by_type_and_phase_and_no_name(parts: Parts, port: int) -> None:
    running = {"phase": "Running", "startTime": "2030-01-01T00:00:00Z"}
    gpus = {"nodes": 3, "resources": {"gpus": 2}}
    parts.cache.put_job(job_body("secret-name", status=running, **gpus))
    parts.cache.put_job(job_body("other-name", status=running))
    parts.cache.put_job(job_body("new-name"))
    ended = {"phase": "Succeeded", "conditions": conditions(Complete="True")}
    parts.cache.put_job(job_body("done-name", status=ended, **gpus))
    parts.reports["n", "secret-name"] = Report(0, datetime.now(UTC) - timedelta(seconds=90))
    parts.reports["n", "done-name"] = Report(0, datetime.now(UTC) - timedelta(days=9))
    await parts.server.start("127.0.0.1", port)
    code, text = await ask(port, "/metrics")
    assert code == 200
    assert 'tenyson_jobs{phase="Running",type="SFT"} 2.0' in text
    assert 'tenyson_jobs{phase="New",type="SFT"} 1.0' in text
    assert "tenyson_leader " in text
    assert 'tenyson_gpus{phase="Running"} 6.0' in text
    assert 'tenyson_gpus{phase="New"} 0.0' in text
    assert 'tenyson_gpus{phase="Succeeded"' not in text
    assert re.search(
        r'^tenyson_build_info\{python="3[^}]+version="[^"]+"\} 1.0$', text, re.MULTILINE
    )
    assert "-name" not in text
    (staleness,) = (
        float(line.split()[1])
        for line in text.splitlines()
        if line.startswith("tenyson_progress_staleness_seconds ")
    )
    assert 90 <= staleness < 100


async def test_alive_is_not_ready_before_the_first_lists(parts: Parts, port: int) -> None:
    await parts.server.start("127.0.0.1", port)
    assert (await ask(port, "/livez"))[0] == 200
    code, text = await ask(port, "/readyz")
    assert (code, "not listed yet" in text) == (503, True)


async def test_work_that_waits_while_no_pass_moves_is_a_reason_to_restart(
    parts: Parts, port: int
) -> None:
    await parts.server.start("127.0.0.1", port)
    parts.queue.add(("n", "j"))
    parts.now = STUCK_SECONDS - 1
    parts.health.check()
    parts.now = STUCK_SECONDS + 1
    with pytest.raises(UnhealthyError, match="workers"):
        parts.health.check()
    assert (await ask(port, "/livez"))[0] == 500


async def test_a_job_that_waits_long_while_passes_go_on_is_none(parts: Parts) -> None:
    parts.queue.add(("n", "old"))
    parts.queue.add(("n", "new"), urgent=True)
    parts.now = 2 * STUCK_SECONDS
    parts.queue.done(await parts.queue.get())
    parts.now += 1
    parts.health.check()


async def test_a_taken_port_is_named_with_what_to_do(parts: Parts, port: int) -> None:
    await parts.server.start("127.0.0.1", port)
    second = Parts()
    with pytest.raises(PortTakenError, match=f"Port {port} .* TENYSON_METRICS_PORT"):
        await second.server.start("127.0.0.1", port)
    await second.server.stop()
