"""The endpoint that pods push their progress to, in the wire format of Kubeflow Trainer.

A report is kept in memory only: the newest one wins, and the next pass over the job writes it when
one is due. A controller that dies loses a few seconds of progress and nothing else.

Only the leader makes passes. A standby checks a report's token and hands it on.
"""

import logging
import math
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from tenyson.controller import metrics, names
from tenyson.controller.cache import Cache
from tenyson.controller.forwarding import HEADER, Forwarder, LeaderAwayError
from tenyson.controller.names import Key
from tenyson.controller.observed import Job, Object, Report
from tenyson.controller.times import parse_time
from tenyson.controller.tokens import (
    Bearer,
    KeysUnavailableError,
    TokenRefusedError,
    TokenVerifier,
)
from tenyson.controller.wording import one_line

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 64 * 1024
MAX_METRICS: Final = 32
"""Metrics of one report that go into the status."""
_MAX_STEP: Final = 2_147_483_647


class RefusedError(Exception):
    """Raised when a report is not taken."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


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

    async def start(
        self, host: str, port: int, tls: ssl.SSLContext, forwarder: Forwarder | None = None
    ) -> int:
        """Serves from now on, and returns the port."""
        self._forwarder = forwarder
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post(names.progress_path("{namespace}", "{job}", "{attempt}"), self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Ends the service."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._forwarder is not None:
            await self._forwarder.close()

    async def _post(self, request: web.Request) -> web.Response:
        try:
            code, content = await self._take(request)
        except RefusedError as refused:
            code, content = refused.code, orjson.dumps({"message": str(refused)})
        except web.HTTPRequestEntityTooLarge:
            text = f"a report has {MAX_BODY_BYTES} bytes at most"
            code, content = 413, orjson.dumps({"message": text})
        metrics.PROGRESS_REPORTS.labels(code).inc()
        return web.Response(status=code, body=content, content_type="application/json")

    async def _take(self, request: web.Request) -> tuple[int, bytes]:
        key = request.match_info["namespace"], request.match_info["job"]
        attempt = _attempt(request.match_info["attempt"])
        header = request.headers.get("Authorization", "")
        bearer = await self._bearer(header, key)
        if not self._leads():
            return await self._hand_on(request, header)
        job = self._authorise(bearer, key, attempt)
        report = read_report(await request.read(), attempt, datetime.now(UTC))
        self._reports[key] = since_last_step(report, self._reports.get(key), job.status)
        self._wake(key)
        return 200, b"{}"

    async def _bearer(self, header: str, key: Key) -> Bearer:
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise RefusedError(401, "a Bearer token is needed")
        try:
            bearer = await self._verifier.verify(token.strip())
        except TokenRefusedError as error:
            raise RefusedError(401, f"the token was refused: {error}") from error
        except KeysUnavailableError as error:
            raise RefusedError(503, "the token cannot be checked now; try again") from error
        if bearer.namespace != key[0]:
            raise RefusedError(403, "the token's pod does not belong to this job")
        return bearer

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

    async def _hand_on(self, request: web.Request, header: str) -> tuple[int, bytes]:
        if self._forwarder is None or HEADER in request.headers:
            raise RefusedError(503, "this replica does not lead; try again")
        try:
            return await self._forwarder.forward(request.path, header, await request.read())
        except LeaderAwayError as error:
            raise RefusedError(503, f"{error}; try again") from error


def _attempt(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise RefusedError(404, f"{text!r} is no attempt's number")
    return int(text)


def read_report(content: bytes, attempt: int, now: datetime) -> Report:
    """Returns the report in a request's body.

    Raises:
        RefusedError: The body is not in the wire format.
    """
    try:
        status = orjson.loads(content)["trainerStatus"]
        numbers = {str(m["name"]): _number(m["value"]) for m in status.get("metrics") or ()}
        percent = _whole(status.get("progressPercentage"), 100)
        eta = _whole(status.get("estimatedRemainingSeconds"), _MAX_STEP)
    # ArithmeticError: infinity has no whole number.
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RefusedError(400, f"the report cannot be read: {error!r}") from error
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return Report(
        attempt=attempt,
        received_at=now,
        # transformers' own callback names it otherwise.
        step=_whole(finite.pop("step", finite.pop("current_step", None)), _MAX_STEP),
        total_steps=_whole(finite.pop("total_steps", None), _MAX_STEP),
        percent=percent,
        eta_seconds=eta,
        checkpoint_step=_whole(finite.pop("checkpoint_step", None), _MAX_STEP),
        metrics={one_line(name, 128): value for name, value in list(finite.items())[:MAX_METRICS]},
    )


def since_last_step(report: Report, last: Report | None, status: Object) -> Report:
    """Returns a report with the time at which its step was first seen, by our own clock.

    Args:
        report: What a pod has just pushed.
        last: The report before, if this replica has taken one.
        status: The job's status, which tells of reports that an earlier leader took.
    """
    position = _position(report.step, report.percent)
    stepped_at, checkpoint = report.received_at, report.checkpoint_step
    if last is not None and last.attempt == report.attempt:
        checkpoint = max((c for c in (checkpoint, last.checkpoint_step) if c is not None),
                         default=None)  # fmt: skip
        if position is not None and position == _position(last.step, last.percent):
            stepped_at = last.stepped_at or stepped_at
    elif status.get("attempt") == report.attempt:
        written = status.get("progress") or {}
        same = position == _position(written.get("step"), written.get("percent"))
        if position is not None and same and written.get("steppedAt"):
            stepped_at = parse_time(written["steppedAt"])
    return replace(report, stepped_at=stepped_at, checkpoint_step=checkpoint)


def _position(step: int | None, percent: int | None) -> tuple[str, int] | None:
    """Returns how far a run is, by its steps if it counts them; None where that is not told."""
    if step is not None:
        return "step", step
    return None if percent is None else ("percent", percent)


def _number(value: Any) -> float:
    """Returns a metric's value; Trainer's format sends numbers as strings."""
    return float(value)


def _whole(value: Any, most: int) -> int | None:
    return None if value is None else max(0, min(int(float(value)), most))
