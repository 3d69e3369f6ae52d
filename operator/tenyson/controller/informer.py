"""Keeps one kind of object in the cache: list, watch, and list again to find what was missed."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from tenyson.controller import metrics
from tenyson.controller.cache import Cache, Id
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.limiter import backoff
from tenyson.controller.observed import Object

logger = logging.getLogger(__name__)

_RECONNECT_MAX_SECONDS: Final = 5.0
_LIST_PAUSE_SECONDS: Final = 1.0
_EMPTY_WATCH_PAUSE_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 300.0
"""Least silence that counts as stale: bookmarks come about once a minute."""


class Informer:
    """Feeds the cache with the objects of one kind, in one namespace or in all.

    A watch alone is not enough: after a gap it does not tell what was deleted meanwhile. So every
    broken watch, and `relist_seconds` in any case, is followed by a list and a comparison.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        kind: str,
        path: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        watches: bool = True,
        relist_seconds: float = 600.0,
    ) -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self.heard_at = time.monotonic()
        self._cluster = cluster
        self._cache = cache
        self._path = path
        self._selector = selector
        self._namespace = namespace
        self._watches = watches
        self._relist_seconds = relist_seconds
        self._wanted = asyncio.Event()
        self._put, self._drop = _sinks(cache, kind)

    async def run(self) -> None:
        """Works until cancelled; no trouble ends it."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._follow(await self.list())
                failures = 0
                continue
            except ApiError as error:
                self._warn(error)
                too_old = error.status == 410
            except Exception:  # An object that nobody foresaw must not end all watching.
                logger.exception("The watch of %ss broke on what came", self.kind)
                too_old = False
            if too_old or time.monotonic() - began > _RECONNECT_MAX_SECONDS:
                failures = 0
            failures += not too_old
            await asyncio.sleep(backoff(failures, base=0.05, most=_RECONNECT_MAX_SECONDS))

    def _warn(self, error: ApiError) -> None:
        if error.status == 404:
            logger.warning("%s is not served yet; apply the CRDs in crds/", self._path)
        elif error.status != 410:
            logger.warning("The watch of %ss broke: %s", self.kind, error)

    def is_stale(self) -> bool:
        """Whether nothing was heard for so long that the watch must be stuck."""
        silence = time.monotonic() - self.heard_at
        return self._watches and silence > max(_STALE_SECONDS, 2 * self._relist_seconds)

    def want_list(self) -> None:
        """Asks for a list soon, because something may have been missed."""
        self._wanted.set()

    async def list(self) -> str:
        """Lists all objects, compares them with the cache, and returns the list's version."""
        before = self._known()
        seen: set[Id] = set()
        version = "0"
        async for page in self._cluster.pages(self._path, self._selector):
            version = page["metadata"]["resourceVersion"]
            for body in page.get("items") or ():
                seen.add(_id(body))
                self._put(body)
        for at, (uid, known_version) in before.items():
            # What was written after the list's snapshot is missing from it and still there.
            if at not in seen and known_version <= int(version):
                self._drop(at, uid)
        metrics.LISTS.labels(self.kind).inc()
        metrics.CACHED.labels(self.kind).set(len(self._known()))
        self.heard_at = time.monotonic()
        self.synced.set()
        return version

    def _known(self) -> dict[Id, tuple[str, int]]:
        known = self._cache.known(self.kind)
        if self._namespace is None:
            return known
        return {at: value for at, value in known.items() if at[0] == self._namespace}

    async def _follow(self, version: str) -> None:
        """Returns when it is time to list again."""
        self._wanted.clear()
        try:
            async with asyncio.timeout(self._relist_seconds):
                if not self._watches:
                    await self._wanted.wait()
                    # One of kopf's lists brings as many wishes as it has objects.
                    await asyncio.sleep(_LIST_PAUSE_SECONDS)
                    return
                await self._watch(version)
        except TimeoutError:
            return

    async def _watch(self, version: str) -> None:
        while True:
            before = version
            async for event in self._cluster.watch(self._path, self._selector, version):
                self.heard_at = time.monotonic()
                body = event["object"]
                version = body["metadata"]["resourceVersion"]
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._put(body)
                elif event["type"] == "DELETED":
                    self._drop(_id(body), body["metadata"]["uid"])
            # The server ends a watch after some minutes; the next goes on where it ended.
            if version == before:
                await asyncio.sleep(_EMPTY_WATCH_PAUSE_SECONDS)


def _id(body: Object) -> Id:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _sinks(cache: Cache, kind: str) -> tuple[Callable[[Object], None], Callable[[Id, str], None]]:
    return {
        "job": (cache.put_job, cache.drop_job),
        "child": (cache.put_child, cache.drop_child),
        "pod": (cache.put_pod, cache.drop_pod),
    }[kind]
