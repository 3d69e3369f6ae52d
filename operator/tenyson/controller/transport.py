"""JSON over HTTP to the API server: what is asked again, how long one waits, what is refused here.

Which answers are tried again depends on the verb and on the code:

- 429, 5xx and no answer at all: again after a wait that doubles, with jitter, or after what
  Retry-After says. A write gives its worker back early, for the queue waits better than a worker;
- 401: once more, with credentials read anew;
- 403: never. It is counted, and told once a minute instead of once a pass;
- 409, 404, 422 and all else: the caller's to understand. That includes the 409 of a POST that was
  tried again because its first answer was lost.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from tenyson.controller import metrics
from tenyson.controller.answers import (
    ApiError,
    NotLeaderError,
    Object,
    UnreadableError,
    error_in,
    lines_of,
    parsed,
)
from tenyson.controller.calls import READ, WRITE, Policy, verb_and_resource
from tenyson.controller.credentials import Credentials
from tenyson.controller.fence import Fence
from tenyson.controller.limiter import Limiter, backoff
from tenyson.controller.logs import Seldom

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
_ACCEPTED: Final = "application/json, application/jwk-set+json"
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_FORBIDDEN_EVERY_SECONDS: Final = 60.0
_SILENCE_SECONDS: Final = 100
"""A watch that says nothing for so long is dead: bookmarks come about once a minute."""


class Transport:
    """Connections to one API server."""

    def __init__(
        self,
        credentials: Credentials,
        limiter: Limiter,
        reload: Callable[[], Credentials] | None = None,
        fence: Fence | None = None,
        agent: str = "",
    ) -> None:
        self._agent = f"tenyson-controller ({agent})" if agent else "tenyson-controller"
        self._credentials = credentials
        self._limiter = limiter
        self._reload = reload
        self._fence = fence or Fence()
        self._session = _connect(credentials, self._agent)
        self._forbidden = Seldom(_FORBIDDEN_EVERY_SECONDS)

    @property
    def server(self) -> str:
        """Address of the API server."""
        return self._credentials.server

    def _url(self, path: str) -> URL:
        return URL(self.server + path, encoded=True)  # names and selectors need no quoting

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = JSON,
        policy: Policy | None = None,
    ) -> Object:
        """Returns the answer to a request.

        Raises:
            ApiError: The request was refused, or failed every time.
        """
        policy = policy or (READ if method == "GET" else WRITE)
        for tries in range(policy.tries):
            if policy.limited:
                metrics.LIMITER_WAIT_SECONDS.observe(await self._limiter.take())
            if policy.fenced and not self._fence.is_open:
                raise NotLeaderError
            try:
                return await self._once(method, path, body, content_type, policy)
            except _Again as again:
                error = again.error
                if tries + 1 == policy.tries or error.retry_after > policy.patience:
                    break
                wait = backoff(tries, base=0.1, most=2.0)
                await asyncio.sleep(max(wait, error.retry_after))
        raise error

    async def _once(
        self, method: str, path: str, body: Object | None, content_type: str, policy: Policy
    ) -> Object:
        data = None if body is None else self._payload(orjson.dumps(body), content_type, policy)
        verb, resource = verb_and_resource(method, path)
        timeout = aiohttp.ClientTimeout(total=policy.seconds, sock_connect=5.0)
        try:
            async with self._session.request(
                method, self._url(path), data=data, timeout=timeout
            ) as response:
                content = await response.read()
                metrics.API_CALLS.labels(verb, resource, response.status).inc()
                if response.status < 400:
                    return parsed(content) if content else {}
                error = error_in(response, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            metrics.API_CALLS.labels(verb, resource, 0).inc()
            raise _Again(ApiError(0, "Unreachable", repr(failure))) from failure
        except UnreadableError as unreadable:
            raise _Again(unreadable) from unreadable
        if error.status == 403:
            self._note_forbidden(verb, resource, error)
        if error.status in _AGAIN or (error.status == 401 and await self._renewed()):
            raise _Again(error)
        raise error

    def _payload(self, content: bytes, content_type: str, policy: Policy) -> aiohttp.BytesPayload:
        if policy.fenced:
            return _FencedPayload(content, content_type, self._fence)
        return aiohttp.BytesPayload(content, content_type=content_type)

    def _note_forbidden(self, verb: str, resource: str, error: ApiError) -> None:
        metrics.API_FORBIDDEN.labels(verb, resource).inc()
        if self._forbidden.is_due(f"{verb} {resource}"):
            logger.warning(
                "The API server forbids us to %s %s (%s). If this is no quota and the namespace "
                "is not being deleted, let the controller's role have this verb.",
                verb, resource, error.message, extra={"verb": verb, "resource": resource},
            )  # fmt: skip

    async def _renewed(self) -> bool:
        """Takes up new credentials, if there are any."""
        if self._reload is None:
            return False
        try:
            fresh = self._reload()
            if fresh == self._credentials:
                return False
            session = _connect(fresh, self._agent)
        except Exception:  # Somebody may be writing the files right now.
            logger.exception("The credentials cannot be read; the old ones are kept")
            return False
        old, self._session, self._credentials = self._session, session, fresh
        await old.close()
        return True

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """Yields the lines of a watch, until the server ends it or goes silent.

        Raises:
            ApiError: The watch was refused, or broke.
        """
        _, resource = verb_and_resource("GET", path)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        try:
            async with self._session.get(self._url(path), timeout=timeout) as response:
                metrics.API_CALLS.labels("watch", resource, response.status).inc()
                if response.status >= 400:
                    error = error_in(response, await response.read())
                    if error.status == 401:
                        await self._renewed()
                    raise error
                async for line in lines_of(response.content):
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            raise ApiError(0, "Unreachable", repr(failure)) from failure


class _FencedPayload(aiohttp.BytesPayload):
    """A body that only the leader sends; the head of the request goes out with it, or not at all.

    The fence is looked at here once more, since connecting takes a while, and a process that is
    paused meanwhile would else go on with the write when it wakes.
    """

    def __init__(self, content: bytes, content_type: str, fence: Fence) -> None:
        super().__init__(content, content_type=content_type)
        self._fence = fence

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not self._fence.is_open:
            raise NotLeaderError
        await super().write_with_length(writer, content_length)


class _Again(Exception):  # noqa: N818  not an error yet
    """Raised within the client when a request may be tried again."""

    def __init__(self, error: ApiError) -> None:
        super().__init__()
        self.error = error


def _connect(credentials: Credentials, agent: str) -> aiohttp.ClientSession:
    headers = {"Accept": _ACCEPTED, "User-Agent": agent}
    if credentials.token:
        headers["Authorization"] = f"Bearer {credentials.token}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=credentials.tls(), limit=64), headers=headers
    )
