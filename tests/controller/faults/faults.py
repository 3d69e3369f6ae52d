"""What can go wrong between a controller and its API server, each as an answer of the proxy."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from tests.controller.faults.exchange import BROKEN, Answer, Exchange, Lines
from tests.controller.faults.proxy import Fault

_REASONS: Final = {
    403: "Forbidden", 410: "Expired", 429: "TooManyRequests", 500: "InternalError",
    503: "ServiceUnavailable",
}  # fmt: skip
_JSON: Final = {"Content-Type": "application/json"}


# Whole answers


def refuses(code: int, *, retry_after: str = "") -> Fault:
    """Refuses a request before the API server hears of it."""
    headers = {**_JSON, **({"Retry-After": retry_after} if retry_after else {})}
    body = json.dumps(_status(code)).encode()

    async def fault(exchange: Exchange) -> web.StreamResponse:
        return exchange.answer(Answer(code, body, headers))

    return fault


def says(body: bytes, code: int = 200) -> Fault:
    """Answers what no API server would: a proxy's page, or half an object."""

    async def fault(exchange: Exchange) -> web.StreamResponse:
        return exchange.answer(Answer(code, body, _JSON))

    return fault


def waits(seconds: float) -> Fault:
    """Answers rightly, and late."""

    async def fault(exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await exchange.forward()

    return fault


async def loses_the_answer(exchange: Exchange) -> web.StreamResponse:
    """Has the API server do it, and cuts the connection before the client hears of it."""
    await exchange.fetch()
    return exchange.cut()


async def loses_the_request(exchange: Exchange) -> web.StreamResponse:
    """Cuts the connection before the API server hears of it."""
    return exchange.cut()


async def breaks_off(exchange: Exchange) -> web.StreamResponse:
    """Cuts the connection in the middle of the answer."""
    answer = await exchange.fetch()
    return await exchange.cut_off(answer, len(answer.body) // 2)


class Stale:
    """Answers each address for ever as it did the first time."""

    def __init__(self) -> None:
        self._first: dict[str, Answer] = {}

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        """Answers from the past."""
        path = exchange.raw.raw_path
        if path not in self._first:
            self._first[path] = await exchange.fetch()
        return exchange.answer(self._first[path])


# Watches


async def is_silent(exchange: Exchange) -> web.StreamResponse:
    """Opens a watch and never says anything."""
    return await exchange.watch(_silence)


def is_cut(after: int, *, within_a_line: bool = False) -> Fault:
    """Cuts a watch after so many events, or in the middle of the next."""

    async def lines(found: Lines) -> AsyncIterator[bytes]:
        left = after
        async for line in found:
            if left == 0:
                if within_a_line:
                    yield line[: len(line) // 2]
                raise BROKEN
            left -= 1
            yield line

    return _watch(lines)


def expires(after: int = 0) -> Fault:
    """Ends a watch after so many events with the event that its version is too old."""

    async def lines(found: Lines) -> AsyncIterator[bytes]:
        left = after
        while left:
            yield await anext(found)
            left -= 1
        yield json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n"

    return _watch(lines)


async def doubles(exchange: Exchange) -> web.StreamResponse:
    """Sends each event of a watch twice, and the last ten once more after every event."""

    async def lines(found: Lines) -> AsyncIterator[bytes]:
        sent: list[bytes] = []
        async for line in found:
            yield line
            yield line
            for old in sent:
                yield old
            sent = [*sent[-9:], line]

    return await exchange.watch(lines)


def shuffles(seed: int, *, within: float = 0.3) -> Fault:
    """Sends the events that come within some seconds in another order."""

    async def lines(found: Lines) -> AsyncIterator[bytes]:
        draw = random.Random(seed)
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        reader = asyncio.create_task(_read_into(waiting, found))
        try:
            while (line := await waiting.get()) is not None:
                await asyncio.sleep(within)
                batch = [line]
                while not waiting.empty() and (more := waiting.get_nowait()) is not None:
                    batch.append(more)
                draw.shuffle(batch)
                for one in batch:
                    yield one
        finally:
            reader.cancel()

    return _watch(lines)


def talks_nonsense(after: int = 0) -> Fault:
    """Says something in a watch that is no event."""

    async def lines(found: Lines) -> AsyncIterator[bytes]:
        left = after
        async for line in found:
            if left == 0:
                yield b'{"type": "MODIFIED", "object": nonsense\n'
            left -= 1
            yield line

    return _watch(lines)


def _watch(lines: Any) -> Fault:
    async def fault(exchange: Exchange) -> web.StreamResponse:
        return await exchange.watch(lines)

    return fault


async def _silence(found: Lines) -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def _read_into(waiting: "asyncio.Queue[bytes | None]", found: Lines) -> None:
    async for line in found:
        waiting.put_nowait(line)
    waiting.put_nowait(None)


def _status(code: int) -> dict[str, Any]:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": f"a fault of the test: {_REASONS.get(code, code)}",
        "reason": _REASONS.get(code, ""), "code": code,
    }  # fmt: skip
