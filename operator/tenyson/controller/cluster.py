"""The only place that speaks to Kubernetes: a thin client over HTTP, JSON and server-side apply."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import orjson

from tenyson.controller import metrics, names
from tenyson.controller.credentials import Credentials
from tenyson.controller.limiter import Limiter, backoff

logger = logging.getLogger(__name__)

Object = dict[str, Any]

PAGE: Final = 500
_JSON: Final = "application/json"
_ACCEPTED: Final = "application/json, application/jwk-set+json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_TRIES: Final = 4
"""Tries of one request; what still fails then goes back to the queue, which never gives up."""
_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_SILENCE_SECONDS: Final = 100
"""A watch that says nothing for so long is dead: bookmarks come about once a minute."""


class ApiError(Exception):
    """Raised when the API server refuses a request, or cannot be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Cluster:
    """A connection to the API server."""

    def __init__(
        self,
        credentials: Credentials,
        limiter: Limiter,
        reload: Callable[[], Credentials] | None = None,
    ) -> None:
        self._credentials = credentials
        self._limiter = limiter
        self._reload = reload
        self._session = _connect(credentials)

    @property
    def server(self) -> str:
        """Address of the API server."""
        return self._credentials.server

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    # Requests

    async def request(
        self, method: str, path: str, body: Object | None = None, content_type: str = _JSON
    ) -> Object:
        """Returns the answer to a request, tried again where that can help.

        409, 404 and 422 are the caller's to understand, and 403 will not change by asking again.

        Raises:
            ApiError: The request was refused, or failed every time.
        """
        for tries in range(_TRIES):
            await self._limiter.take()
            try:
                return await self._once(method, path, body, content_type)
            except _Again as again:
                error = again.error
                if tries + 1 < _TRIES:
                    wait = backoff(tries, base=0.1, most=2.0)
                    await asyncio.sleep(max(wait, again.after))
        raise error

    async def _once(self, method: str, path: str, body: Object | None, content_type: str) -> Object:
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": content_type} if data is not None else None
        try:
            async with self._session.request(
                method, self.server + path, data=data, headers=headers
            ) as response:
                content = await response.read()
                metrics.API_CALLS.labels(method, response.status).inc()
                if response.status < 400:
                    return _parsed(content) if content else {}
                error = _error(response.status, content)
                after = response.headers.get("Retry-After", "0")
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            metrics.API_CALLS.labels(method, 0).inc()
            raise _Again(ApiError(0, "Unreachable", repr(failure))) from failure
        except _UnreadableError as unreadable:
            raise _Again(unreadable) from unreadable
        if error.status == 401 and await self._renewed():
            raise _Again(error)
        if error.status in _RETRIED:
            raise _Again(error, float(after) if after.isdigit() else 0.0)
        raise error

    async def _renewed(self) -> bool:
        """Takes up new credentials, if there are any."""
        if self._reload is None:
            return False
        try:
            fresh = self._reload()
            if fresh == self._credentials:
                return False
            session = _connect(fresh)
        except Exception:  # Somebody may be writing the files right now.
            logger.exception("The credentials cannot be read; the old ones are kept")
            return False
        old, self._session, self._credentials = self._session, session, fresh
        await old.close()
        return True

    # Reading

    async def pages(self, path: str, selector: str) -> AsyncIterator[Object]:
        """Yields the pages of a list; together they are one consistent state."""
        token = ""
        while True:
            query = f"?limit={PAGE}&labelSelector={selector}"
            page = await self.request(
                "GET", f"{path}{query}&continue={token}" if token else path + query
            )
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def watch(self, path: str, selector: str, version: str) -> AsyncIterator[Object]:
        """Yields events after `version`, until the server ends the watch or goes silent.

        Raises:
            ApiError: The watch was refused, broke, or `version` is too old (410).
        """
        query = (
            f"?watch=1&allowWatchBookmarks=true&resourceVersion={version}&labelSelector={selector}"
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        try:
            async with self._session.get(self.server + path + query, timeout=timeout) as response:
                metrics.API_CALLS.labels("WATCH", response.status).inc()
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                async for line in _lines(response.content):
                    event = _parsed(line)
                    if event.get("type") == "ERROR":
                        raise _error((event.get("object") or {}).get("code", 500), line)
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            raise ApiError(0, "Unreachable", repr(failure)) from failure

    async def data_keys(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """Returns the keys of a Secret's or ConfigMap's data.

        Raises:
            ApiError: It does not exist (404), or may not be read (403).
        """
        plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
        found = await self.request("GET", f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        return frozenset([*(found.get("data") or ()), *(found.get("binaryData") or ())])

    async def child(self, namespace: str, name: str) -> Object:
        """Returns a batch/v1 Job."""
        return await self.request("GET", _child_path(namespace, name))

    async def signing_keys(self) -> tuple[str, Object]:
        """Returns the issuer of service account tokens and the keys that sign them (JWKS)."""
        found = await self.request("GET", "/.well-known/openid-configuration")
        return found["issuer"], await self.request("GET", "/openid/v1/jwks")

    # Writing

    async def create_child(self, body: Object) -> Object:
        """Returns the Job as created.

        Raises:
            ApiError: A Job of this name exists (409), or it was refused.
        """
        path = _child_path(body["metadata"]["namespace"], "")
        return await self.request("POST", f"{path}?fieldManager={names.FIELD_MANAGER}", body)

    async def delete_child(self, namespace: str, name: str, uid: str) -> None:
        """Deletes a Job, its pods first, each with its grace period."""
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        await self._delete(_child_path(namespace, name), options)

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Deletes a TenysonJob; what it owns follows."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._delete(_job_path(namespace, name), options)

    async def _delete(self, path: str, options: Object) -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        try:
            await self.request("DELETE", path, body)
        except ApiError as error:
            # Gone already, or another of the same name: either way not ours to delete any more.
            if error.status not in (404, 409):
                raise

    async def apply_status(
        self, namespace: str, name: str, uid: str, version: int, status: Object
    ) -> Object:
        """Returns the TenysonJob with its new status.

        The uid and the version fence the write: a pass that saw an older state changes nothing.

        Raises:
            ApiError: The resource changed meanwhile (409), is gone (404), or refuses the status.
        """
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "uid": uid, "resourceVersion": str(version)},
            "status": status,
        }
        query = f"?fieldManager={names.FIELD_MANAGER}&force=true"
        return await self.request(
            "PATCH", f"{_job_path(namespace, name)}/status{query}", body, _APPLY
        )

    async def post_event(self, namespace: str, body: Object) -> None:
        """Posts an Event; one of the same name is counted up instead."""
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            await self.request("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            one = f"{path}/{body['metadata']['name']}"
            count = (await self.request("GET", one)).get("count", 1) + 1
            patch = {"count": count, "lastTimestamp": body["lastTimestamp"]}
            await self.request("PATCH", one, patch, _MERGE)


class _UnreadableError(ApiError):
    """Raised when what came is no JSON object: a proxy's page, or a line cut short."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0, "Unreadable", content[:300].decode(errors="replace"))


class _Again(Exception):  # noqa: N818  not an error yet
    """Raised within the client when a request may be tried again."""

    def __init__(self, error: ApiError, after: float = 0.0) -> None:
        super().__init__()
        self.error = error
        self.after = after


def resource_path(api: str, plural: str, namespace: str | None) -> str:
    """Returns the path of a kind of resource, in one namespace or in all."""
    root = f"/api/{api}" if api == "v1" else f"/apis/{api}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def _child_path(namespace: str, name: str) -> str:
    return f"{resource_path('batch/v1', 'jobs', namespace)}/{name}".rstrip("/")


def _job_path(namespace: str, name: str) -> str:
    return f"{resource_path(names.API_VERSION, names.PLURAL, namespace)}/{name}"


def _connect(credentials: Credentials) -> aiohttp.ClientSession:
    headers = {"Accept": _ACCEPTED, "User-Agent": "tenyson-controller"}
    if credentials.token:
        headers["Authorization"] = f"Bearer {credentials.token}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=credentials.tls(), limit=64),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=30, sock_connect=5),
    )


def _parsed(content: bytes) -> Object:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _UnreadableError(content) from error
    if not isinstance(found, dict):
        raise _UnreadableError(content)
    return found


def _error(status: int, content: bytes) -> ApiError:
    try:
        parsed = orjson.loads(content)
        parsed = parsed.get("object", parsed)
        return ApiError(status, parsed.get("reason", ""), parsed.get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ApiError(status, "", content[:300].decode(errors="replace"))


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yields whole lines; the stream's own readline refuses objects above 64 KiB."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
