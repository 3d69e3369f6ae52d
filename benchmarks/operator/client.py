"""The load's side of the API server: many requests at once, and a watch of child Jobs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tenyson.controller import credentials

Object = dict[str, Any]

AGENT = "bench"
"""User-Agent of the load, which tells its writes from the operator's in the audit log."""
CONNECTIONS = 32
_MERGE = "application/merge-patch+json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Parsing whole objects kept the load's own eyes a second behind in a burst."""


class Client:
    """A client for the API server, as its admin."""

    def __init__(self, kubeconfig: Path) -> None:
        found = credentials.load({"KUBECONFIG": str(kubeconfig)})
        self._server = found.server
        connector = aiohttp.TCPConnector(ssl=found.tls(), limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": AGENT})

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Object | None = None, kind: str = "application/json"
    ) -> Object:
        """Returns the answer.

        Raises:
            RuntimeError: The API server refused.
        """
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(
            method, self._server + path, data=data, headers={"Content-Type": kind}
        ) as response:
            content = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status}: {content.decode()}")
            return dict(orjson.loads(content))

    async def merge(self, path: str, body: Object) -> Object:
        """Returns the object after a merge patch."""
        return await self.call("PATCH", path, body, _MERGE)

    async def items(self, path: str, page: int = 500) -> AsyncIterator[Object]:
        """Yields all objects of a list, page by page."""
        token = ""
        while True:
            answer = await self.call("GET", f"{path}?limit={page}&continue={token}")
            for item in answer["items"]:
                yield item
            token = answer["metadata"].get("continue", "")
            if not token:
                return

    async def count(self, path: str) -> int:
        """Returns how many objects there are, without reading them."""
        answer = await self.call("GET", f"{path}?limit=1")
        return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))

    async def watch(self, path: str, seen: Callable[[Object], None]) -> None:
        """Hands over every event from now on, with the object's metadata, until cancelled."""
        version = (await self.call("GET", f"{path}?limit=1"))["metadata"]["resourceVersion"]
        while True:  # the server drops a watch that is read too slowly; the next goes on from there
            url = f"{self._server}{path}?watch=1&resourceVersion={version}"
            async for event in self._events(url):
                version = event["object"]["metadata"]["resourceVersion"]
                seen(event)

    async def _events(self, url: str) -> AsyncIterator[Object]:
        forever = aiohttp.ClientTimeout(total=None)
        only = {"Accept": _METADATA}
        async with self._session.get(url, timeout=forever, headers=only) as response:
            response.raise_for_status()
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)


class Children:
    """When each job's first child was seen, by namespace and name of the job."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._news = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self.seen_at: dict[tuple[str, str], float] = {}

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator["Children"]:
        """Watches within the block."""
        self._watch = asyncio.create_task(self._client.watch("/apis/batch/v1/jobs", self._note))
        self._watch.add_done_callback(lambda _: self._news.set())
        try:
            await asyncio.sleep(0.3)  # the watch is open then
            yield self
        finally:
            self._watch.cancel()

    async def wait_for(self, keys: set[tuple[str, str]], seconds: float) -> None:
        """Returns once every one of these jobs has a child.

        Raises:
            TimeoutError: Some have none in time.
        """
        async with asyncio.timeout(seconds):
            while not keys <= self.seen_at.keys():
                if self._watch is not None and self._watch.done():
                    self._watch.result()
                self._news.clear()
                await self._news.wait()

    def _note(self, event: Object) -> None:
        meta = event["object"]["metadata"]
        owner = next(iter(meta.get("ownerReferences") or ()), None)
        if event["type"] == "ADDED" and owner is not None:
            self.seen_at.setdefault((meta["namespace"], owner["name"]), time.perf_counter())
            self._news.set()
