"""The informer and gaps: it finds what no watch has told, and waits for what is forbidden."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tenyson.controller.cache import Cache
from tenyson.controller.informer import Informer, Right
from tenyson.controller.kinds import store_of
from tests.controller.builders import child_body
from tests.controller.served import refusal
from tests.controller.served import served as served  # a fixture


async def test_a_list_finds_what_a_broken_watch_did_not_tell(served: Any) -> None:
    """First list: two children; then the watch is too old (410), and one is gone."""
    lists = [[child_body("a"), child_body("b")], [child_body("b"), child_body("c")]]
    settled = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            if lists:
                return refusal(410)
            settled.set()
            stream = web.StreamResponse()
            await stream.prepare(request)
            await asyncio.sleep(30)
            return stream
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": lists.pop(0)})

    cluster = await served(answer)
    cache = Cache(lambda key, urgent: None)
    informer = Informer(cluster, store_of(cache, "child"), "child", "/jobs")
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(settled.wait(), 5)
    task.cancel()
    assert {name for _, name in cache.known("child")} == {"b-a0", "c-a0"}


async def test_a_child_newer_than_the_list_is_kept(served: Any) -> None:
    cache = Cache(lambda key, urgent: None)
    cache.put_child(child_body("old", resourceVersion="3"))
    cache.put_child(child_body("new", resourceVersion="12"))

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    informer = Informer(await served(answer), store_of(cache, "child"), "child", "/jobs")
    await informer.list()
    assert {name for _, name in cache.known("child")} == {"new-a0"}


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "line", [b"<html>busy</html>\n", b'{"type": "ADDED"}\n', b'{"type": "ADDED", "object": 1}\n']
)
async def test_an_informer_outlives_a_watch_line_that_nobody_can_read(
    served: Any, line: bytes
) -> None:
    lists = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if "watch" in request.query:
            return web.Response(body=line)
        lists += 1
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    store = store_of(Cache(lambda key, urgent: None), "child")
    informer = Informer(await served(answer), store, "child", "/jobs")
    task = asyncio.create_task(informer.run())
    await until(lambda: lists >= 2)
    assert not task.done()
    task.cancel()


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_pause(
    served: Any,
) -> None:
    watches = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" in request.query:
            watches += 1
            return web.Response(body=b"")
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    store = store_of(Cache(lambda key, urgent: None), "child")
    informer = Informer(await served(answer), store, "child", "/jobs")
    task = asyncio.create_task(informer.run())
    await asyncio.sleep(0.5)
    task.cancel()
    assert watches == 1


async def test_a_kind_that_may_be_forbidden_is_done_without_until_it_is_allowed(
    served: Any,
) -> None:
    """With rights in some namespaces only, cluster-scoped runtimes cannot be read.

    It asks for its right first, since a refusal would count as one; it may still be too late.
    """
    rights = [False, True, True]
    refusals: list[Any] = [refusal(403)]
    noted: list[bool] = []
    body = {
        "metadata": {"name": "r", "uid": "u", "resourceVersion": "3", "generation": 1},
        "spec": {"image": "i"},
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        if refusals:
            return refusals.pop(0)  # type: ignore[no-any-return]
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [body]})

    async def is_given() -> bool:
        return rights.pop(0) if rights else True

    cache = Cache(lambda key, urgent: None)
    informer = Informer(
        await served(answer), store_of(cache, "cluster runtime"), "cluster runtime", "/runtimes",
        right=Right(is_given, noted.append), relist_seconds=0.05,
    )  # fmt: skip
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 5)
    assert cache.known("cluster runtime") == {}
    await until(lambda: ("", "r") in cache.known("cluster runtime"))
    task.cancel()
    assert noted[:3] == [True, True, False]


async def test_a_kind_that_is_needed_is_not_synced_while_it_is_forbidden(served: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(403)

    cache = Cache(lambda key, urgent: None)
    informer = Informer(await served(answer), store_of(cache, "job"), "job", "/jobs")
    task = asyncio.create_task(informer.run())
    await asyncio.sleep(0.3)
    assert not informer.synced.is_set()
    assert not informer.is_stale()
    task.cancel()


async def test_a_watch_waits_as_long_as_the_server_asks(served: Any) -> None:
    watches = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" in request.query:
            watches += 1
            return refusal(429, **{"Retry-After": "20"})
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    cache = Cache(lambda key, urgent: None)
    informer = Informer(await served(answer), store_of(cache, "child"), "child", "/jobs")
    task = asyncio.create_task(informer.run())
    await asyncio.sleep(0.6)
    task.cancel()
    assert watches == 1
