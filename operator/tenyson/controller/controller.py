"""Puts the parts together and keeps them running."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from tenyson.controller import certificates, credentials, metrics, names
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import Cluster, resource_path
from tenyson.controller.events import Announcer
from tenyson.controller.informer import Informer
from tenyson.controller.limiter import Limiter
from tenyson.controller.names import Key
from tenyson.controller.observed import Defaults, Report
from tenyson.controller.progress import ProgressServer
from tenyson.controller.queue import WorkQueue
from tenyson.controller.reconciler import Reconciler
from tenyson.controller.settings import Settings, own_address
from tenyson.controller.tokens import TokenVerifier

logger = logging.getLogger(__name__)


class UnhealthyError(Exception):
    """Raised when only a restart can help."""


class Controller:
    """The controller as a whole; kopf only brings it news of TenysonJobs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue = WorkQueue()
        self._cache = Cache(lambda key, urgent: self._queue.add(key, urgent=urgent))
        self._reports: dict[Key, Report] = {}
        self._cluster = Cluster(
            credentials.load(), Limiter(settings.api_qps, settings.api_burst), credentials.load
        )
        self._progress = ProgressServer(
            self._cache, TokenVerifier(self._cluster.signing_keys), self._reports, self._queue.add
        )
        self._lists: list[Informer] = []
        self._informers_all: list[Informer] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts everything; passes begin once every kind has been listed."""
        announcer = Announcer(self._cluster)
        defaults = await self._serve_progress()
        reconciler = Reconciler(
            self._cluster, self._cache, self._queue, announcer, self._reports, defaults
        )
        informers = [i for ns in self._settings.watched for i in self._informers(ns)]
        self._lists = [informer for informer in informers if informer.kind == "job"]
        self._informers_all = informers
        self._spawn("events", announcer.run())
        for informer in informers:
            self._spawn(f"{informer.kind} informer", informer.run())
        self._spawn("workers", self._work(reconciler))
        if self._settings.metrics_port:
            metrics.serve(self._settings.metrics_port)
        # kopf looks for the CRD once, right after this; before that it must be there.
        for informer in self._lists:
            await informer.synced.wait()

    async def stop(self) -> None:
        """Stops everything; whatever was under way is taken up by the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._progress.stop()
        await self._cluster.close()

    def heard(self, kind: str | None, body: dict[str, Any]) -> None:
        """Takes up an event of a TenysonJob; kind is None for one of a list."""
        if kind == "DELETED":
            meta = body["metadata"]
            self._cache.drop_job((meta["namespace"], meta["name"]), meta["uid"])
            return
        self._cache.put_job(body)

    def listed_anew(self) -> None:
        """Notes that kopf has listed again: it will not tell what was deleted meanwhile."""
        for informer in self._lists:
            informer.want_list()

    def health(self) -> dict[str, float]:
        """Returns the seconds since each watch was last heard, and the queue's depth.

        Raises:
            UnhealthyError: A part has ended that never should, or a watch is stuck.
        """
        ended = [task.get_name() for task in self._tasks if task.done()]
        stale = [f"{informer.kind} informer" for informer in self._informers_all
                 if informer.is_stale()]  # fmt: skip
        if ended or stale:
            raise UnhealthyError(f"ended: {ended or 'none'}; heard nothing: {stale or 'none'}")
        now = time.monotonic()
        ages = {f"{i.kind}_age_seconds": round(now - i.heard_at, 1) for i in self._informers_all}
        return {**ages, "queue_depth": len(self._queue)}

    async def _serve_progress(self) -> Defaults:
        settings = self._settings
        host = settings.progress_advertise or own_address(self._cluster.server)
        certificate = certificates.obtain(settings.progress_cert_dir, host)
        port = await self._progress.start(
            settings.progress_bind, settings.progress_port, certificate
        )
        shown = f"[{host}]" if ":" in host else host
        logger.info("Pods report their progress to https://%s:%s", shown, port)
        return Defaults(
            image=settings.runner_image,
            progress_url=f"https://{shown}:{port}",
            progress_ca=certificate.authority,
            progress_interval_seconds=settings.progress_interval,
        )

    def _informers(self, namespace: str | None) -> list[Informer]:
        common: dict[str, Any] = {
            "namespace": namespace,
            "relist_seconds": self._settings.relist_seconds,
        }
        jobs = resource_path(names.API_VERSION, names.PLURAL, namespace)
        children = resource_path("batch/v1", "jobs", namespace)
        pods = resource_path("v1", "pods", namespace)
        ours = {"selector": names.LABEL_JOB, **common}
        return [
            Informer(self._cluster, self._cache, "job", jobs, watches=False, **common),
            Informer(self._cluster, self._cache, "child", children, **ours),
            Informer(self._cluster, self._cache, "pod", pods, **ours),
        ]

    async def _work(self, reconciler: Reconciler) -> None:
        for informer in self._informers_all:
            await informer.synced.wait()
        logger.info("All kinds are listed; %s jobs wait for a pass", len(self._queue))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.workers):
                group.create_task(reconciler.work())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))
