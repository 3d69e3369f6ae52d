"""Posts Events beside the work: they may come late, or in bad times be lost, but delay nothing."""

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from tenyson.controller import metrics, names
from tenyson.controller.announcements import Announcement
from tenyson.controller.cluster import ApiError
from tenyson.controller.limiter import Limiter
from tenyson.controller.logs import about
from tenyson.controller.observed import Job, Object
from tenyson.controller.times import format_time

T = TypeVar("T")

logger = logging.getLogger(__name__)

_WAITING: Final = 10_000
"""Events that may wait to be posted; what comes on top is dropped."""
_KNOWN: Final = 4_096
"""Objects, and Events, that are remembered; of one forgotten the server is asked."""
PER_MINUTE: Final = 10
"""Events about one object, sustained and at once; what comes on top is dropped."""


class EventSink(Protocol):
    """Where Events are posted."""

    async def create_event(self, body: Object) -> None:
        """Posts an Event."""

    async def event_count(self, namespace: str, name: str) -> int:
        """Returns how often an Event has happened."""

    async def update_event(self, namespace: str, name: str, changes: Object) -> None:
        """Changes some fields of an Event."""


class Announcer:
    """Posts core Events: one per object, type and reason, which counts and shows the last message.

    What happens again before it is posted is added to what waits; a job that flaps is cut off.
    """

    def __init__(
        self,
        cluster: EventSink,
        limiter: Callable[[], Limiter] = lambda: Limiter(PER_MINUTE / 60, PER_MINUTE),
    ) -> None:
        self._cluster = cluster
        self._limiter = limiter
        self._waiting: OrderedDict[str, Object] = OrderedDict()
        self._there_is_work = asyncio.Event()
        self._limits: OrderedDict[str, Limiter] = OrderedDict()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._instance = socket.gethostname()

    def announce(self, job: Job, said: Announcement) -> None:
        """Has an Event posted soon."""
        if not self._may_say_more(job.uid):
            self._drop(job, said, "too many about one object")
            return
        body = event(job, said, datetime.now(UTC), self._instance)
        key = f"{job.namespace}/{body['metadata']['name']}"
        if key in self._waiting:
            merge(self._waiting[key], body)
        elif len(self._waiting) >= _WAITING:
            self._drop(job, said, "too many in all")
        else:
            self._waiting[key] = body
            self._there_is_work.set()

    def _may_say_more(self, uid: str) -> bool:
        limit = _remembered(self._limits, uid, self._limiter)
        return limit.try_take()

    def _drop(self, job: Job, said: Announcement, why: str) -> None:
        metrics.EVENTS_DROPPED.labels(why).inc()
        logger.debug("An Event was dropped (%s): %s", why, said.message,
                     extra=about(job.key, reason=said.reason))  # fmt: skip

    async def run(self) -> None:
        """Posts until cancelled."""
        while True:
            while not self._waiting:
                self._there_is_work.clear()
                await self._there_is_work.wait()
            key, body = self._waiting.popitem(last=False)
            try:
                await self._post(key, body)
            except ApiError as error:
                # 403 and 404 are what a namespace answers that is being deleted.
                level = logging.DEBUG if error.status in (403, 404) else logging.WARNING
                logger.log(level, "An Event was not taken (%s): %s", body["reason"], error)
            except Exception:  # One Event's bug must not silence the rest.
                logger.exception("An Event was not taken (%s)", body["reason"])

    async def _post(self, key: str, body: Object) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        before = self._counts.get(key)
        if before is None:
            try:
                await self._cluster.create_event(body)
            except ApiError as error:
                if error.status != 409:
                    raise
                # Posted before a restart, by another replica, or by a try whose answer was lost.
                before = await self._cluster.event_count(namespace, name)
        if before is not None:
            body["count"] += before
            shown = {name: body[name] for name in ("count", "message", "lastTimestamp")}
            try:
                await self._cluster.update_event(namespace, name, shown)
            except ApiError as error:
                if error.status != 404:
                    raise
                # Events live an hour; the next one begins anew.
                self._counts.pop(key, None)
                await self._cluster.create_event(body)
        _remembered(self._counts, key, int)
        self._counts[key] = body["count"]


def _remembered(store: OrderedDict[str, T], key: str, make: Callable[[], T]) -> T:
    """Returns a value of a store, made if missing; the one not used for longest makes room."""
    found = store.get(key)
    if found is None:
        found = store[key] = make()
        if len(store) > _KNOWN:
            store.popitem(last=False)
    store.move_to_end(key)
    return found


def merge(waiting: Object, body: Object) -> None:
    """Adds an Event to one of the same name that waits."""
    waiting["count"] += body["count"]
    waiting["message"] = body["message"]
    waiting["lastTimestamp"] = body["lastTimestamp"]


def event(job: Job, said: Announcement, now: datetime, instance: str) -> Object:
    """Returns the Event as the API takes it."""
    time = format_time(now)
    name = names.event_name(job.name, job.uid, said.kind, said.reason)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
            "resourceVersion": str(job.resource_version),
        },
        "type": said.kind,
        "reason": said.reason,
        "message": said.message,
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": f"{names.GROUP}/controller",
        "reportingInstance": instance,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
