"""What the API server answers: objects, lines of a watch, and the errors it says."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from tenyson.controller.calls import RETRY_AFTER_MOST_SECONDS
from tenyson.controller.limiter import retry_after
from tenyson.controller.nesting import cut_text

Object = dict[str, Any]


class ApiError(Exception):
    """Raised when the API server refuses a request, or cannot be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds that the server asked to be left alone for."""


class NotLeaderError(ApiError):
    """Raised instead of a write when this replica does not lead, or may not any more."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeader", "this replica's lease has run out; nothing was sent")


class UnreadableError(ApiError):
    """Raised when what came is no JSON object: a proxy's page, or a line cut short."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0, "Unreadable", content[:300].decode(errors="replace"))


def parsed(content: bytes) -> Object:
    """Returns a JSON object.

    Raises:
        ApiError: It is none.
    """
    try:
        found = _loaded(content)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(content) from error
    if not isinstance(found, dict):
        raise UnreadableError(content)
    return found


def _loaded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if "limit" not in str(error):
            raise
        # One object of a list is nested too deep; the others must be heard of.
        return orjson.loads(cut_text(content))


def error_in(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """Returns what a refusal says, and how long it asks to be left alone."""
    headers = response.headers
    wait = retry_after(
        headers.get("Retry-After", ""), headers.get("Date", ""), most=RETRY_AFTER_MOST_SECONDS
    )
    try:
        status = orjson.loads(content)
        found = ApiError(response.status, status.get("reason", ""), status.get("message", ""), wait)
    except (orjson.JSONDecodeError, AttributeError):
        told = content[:300].decode(errors="replace")
        found = ApiError(response.status, "", told, wait)
    return found


async def lines_of(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yields whole lines; the stream's own readline refuses objects above 64 KiB."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
