"""The endpoint behind `kubectl logs`: HTTPS, for the apiserver's certificate only."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from aiohttp.typedefs import Handler

from hack.cluster.node.pod_worker import PodWorker

_APISERVER = "kube-apiserver-kubelet-client"
_FOLLOW_SECONDS = 0.1
_CHUNK = 64 * 1024

FindWorker = Callable[[str, str], PodWorker | None]
"""The worker of a pod by namespace and name."""


@dataclass(frozen=True)
class TlsFiles:
    """The node's server certificate and the authority that signs its clients'."""

    certificate: Path
    key: Path
    client_ca: Path

    def context(self) -> ssl.SSLContext:
        """A server's context that wants a client certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.client_ca))
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class LogServer:
    """Serves containers' logs on a free port of the loopback address."""

    def __init__(self, find_worker: FindWorker, tls: TlsFiles) -> None:
        self._find_worker = find_worker
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Start serving, and return the port."""
        application = web.Application(middlewares=[_apiserver_only])
        application.router.add_get(
            "/containerLogs/{namespace}/{pod}/{container}", self._container_logs
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        context = self._tls.context()
        await web.TCPSite(
            self._runner, "127.0.0.1", 0, ssl_context=context, shutdown_timeout=0.5
        ).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        part, query = request.match_info, request.query
        worker = self._find_worker(part["namespace"], part["pod"])
        attempts = worker.attempts(part["container"]) if worker else []
        wanted = 2 if query.get("previous") == "true" else 1
        if worker is None or len(attempts) < wanted:
            return web.Response(status=404, text=f"no log of container {part['container']!r}\n")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        path, limit = attempts[-wanted].log_path, _number(query.get("limitBytes"))
        follows = query.get("follow") == "true" and wanted == 1
        # Held open, so that the last lines are still there when the pod has been cleaned up.
        with path.open("rb") as file:
            file.seek(tail_position(path, _number(query.get("tailLines"))))
            while True:
                is_done = not follows or worker.is_done(part["container"])
                limit = await _send(response, file, limit)
                if is_done or limit == 0:
                    return response
                await asyncio.sleep(_FOLLOW_SECONDS)


def tail_position(path: Path, lines: int | None) -> int:
    """Where the last lines of a file begin; 0 for all of it."""
    if lines is None:
        return 0
    with path.open("rb") as file:
        end = position = file.seek(0, os.SEEK_END)
        found = 0
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            file.seek(position)
            block = file.read(size)
            for offset in range(len(block) - 1, -1, -1):
                # The newline at the very end closes the last line and begins none.
                if block[offset] == 0x0A and position + offset < end - 1:
                    found += 1
                    if found == lines:
                        return position + offset + 1
        return end if lines == 0 else 0


async def _send(response: web.StreamResponse, file: BinaryIO, limit: int | None) -> int | None:
    """Send what the file holds from here on; what is left of the limit."""
    while block := file.read(_CHUNK if limit is None else min(_CHUNK, limit)):
        await response.write(block)
        limit = None if limit is None else limit - len(block)
    return limit


def _number(text: str | None) -> int | None:
    return int(text) if text else None


@web.middleware
async def _apiserver_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    certificate = request.get_extra_info("peercert") or {}
    names = dict(field[0] for field in certificate.get("subject", ()))
    if names.get("commonName") != _APISERVER:
        return web.Response(status=403, text=f"only {_APISERVER} may read logs here\n")
    return await handler(request)
