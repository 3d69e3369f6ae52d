"""A TLS proxy before the API server, which answers some requests wrongly when a test says so."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from hack.cluster.certificates import Certificates
from tests.controller.faults.exchange import Exchange, Upstream
from tests.controller.faults.request import Request, read_request

Fault = Callable[[Exchange], Awaitable[web.StreamResponse]]


@dataclass
class Rule:
    """Which requests a fault befalls; an empty field stands for any."""

    fault: Fault
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    skip: int = 0
    """How many requests go well first."""
    times: int | None = None
    """How many it befalls; None for all."""
    hits: list[Request] = field(default_factory=list)
    """The requests that it befell."""

    def takes(self, request: Request) -> bool:
        """Whether it befalls this request, counted as one if so."""
        for mine, its in (
            (self.verb, request.verb), (self.resource, request.resource),
            (self.namespace, request.namespace), (self.name, request.name),
        ):  # fmt: skip
            if mine and mine != its:
                return False
        if self.times is not None and len(self.hits) >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits.append(request)
        return True


class FaultProxy:
    """The proxy; everything that passes is recorded in `requests`."""

    def __init__(self, server: str, authority: bytes, folder: Path) -> None:
        self.requests: list[Request] = []
        self.certificates = Certificates(folder)
        self.url = ""
        self._upstream = Upstream(server, authority)
        self._rules: list[Rule] = []
        self._live: set[Exchange] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Serves until stopped, with a certificate of its own authority."""
        self.certificates.ensure()
        self._thread.start()
        self._await(self._serve())

    def stop(self) -> None:
        """Closes everything."""
        self.clear()
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # What a test says

    def inject(self, fault: Fault, verb: str = "", resource: str = "", **where: Any) -> Rule:
        """Has a fault befall requests from now on; of two rules the newer goes first."""
        rule = Rule(fault, verb, resource, **where)
        self._rules = [rule, *self._rules]
        return rule

    def clear(self) -> None:
        """Takes all faults back."""
        rules, self._rules = self._rules, []
        for rule in rules:
            self.cut_watches(of=rule)

    def cut_watches(self, resource: str = "", of: Rule | None = None) -> None:
        """Cuts off the watches of a resource, or those that a rule befell."""
        self._loop.call_soon_threadsafe(self._cut, resource, of)

    def _cut(self, resource: str, of: Rule | None) -> None:
        for exchange in list(self._live):
            request = exchange.request
            befallen = of is None or any(request is hit for hit in of.hits)
            if befallen and request.verb == "watch" and resource in ("", request.resource):
                exchange.cut()

    # What a test asks

    def seen(self, verb: str = "", resource: str = "", namespace: str = "") -> list[Request]:
        """Returns the requests of a kind, oldest first."""
        return [
            request for request in list(self.requests)
            if verb in ("", request.verb) and resource in ("", request.resource)
            and namespace in ("", request.namespace)
        ]  # fmt: skip

    # Serving

    async def _serve(self) -> None:
        await self._upstream.open()
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A client that goes away takes its watch along.
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        pair = self.certificates.pair("apiserver")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.certificate, pair.key)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._upstream.close()

    async def _handle(self, raw: web.Request) -> web.StreamResponse:
        request = read_request(raw.method, raw.path, raw.query)
        self.requests.append(request)
        exchange = Exchange(raw, request, self._upstream)
        self._live.add(exchange)
        rule = next((rule for rule in self._rules if rule.takes(request)), None)
        try:
            return await (rule.fault(exchange) if rule else exchange.forward())
        except (aiohttp.ClientError, OSError):
            return exchange.cut()  # The API server is away, or the client is.
        finally:
            self._live.discard(exchange)

    def _await(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(20)
