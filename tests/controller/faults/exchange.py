"""One request on its way through the proxy, and all that may be done to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.controller.faults.request import Request

_PASSED_ON: Final = ("Authorization", "Accept", "Content-Type", "User-Agent")
_KEPT: Final = ("Content-Type", "Retry-After")
_FLUSH_SECONDS: Final = 0.05
"""Until what was written has left: cutting a connection throws away what waits to be sent."""

Lines = AsyncIterator[bytes]
"""The events of a watch, one line each."""


@dataclass(frozen=True)
class Answer:
    """An answer, whole."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Exchange:
    """A request under way, with all that a fault may do about it."""

    def __init__(self, raw: web.Request, request: Request, upstream: "Upstream") -> None:
        self.raw = raw
        self.request = request
        self._upstream = upstream
        self._pump: asyncio.Task[None] | None = None

    async def forward(self) -> web.StreamResponse:
        """Answers as the API server does."""
        if self.request.verb == "watch":
            return await self.watch()
        return self.answer(await self.fetch())

    async def fetch(self) -> Answer:
        """Returns the API server's answer; the client is told nothing yet."""
        async with await self._ask() as found:
            return await _whole(found)

    def answer(self, answer: Answer) -> web.Response:
        """Answers as told."""
        self.request.status = answer.status
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def watch(self, change: Callable[[Lines], Lines] = lambda lines: lines) -> Any:
        """Answers a watch with what `change` makes of the API server's events."""
        async with await self._ask() as found:
            if found.status != 200:
                return self.answer(await _whole(found))
            return await self.stream(change(_lines(found.content)))

    async def stream(self, lines: Lines) -> web.StreamResponse:
        """Answers a watch with these lines, until they end or somebody cuts it off."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(self.raw)
        self.request.status = 200
        self._pump = asyncio.create_task(_pump(response, lines))
        try:
            await self._pump
        except _Broken:
            await asyncio.sleep(_FLUSH_SECONDS)
            self.cut()
        except asyncio.CancelledError:
            self.cut()
            if not self._pump.cancelled():
                raise
        return response

    def cut(self) -> web.StreamResponse:
        """Closes the client's connection without a word more."""
        if self._pump is not None:
            self._pump.cancel()
        if self.raw.transport is not None:
            self.raw.transport.abort()
        return web.Response()

    async def cut_off(self, answer: Answer, size: int) -> web.StreamResponse:
        """Sends the first bytes of an answer, and cuts the connection."""
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(self.raw)
        await response.write(answer.body[:size])
        await asyncio.sleep(_FLUSH_SECONDS)
        return self.cut()

    async def _ask(self) -> aiohttp.ClientResponse:
        self.request.served = True
        return await self._upstream.ask(self.raw)


class _Broken(Exception):  # noqa: N818  a connection is, not this program
    """Raised in the lines of a watch where its connection is to be cut."""


BROKEN: Final = _Broken()


class Upstream:
    """The API server, asked in the client's own name: by its bearer token."""

    def __init__(self, server: str, authority: bytes) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cadata=authority.decode())

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, raw: web.Request) -> aiohttp.ClientResponse:
        headers = {name: raw.headers[name] for name in _PASSED_ON if name in raw.headers}
        # Lines of a watch are to be read here, so nothing may come compressed.
        headers["Accept-Encoding"] = "identity"
        body = await raw.read() if raw.can_read_body else None
        url = self._server + raw.raw_path
        return await self._session.request(raw.method, url, data=body, headers=headers)


async def _whole(found: aiohttp.ClientResponse) -> Answer:
    headers = {name: found.headers[name] for name in _KEPT if name in found.headers}
    return Answer(found.status, await found.read(), headers)


async def _lines(stream: aiohttp.StreamReader) -> Lines:
    rest = b""
    async for chunk in stream.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


async def _pump(response: web.StreamResponse, lines: Lines) -> None:
    async for line in lines:
        await response.write(line)
