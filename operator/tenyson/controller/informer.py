"""Keeps one kind of object in the cache: list, watch, and list again to find what was missed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tenyson.controller import metrics
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.limiter import backoff
from tenyson.controller.logs import Seldom
from tenyson.controller.observed import Object
from tenyson.controller.versions import Id

logger = logging.getLogger(__name__)

_RECONNECT_MAX_SECONDS: Final = 5.0
_EMPTY_WATCH_PAUSE_SECONDS: Final = 1.0
_COMPLAIN_EVERY_SECONDS: Final = 60.0
_DEPARTED_MOST: Final = 1000
_STALE_SECONDS: Final = 300.0
"""Least standstill that counts as stale: bookmarks come about once a minute."""


@dataclass(frozen=True)
class Store:
    """Where an informer puts what it hears."""

    put: Callable[[Object], None]
    drop: Callable[[Id, str], None]
    """By id and uid."""
    known: Callable[[], dict[Id, tuple[str, int]]]
    """Uid and version of all that is in it."""


@dataclass(frozen=True)
class Right:
    """The right to read a kind that a controller can do without."""

    is_given: Callable[[], Awaitable[bool]]
    note: Callable[[bool], None]
    """Told whether the kind is hidden from us."""


class Departed:
    """Objects that were deleted lately, so that no late word of one brings it back.

    The version counts too: an object that lost our label and got it back was never deleted.
    """

    def __init__(self, most: int = _DEPARTED_MOST) -> None:
        self._most = most
        self._versions: dict[str, int] = {}

    def note(self, uid: str, version: int) -> None:
        """Notes that an object was gone at a version."""
        self._versions[uid] = max(version, self._versions.pop(uid, 0))
        if len(self._versions) > self._most:
            del self._versions[next(iter(self._versions))]

    def knows(self, meta: Object) -> bool:
        """Whether this is the state of an object before it was deleted."""
        gone = self._versions.get(meta["uid"])
        return gone is not None and int(meta["resourceVersion"]) <= gone


class Informer:
    """Feeds a store with the objects of one kind, in one namespace or in all.

    A watch alone is not enough: after a gap it does not tell what was deleted meanwhile. So every
    broken watch, and `relist_seconds` in any case, is followed by a list and a comparison.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        kind: str,
        path: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        right: Right | None = None,
        relist_seconds: float = 600.0,
    ) -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self.heard_at = time.monotonic()
        """When the API server last told something about this kind."""
        self._moved_at = time.monotonic()
        self._cluster = cluster
        self._store = store
        self._path = path
        self._selector = selector
        self._namespace = namespace
        self._right = right
        self._relist_seconds = relist_seconds
        self._departed = Departed()
        self._complaints = Seldom(_COMPLAIN_EVERY_SECONDS)

    async def run(self) -> None:
        """Works until cancelled; no trouble ends it."""
        failures = 0
        while True:
            began = time.monotonic()
            asked_to_wait = 0.0
            try:
                if self._right is not None and not await self._right.is_given():
                    await self._go_without(self._right)
                else:
                    await self._follow(await self.list())
                failures = 0
                continue
            except ApiError as error:
                if error.status == 403 and self._right is not None:
                    await self._go_without(self._right)
                    continue
                self._warn(error)
                asked_to_wait = error.retry_after
            except Exception:  # An object that nobody foresaw must not end all watching.
                logger.exception("The watch of %ss broke on what came", self.kind)
            self._moved_at = time.monotonic()
            if self._moved_at - began > _RECONNECT_MAX_SECONDS:
                failures = 0
            failures += 1
            wait = backoff(failures, base=0.05, most=_RECONNECT_MAX_SECONDS)
            await asyncio.sleep(max(wait, asked_to_wait))

    async def _go_without(self, right: Right) -> None:
        """Waits for the next list as if there were no object of this kind."""
        if not self.synced.is_set():
            logger.info("Works without any %s: its rights do not reach them", self.kind)
        right.note(True)
        self.synced.set()
        self._moved_at = time.monotonic()
        await asyncio.sleep(self._relist_seconds)

    def _warn(self, error: ApiError) -> None:
        if error.status == 410 or not self._complaints.is_due(str(error.status)):
            return
        if error.status == 404:
            logger.warning("%s is not served yet; apply the CRDs in crds/", self._path)
        else:
            logger.warning("The watch of %ss broke: %s", self.kind, error)

    def is_stale(self) -> bool:
        """Whether it stands still for so long that it must be stuck.

        An API server that is away, or refuses, is no standstill: it is asked again and again.
        """
        still = time.monotonic() - self._moved_at
        return still > max(_STALE_SECONDS, 2 * self._relist_seconds)

    async def list(self) -> str:
        """Lists all objects, compares them with the store, and returns the list's version."""
        before = self._known()
        seen: set[Id] = set()
        version = "0"
        async for page in self._cluster.pages(self._path, self._selector):
            version = page["metadata"]["resourceVersion"]
            for body in page.get("items") or ():
                seen.add(id_of(body))
                self._put(body)
            # The next page may take a while to come, and others have waited for this one.
            await asyncio.sleep(0)
        for at, (uid, known_version) in before.items():
            # What was written after the list's snapshot is missing from it and still there.
            if at not in seen and known_version <= int(version):
                self._departed.note(uid, int(version))
                self._store.drop(at, uid)
        if self._right is not None:
            self._right.note(False)
        metrics.LISTS.labels(self.kind).inc()
        self._hear()
        self.synced.set()
        return version

    def _put(self, body: Object) -> None:
        if self._departed.knows(body["metadata"]):
            return
        try:
            self._store.put(body)
        except Exception:  # One object that nobody foresaw must not hide the others.
            at = "/".join(id_of(body))
            logger.exception("The %s %s cannot be read: this is a bug", self.kind, at)

    def _known(self) -> dict[Id, tuple[str, int]]:
        known = self._store.known()
        if self._namespace is None:
            return known
        return {at: value for at, value in known.items() if at[0] == self._namespace}

    def _hear(self) -> None:
        self.heard_at = self._moved_at = time.monotonic()

    async def _follow(self, version: str) -> None:
        """Returns when it is time to list again."""
        try:
            async with asyncio.timeout(self._relist_seconds):
                await self._watch(version)
        except TimeoutError:
            return

    async def _watch(self, version: str) -> None:
        while True:
            before = version
            async for event in self._cluster.watch(self._path, self._selector, version):
                self._hear()
                body = event["object"]
                version = body["metadata"]["resourceVersion"]
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._put(body)
                elif event["type"] == "DELETED":
                    self._departed.note(body["metadata"]["uid"], int(version))
                    self._store.drop(id_of(body), body["metadata"]["uid"])
            self._moved_at = time.monotonic()
            # The server ends a watch after some minutes; the next goes on where it ended.
            if version == before:
                await asyncio.sleep(_EMPTY_WATCH_PAUSE_SECONDS)


def id_of(body: Object) -> Id:
    """Returns namespace and name of an object; an empty namespace for what has none."""
    meta = body["metadata"]
    return meta.get("namespace", ""), meta["name"]
