"""An API server that answers as a test tells it to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tenyson.controller.cluster import Cluster
from tenyson.controller.credentials import Credentials
from tenyson.controller.limiter import Limiter

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def served() -> AsyncIterator[Callable[[Answer], Awaitable[Cluster]]]:
    """Serves one handler for every path, and returns a client for it."""
    open_things: list[Any] = []

    async def serve(answer: Answer) -> Cluster:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app)
        await server.start_server()
        cluster = Cluster(Credentials(str(server.make_url("")).rstrip("/")), Limiter(1e6, 100))
        open_things.extend([cluster, server])
        return cluster

    yield serve
    for thing in open_things:
        await thing.close()


def refusal(code: int, **headers: str) -> web.Response:
    body = {"kind": "Status", "reason": "R", "message": "told"}
    return web.json_response(body, status=code, headers=headers)
