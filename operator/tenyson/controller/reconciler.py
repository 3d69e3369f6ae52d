"""One pass: look at the cache, plan, do what the plan says, write the status once."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tenyson.controller import metrics
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.events import Announcer
from tenyson.controller.logs import about
from tenyson.controller.names import Key
from tenyson.controller.observed import Defaults, Job, Observed, Reference, Report, read_child
from tenyson.controller.plan import Plan, child_refused, name_taken, plan
from tenyson.controller.queue import WorkQueue

logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Carries out plans."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        queue: WorkQueue,
        announcer: Announcer,
        reports: dict[Key, Report],
        defaults: Defaults,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._queue = queue
        self._announcer = announcer
        self._reports = reports
        self._defaults = defaults
        self._now = now

    async def work(self) -> None:
        """Works through the queue until cancelled; a pass that fails is made again later."""
        while True:
            key = await self._queue.get()
            started = time.perf_counter()
            try:
                await self.reconcile(key)
                self._queue.succeeded(key)
                metrics.RECONCILES.labels("done").inc()
            except ApiError as error:
                # A conflict is daily bread, and of what is forbidden the client tells at its pace.
                level = logging.DEBUG if error.status in (403, 409) else logging.WARNING
                logger.log(level, "TenysonJob %s/%s: %s", *key, error,
                           extra=about(key, reason=error.reason))  # fmt: skip
                metrics.RECONCILES.labels("api error").inc()
                self._queue.add_after_failure(key, error.retry_after)
            except Exception:  # One job's bug must not stop the others.
                logger.exception("TenysonJob %s/%s: this is a bug, please report it", *key,
                                 extra=about(key))  # fmt: skip
                metrics.RECONCILES.labels("bug").inc()
                self._queue.add_after_failure(key)
            finally:
                metrics.RECONCILE_SECONDS.observe(time.perf_counter() - started)
                self._queue.done(key)

    async def reconcile(self, key: Key) -> None:
        """Makes one pass over a job.

        Raises:
            ApiError: A write did not succeed; another pass is needed.
        """
        observed = self._observe(key)
        if observed is None:
            self._queue.forget(key)
            self._reports.pop(key, None)
            return
        wanted = plan(observed, self._now())
        if wanted.look_up:
            observed = self._observe(key, await self._look_up(key[0], wanted.look_up)) or observed
            wanted = plan(observed, self._now())
        await self._carry_out(observed, wanted)

    def _observe(
        self, key: Key, references: Mapping[Reference, str] | None = None
    ) -> Observed | None:
        return self._cache.observed(key, self._defaults, self._reports.get(key), references)

    async def _carry_out(self, observed: Observed, wanted: Plan) -> None:
        job = observed.job
        if wanted.create is not None:
            await self._create(observed, wanted.create)
        if wanted.delete is not None:
            child = wanted.delete
            await self._cluster.delete_child(child.namespace, child.name, child.uid)
        if wanted.delete_job:
            await self._cluster.delete_job(job.namespace, job.name, job.uid)
        if wanted.create is not None and self._queue.has_urgent:
            # Others wait for their child. The next pass adopts this one and writes about it.
            self._queue.add(job.key)
            return
        await self._write(job, wanted)
        if wanted.requeue_after is not None:
            self._queue.add_after(job.key, wanted.requeue_after)

    async def _write(self, job: Job, wanted: Plan) -> None:
        if wanted.status is None:
            return
        try:
            written = await self._cluster.apply_status(
                job.namespace, job.name, job.uid, job.resource_version, wanted.status
            )
        except ApiError as error:
            if error.status == 404:
                self._cache.drop_job(job.key, job.uid)
                return
            raise
        self._cache.put_job(written, wake=False)
        ended = wanted.status.get("attempts")
        if ended:
            self._cache.forget_ended_pods(job.key, ended[-1]["number"])
        for said in wanted.announcements:
            self._announcer.announce(job, said)
        logger.info(
            "TenysonJob %s/%s: %s, attempt %s", job.namespace, job.name,
            wanted.status["phase"], wanted.status.get("attempt", "-"),
            extra=about(job.key, phase=wanted.status["phase"],
                        attempt=wanted.status.get("attempt")),
        )  # fmt: skip

    async def _create(self, observed: Observed, body: dict[str, Any]) -> None:
        job, name = observed.job, body["metadata"]["name"]
        try:
            created = await self._cluster.create_child(body)
        except ApiError as error:
            if error.status in (400, 403, 422):
                await self._write(job, child_refused(observed, self._now(), error.message))
            if error.status != 409:
                raise
            # Made by a pass whose answer was lost, or by somebody else: its owner tells which.
            created = await self._cluster.child(job.namespace, name)
            if read_child(created).job_uid != job.uid:
                await self._write(job, name_taken(observed, self._now(), name))
                # Without our label its deletion wakes nobody, so it is tried again and again.
                raise
        self._cache.put_child(created)

    async def _look_up(
        self, namespace: str, references: tuple[Reference, ...]
    ) -> dict[Reference, str]:
        """Returns what is there, each object read once."""
        keys: dict[tuple[str, str], frozenset[str] | str] = {}
        for kind, name in {(reference.kind, reference.name) for reference in references}:
            try:
                keys[kind, name] = await self._cluster.data_keys(kind, namespace, name)
            except ApiError as error:
                if error.status not in (403, 404):
                    raise
                keys[kind, name] = "forbidden" if error.status == 403 else "no object"
        return {reference: _state(keys[reference.kind, reference.name], reference.key)
                for reference in references}  # fmt: skip


def _state(found: frozenset[str] | str, key: str) -> str:
    if isinstance(found, str):
        return found
    return "found" if key in found else "no key"
