"""The few calls that the node makes to the apiserver."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"

Object = dict[str, Any]


class ApiUnavailableError(Exception):
    """Raised when no answer came: the apiserver is away, or starting."""


class ApiStatusError(Exception):
    """Raised when the apiserver said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Api:
    """A connection to the apiserver that a kubeconfig names; use it as a context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = str(cluster["server"])
        self._ssl = _ssl_context(cluster, user)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Api:
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=20)
        self._http = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """The object or list at the path."""
        return await self._call("GET", path, None, JSON, params)

    async def find(self, path: str) -> Object | None:
        """The object at the path, or None where there is none."""
        try:
            return await self.get(path)
        except ApiStatusError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, path: str, body: Object) -> Object:
        """The object as created."""
        return await self._call("POST", path, body)

    async def patch(self, path: str, body: Object, kind: str = MERGE) -> Object:
        """The object after the patch."""
        return await self._call("PATCH", path, body, kind)

    async def delete(self, path: str, options: Object) -> None:
        """Delete the object; one that is gone already is no error."""
        try:
            await self._call("DELETE", path, options)
        except ApiStatusError as error:
            if error.status != 404:
                raise

    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Object]:
        """The events of a list from its `resourceVersion` on, until the connection ends."""
        assert self._http is not None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            async with self._http.get(
                self.url + path, params={**params, "watch": "1"}, timeout=timeout
            ) as answer:
                if answer.status >= 400:
                    raise ApiStatusError(answer.status, await answer.text())
                async for event in _lines(answer.content):
                    yield event
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiUnavailableError(str(error)) from error

    async def _call(
        self,
        method: str,
        path: str,
        body: Object | None,
        kind: str = JSON,
        params: Mapping[str, str] | None = None,
    ) -> Object:
        assert self._http is not None
        try:
            async with self._http.request(
                method,
                self.url + path,
                params=params,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": kind},
                timeout=aiohttp.ClientTimeout(total=15),
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiUnavailableError(f"{method} {path}: {error}") from error
        return _accepted(answer.status, content)


def _accepted(status: int, content: bytes) -> Object:
    """The answer, unless it is an error; one that another try may cure counts as no answer."""
    try:
        answer: Object = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = {"message": content[:500].decode(errors="replace")}
    if status in (429, 500, 503, 504):
        raise ApiUnavailableError(str(answer.get("message", status)))
    if status >= 400:
        raise ApiStatusError(status, str(answer.get("message", "")))
    return answer


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[Object]:
    """JSON documents, one a line; read in chunks, as aiohttp refuses lines over 64 KiB."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield orjson.loads(line)


def _ssl_context(cluster: Object, user: Object) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile() as pair:  # ssl reads a client's key from files only
        pair.write(base64.b64decode(user["client-certificate-data"]))
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context
