"""The endpoint that pods push their progress to, in the wire format of Kubeflow Trainer.

A report is kept in memory only: the newest one wins, and the next pass over the job writes it when
one is due. A controller that dies loses a few seconds of progress and nothing else.

Only the leader makes passes. A standby checks a report's token and hands it on.
"""

import asyncio
import logging
import math
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import orjson
from aiohttp import web

from tenyson.controller import metrics, names
from tenyson.controller.cache import Cache
from tenyson.controller.forwarding import HEADER, Answer, Forwarder, LeaderAwayError
from tenyson.controller.listening import listen
from tenyson.controller.names import Key
from tenyson.controller.observed import Job, Report
from tenyson.controller.reports import UnreadableReportError, read_report, since_last_step
from tenyson.controller.throttle import Throttle
from tenyson.controller.tokens import (
    Bearer,
    KeysUnavailableError,
    TokenRefusedError,
    TokenVerifier,
)

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 64 * 1024
REPORTS_A_SECOND: Final = 5.0
"""Of one pod, sustained; a runner sends one every two seconds at most."""
REPORTS_AT_ONCE: Final = 20
REFUSALS_A_SECOND: Final = 1.0
"""Of one address that shows no good token; what comes above is not looked at."""
REFUSALS_AT_ONCE: Final = 20
_REQUEST_SECONDS: Final = 10.0
"""Longest time that a report may take, the leader's answer to a standby included."""
_IDLE_SECONDS: Final = 15.0


class RefusedError(Exception):
    """Raised when a report is not taken."""

    def __init__(self, code: int, message: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = str(math.ceil(wait_seconds)) if wait_seconds > 0 else ""


class ProgressServer:
    """Takes reports from pods of current attempts, and from nobody else."""

    def __init__(
        self,
        cache: Cache,
        verifier: TokenVerifier,
        reports: dict[Key, Report],
        wake: Callable[[Key], None],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._cache = cache
        self._verifier = verifier
        self._reports = reports
        self._wake = wake
        self._leads = leads
        self._forwarder: Forwarder | None = None
        self._runner: web.AppRunner | None = None
        self._socket: asyncio.Server | None = None
        self._pods = Throttle(REPORTS_A_SECOND, REPORTS_AT_ONCE)
        self._strangers = Throttle(REFUSALS_A_SECOND, REFUSALS_AT_ONCE)

    async def start(
        self, host: str, port: int, tls: ssl.SSLContext, forwarder: Forwarder | None = None
    ) -> int:
        """Serves from now on, and returns the port."""
        self._forwarder = forwarder
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post(names.progress_path("{namespace}", "{job}", "{attempt}"), self._post)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=_IDLE_SECONDS, lingering_time=1.0,
            read_bufsize=MAX_BODY_BYTES, auto_decompress=False,
        )  # fmt: skip
        await self._runner.setup()
        assert self._runner.server is not None
        self._socket = await listen(self._runner.server, host, port, tls)
        return int(self._socket.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends the service."""
        if self._socket is not None:
            self._socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._forwarder is not None:
            await self._forwarder.close()

    async def _post(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                answer = await self._take(request)
        except RefusedError as refused:
            answer = _refusal(refused)
        except web.HTTPRequestEntityTooLarge:
            answer = _refusal(RefusedError(413, f"a report has {MAX_BODY_BYTES} bytes at most"))
        except TimeoutError:
            answer = _refusal(RefusedError(408, f"a report takes {_REQUEST_SECONDS:g} s at most"))
        metrics.PROGRESS_REPORTS.labels(answer.code).inc()
        headers = {"Retry-After": answer.retry_after} if answer.retry_after else None
        return web.Response(
            status=answer.code, body=answer.content, content_type="application/json",
            headers=headers,
        )  # fmt: skip

    async def _take(self, request: web.Request) -> Answer:
        key = request.match_info["namespace"], request.match_info["job"]
        attempt = _attempt(request.match_info["attempt"])
        header = request.headers.get("Authorization", "")
        bearer = await self._bearer(header, request.remote or "")
        if (wait := self._pods.take(bearer.pod_uid)) > 0:
            raise RefusedError(429, "this pod reports too often", wait_seconds=wait)
        if bearer.namespace != key[0]:
            raise RefusedError(403, "the token's pod does not belong to this job")
        if not self._leads():
            return await self._hand_on(request, header)
        job = self._authorise(bearer, key, attempt)
        try:
            report = read_report(await request.read(), attempt, datetime.now(UTC))
        except UnreadableReportError as error:
            raise RefusedError(400, str(error)) from error
        self._reports[key] = since_last_step(report, self._reports.get(key), job.status)
        self._wake(key)
        return Answer(200)

    async def _bearer(self, header: str, address: str) -> Bearer:
        """Returns the pod that holds the token of a request.

        A token that was good once is known again at once. So a stranger who floods the endpoint
        from an address that pods share, a node's say, keeps none out that has reported before.
        """
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme == "Bearer" and (known := self._verifier.remembered(token)) is not None:
            return known
        if (wait := self._strangers.seconds_to_next(address)) > 0:
            raise RefusedError(429, f"{address} was refused too often", wait_seconds=wait)
        try:
            if scheme != "Bearer" or not token:
                raise TokenRefusedError("a Bearer token is needed")
            return await self._verifier.verify(token)
        except TokenRefusedError as error:
            self._strangers.take(address)
            raise RefusedError(401, f"the token was refused: {error}") from error
        except KeysUnavailableError as error:
            raise RefusedError(503, "the token cannot be checked now; try again") from error

    def _authorise(self, bearer: Bearer, key: Key, attempt: int) -> Job:
        """Returns the job, if the bearer is a pod of its newest attempt.

        Which one that is the pods themselves tell too: the status is written after the child is
        made, and a first report may come in between.
        """
        job = self._cache.job(key)
        if job is None:
            raise RefusedError(403, "the token's pod does not belong to this job")
        pods = [pod for pod in self._cache.pods_of(key) if pod.run_id == job.run_id]
        newest = max([int(job.status.get("attempt") or 0), *(pod.attempt for pod in pods)])
        if job.ended_as() or attempt != newest:
            raise RefusedError(403, f"attempt {attempt} is not the current one")
        for pod in pods:
            if pod.uid == bearer.pod_uid and pod.attempt == attempt and not pod.gone:
                return job
        raise RefusedError(403, "the token's pod does not belong to this attempt")

    async def _hand_on(self, request: web.Request, header: str) -> Answer:
        if self._forwarder is None or HEADER in request.headers:
            raise RefusedError(503, "this replica does not lead; try again")
        try:
            return await self._forwarder.forward(request.path, header, await request.read())
        except LeaderAwayError as error:
            raise RefusedError(503, f"{error}; try again") from error


def _refusal(refused: RefusedError) -> Answer:
    return Answer(refused.code, orjson.dumps({"message": str(refused)}), refused.retry_after)


def _attempt(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise RefusedError(404, f"{text!r} is no attempt's number")
    return int(text)
