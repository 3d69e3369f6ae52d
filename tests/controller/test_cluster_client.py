"""The client's answers to a server in trouble."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.credentials import Credentials
from tenyson.controller.informer import Informer
from tenyson.controller.kinds import store_of
from tenyson.controller.limiter import Limiter
from tests.controller.builders import child_body
from tests.controller.served import refusal
from tests.controller.served import served as served  # a fixture


@pytest.mark.parametrize("code", [400, 403, 404, 409, 422])
async def test_what_asking_again_does_not_change_is_asked_once(served: Any, code: int) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return refusal(code)

    cluster = await served(answer)
    with pytest.raises(ApiError, match="told") as error:
        await cluster.request("GET", "/x")
    assert (error.value.status, len(asked)) == (code, 1)


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_trouble_that_may_pass_is_asked_again(served: Any, code: int) -> None:
    answers = [refusal(code), refusal(code), web.json_response({"fine": True})]

    async def answer(request: web.Request) -> web.Response:
        return answers.pop(0)

    cluster = await served(answer)
    assert await cluster.request("GET", "/x") == {"fine": True}


async def test_retry_after_is_honoured(served: Any) -> None:
    answers = [refusal(429, **{"Retry-After": "1"}), web.json_response({})]

    async def answer(request: web.Request) -> web.Response:
        return answers.pop(0)

    cluster = await served(answer)
    loop = asyncio.get_running_loop()
    start = loop.time()
    await cluster.request("GET", "/x")
    assert loop.time() - start >= 1.0


async def test_a_server_that_is_not_there_is_an_api_error() -> None:
    cluster = Cluster(Credentials("http://127.0.0.1:1"), Limiter(1e6, 100))
    with pytest.raises(ApiError, match="Unreachable"):
        await cluster.request("GET", "/x")
    await cluster.close()


@pytest.mark.parametrize("content", ["<html>busy</html>", "[1]", "{"])
async def test_an_answer_that_is_no_object_is_an_api_error(served: Any, content: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=content)

    cluster = await served(answer)
    with pytest.raises(ApiError, match="Unreadable") as error:
        await cluster.request("GET", "/x")
    assert error.value.status == 0


async def test_credentials_that_cannot_be_read_leave_the_refusal_as_it_is(served: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(401)

    def reload() -> Credentials:
        raise KeyError("half written")

    server = (await served(answer)).server
    cluster = Cluster(Credentials(server), Limiter(1e6, 100), reload)
    with pytest.raises(ApiError, match="told") as error:
        await cluster.request("GET", "/x")
    await cluster.close()
    assert error.value.status == 401


async def test_lists_come_in_pages(served: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        meta = {"resourceVersion": "9"}
        if "continue" not in request.query:
            return web.json_response(
                {"metadata": {**meta, "continue": "more"}, "items": [child_body("a")]}
            )
        return web.json_response({"metadata": meta, "items": [child_body("b")]})

    cache = Cache(lambda key, urgent: None)
    await Informer(await served(answer), store_of(cache, "child"), "child", "/jobs").list()
    assert len(cache.known("child")) == 2


@pytest.mark.parametrize("content", ["{}", '{"metadata": {}}', '{"items": []}'])
async def test_an_answer_that_is_no_list_is_an_api_error(served: Any, content: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=content)

    cache = Cache(lambda key, urgent: None)
    cache.put_child(child_body("a"))
    informer = Informer(await served(answer), store_of(cache, "child"), "child", "/jobs")
    with pytest.raises(ApiError, match="no list"):
        await informer.list()
    assert len(cache.known("child")) == 1
