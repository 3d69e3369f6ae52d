"""What is asked again, and what is not sent at all."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tenyson.controller import metrics
from tenyson.controller.calls import verb_and_resource
from tenyson.controller.cluster import ApiError, Cluster, NotLeaderError
from tenyson.controller.credentials import Credentials
from tenyson.controller.fence import Fence
from tenyson.controller.limiter import Limiter, retry_after
from tests.controller.builders import child_body, make_child
from tests.controller.test_cluster_client import refusal, served

__all__ = ["served"]


CHILD = {"apiVersion": "batch/v1", "kind": "Job", **child_body()}


def forbidden(verb: str, resource: str) -> float:
    labels = {"verb": verb, "resource": resource}
    return metrics.REGISTRY.get_sample_value("tenyson_api_forbidden_total", labels) or 0.0


async def test_what_is_forbidden_is_counted_each_time_and_told_once(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(403)

    cluster = await served(answer)
    before = forbidden("create", "jobs")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with pytest.raises(ApiError, match="403"):
                await cluster.create(CHILD)
    assert forbidden("create", "jobs") == before + 5
    assert len([r for r in caplog.records if "forbids us to create jobs" in r.message]) == 1


@pytest.mark.parametrize(
    ("value", "answered", "seconds"),
    [
        ("", "", 0),
        ("2", "", 2),
        ("2.5", "", 2.5),
        ("900", "", 30),
        ("-1", "", 0),
        ("nan", "", 0),
        ("inf", "", 30),
        ("soon", "", 0),
        ("Wed, 01 Jan 2020 00:00:07 GMT", "Wed, 01 Jan 2020 00:00:00 GMT", 7),
        ("Wed, 01 Jan 2020 00:00:00 GMT", "Wed, 01 Jan 2020 00:00:07 GMT", 0),
        ("Wed, 01 Jan 2020 00:00:07 GMT", "", 0),
        ("Wed, 01 Jan 2999 00:00:00 GMT", "never", 30),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(
    value: str, answered: str, seconds: float
) -> None:
    assert retry_after(value, answered, most=30) == seconds


async def test_a_write_that_shall_wait_long_goes_back_to_the_queue(served: Any) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.method)
        return refusal(429, **{"Retry-After": "7"})

    cluster = await served(answer)
    async with asyncio.timeout(2):
        with pytest.raises(ApiError) as error:
            await cluster.create(CHILD)
    assert (error.value.retry_after, len(asked)) == (7, 1)


async def test_a_post_whose_answer_was_lost_ends_as_a_conflict(served: Any) -> None:
    kept: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        if kept:
            return refusal(409)
        kept.append(await request.json())
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    cluster = await served(answer)
    with pytest.raises(ApiError) as error:
        await cluster.create(CHILD)
    assert (error.value.status, len(kept)) == (409, 1)


async def test_a_watch_that_is_refused_tells_how_long_to_wait(served: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(429, **{"Retry-After": "3"})

    cluster = await served(answer)
    with pytest.raises(ApiError) as error:
        async for _ in cluster.watch("/apis/batch/v1/jobs", "", "1"):
            pass
    assert error.value.retry_after == 3


async def test_who_does_not_lead_sends_no_write_but_reads_and_posts_events(served: Any) -> None:
    sent = []

    async def answer(request: web.Request) -> web.Response:
        sent.append((request.method, request.path.rsplit("/", 1)[1]))
        return web.json_response({"data": {}})

    server = (await served(answer)).server
    fence = Fence()
    fence.shut()
    cluster = Cluster(Credentials(server), Limiter(1e6, 100), None, fence)
    writes: list[Callable[[], Awaitable[Any]]] = [
        lambda: cluster.create(CHILD),
        lambda: cluster.delete_child(make_child()),
        lambda: cluster.delete_job("n", "j", "u"),
        lambda: cluster.apply_status("n", "j", "u", 1, {}),
    ]
    for write in writes:
        with pytest.raises(NotLeaderError):
            await write()
    assert sent == []
    await cluster.data("Secret", "n", "s")
    await cluster.create_event({"metadata": {"namespace": "n", "name": "e"}})
    lease = {"metadata": {"namespace": "n", "name": "l"}}
    await cluster.replace_lease(lease)
    await cluster.close()
    assert sent == [("GET", "s"), ("POST", "events"), ("PUT", "l")]


async def test_a_write_is_held_back_when_the_lease_runs_out_while_it_connects(
    served: Any,
) -> None:
    """As when the process is paused between looking at the fence and sending the first byte."""
    sent = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.method)
        return web.json_response({})

    now = [0.0]

    class Connecting(Fence):
        """Lets the first look pass, and time with it."""

        @property
        def is_open(self) -> bool:
            was_open = super().is_open
            now[0] += 20
            return was_open

    fence = Connecting(clock=lambda: now[0])
    fence.keep_open_until(10)
    server = (await served(answer)).server
    cluster = Cluster(Credentials(server), Limiter(1e6, 100), None, fence)
    with pytest.raises(NotLeaderError):
        await cluster.create(CHILD)
    await asyncio.sleep(0.05)
    await cluster.close()
    assert sent == []


async def test_a_write_is_not_tried_again_once_the_lease_has_run_out(served: Any) -> None:
    fence = Fence()
    sent = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.method)
        fence.shut()
        return refusal(500)

    server = (await served(answer)).server
    cluster = Cluster(Credentials(server), Limiter(1e6, 100), None, fence)
    with pytest.raises(NotLeaderError):
        await cluster.create(CHILD)
    await cluster.close()
    assert len(sent) == 1


async def test_the_lease_does_not_stand_in_line_behind_other_requests(served: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({})

    server = (await served(answer)).server
    cluster = Cluster(Credentials(server), Limiter(0.001, 0))
    async with asyncio.timeout(2):
        await cluster.lease("n", "l")
    await cluster.close()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods?limit=5", ("list", "pods")),
        ("GET", "/api/v1/namespaces/n/pods", ("list", "pods")),
        ("GET", "/api/v1/namespaces/n/secrets/s", ("get", "secrets")),
        ("POST", "/apis/batch/v1/namespaces/n/jobs?fieldManager=x", ("create", "jobs")),
        ("PATCH", "/apis/tenyson.dev/v1alpha1/namespaces/n/tenysonjobs/j/status",
         ("patch", "tenysonjobs/status")),
        ("DELETE", "/apis/batch/v1/namespaces/n/jobs/j", ("delete", "jobs")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l", ("update", "leases")),
        ("GET", "/api/v1/namespaces/n", ("get", "namespaces")),
        ("GET", "/openid/v1/jwks", ("get", "other")),
        ("GET", "/x", ("get", "other")),
    ],
)  # fmt: skip
def test_a_request_is_named_in_rbacs_words_without_names(
    method: str, path: str, expected: tuple[str, str]
) -> None:
    assert verb_and_resource(method, path) == expected
