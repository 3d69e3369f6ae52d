"""Posts Events beside the work: they may come late, or in bad times be lost, but delay nothing."""

import asyncio
import logging
import socket
from datetime import UTC, datetime
from typing import Final

from tenyson.controller import names
from tenyson.controller.announcements import Announcement
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.observed import Job, Object, format_time

logger = logging.getLogger(__name__)

_WAITING: Final = 10_000
"""Events that may wait to be posted; what comes on top is dropped."""


class Announcer:
    """Posts core Events; the same one again is counted up instead of posted twice."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: asyncio.Queue[tuple[str, Object]] = asyncio.Queue(_WAITING)
        self._instance = socket.gethostname()

    def announce(self, job: Job, said: Announcement) -> None:
        """Has an Event posted soon."""
        body = event(job, said, datetime.now(UTC), self._instance)
        try:
            self._waiting.put_nowait((job.namespace, body))
        except asyncio.QueueFull:
            logger.warning("An Event about %s was dropped: %s", job.name, said.reason)

    async def run(self) -> None:
        """Posts until cancelled."""
        while True:
            namespace, body = await self._waiting.get()
            try:
                await self._cluster.post_event(namespace, body)
            except ApiError as error:
                logger.warning("An Event was not taken (%s): %s", body["reason"], error)
            except Exception:  # One Event's bug must not silence the rest.
                logger.exception("An Event was not taken (%s)", body["reason"])


def event(job: Job, said: Announcement, now: datetime, instance: str) -> Object:
    """Returns the Event as the API takes it."""
    time = format_time(now)
    name = names.event_name(job.name, job.uid, said.kind, said.reason, said.message)
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
