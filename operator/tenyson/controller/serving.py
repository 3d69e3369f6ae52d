"""One small HTTP server for what machines ask about the controller: metrics, alive, ready."""

import errno

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from tenyson.controller import metrics
from tenyson.controller.health import Health, UnhealthyError
from tenyson.controller.snapshot import Snapshot


class PortTakenError(OSError):
    """Raised when another process listens on the port."""


class StatusServer:
    """Serves `/metrics`, `/livez` and `/readyz`.

    It lives in the controller's own event loop, so that a loop that stands still does not answer.
    """

    def __init__(self, health: Health, snapshot: Snapshot) -> None:
        self._health = health
        self._counted = metrics.REGISTRY
        self._looked_up = CollectorRegistry()
        self._looked_up.register(snapshot)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Serves from now on.

        Raises:
            PortTakenError: Another process listens there.
        """
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._alive)
        app.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTakenError(
                f"Port {port} for metrics and health is taken by another process, perhaps another "
                f"controller. Set TENYSON_METRICS_PORT to a free one, or to 0 for none."
            ) from error

    async def stop(self) -> None:
        """Ends the service."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        content = generate_latest(self._counted) + generate_latest(self._looked_up)
        return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _alive(self, _: web.Request) -> web.Response:
        try:
            return _answer(200, self._health.check())
        except UnhealthyError as error:
            return _answer(500, {"message": str(error)})

    async def _ready(self, _: web.Request) -> web.Response:
        if not (missing := self._health.missing()):
            return _answer(200, {})
        return _answer(503, {"message": "; ".join(missing)})


def _answer(code: int, body: object) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")
