"""One pass: look at the cache, plan, do what the plan says, write the status once."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tenyson.controller import metrics
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.events import Announcer
from tenyson.controller.logs import about
from tenyson.controller.lookups import Found, Lookups
from tenyson.controller.names import Key
from tenyson.controller.observed import Child, Defaults, Job, Observed, Report
from tenyson.controller.plan import Plan, child_refused, name_taken, plan
from tenyson.controller.queue import WorkQueue
from tenyson.controller.reading import read_child
from tenyson.controller.rivals import Rivals
from tenyson.controller.timings import seconds_of_last_attempt, seconds_to_first_run

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
        defaults: Callable[[], Defaults],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._lookups = Lookups(cluster, cache)
        self._cache = cache
        self._queue = queue
        self._announcer = announcer
        self._reports = reports
        self._defaults = defaults
        self._listening_since: datetime | None = None
        self._now = now
        self._written_at: dict[Key, float] = {}
        self._rivals = Rivals()

    def begin(self) -> None:
        """Notes that this replica leads from now on, and takes the reports of pods."""
        self._listening_since = self._now() if self._defaults().progress_url else None
        self._rivals.forget_all()

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
        found = Found(self._lookups.lately(key[0]))
        observed = self._observe(key, found)
        if observed is None:
            self._queue.forget(key)
            self._reports.pop(key, None)
            self._written_at.pop(key, None)
            self._rivals.forget(key)
            return
        self._rivals.look(observed.job)
        wanted = plan(observed, self._now())
        while wanted.look_up:
            await self._lookups.look_up(key[0], wanted.look_up, found)
            observed = self._observe(key, found) or observed
            wanted = plan(observed, self._now())
        await self._carry_out(observed, wanted)

    def _observe(self, key: Key, found: Found) -> Observed | None:
        observed = self._cache.observed(key)
        if observed is None:
            return None
        return replace(
            observed,
            references=found.states,
            contents=found.contents,
            report=self._reports.get(key),
            listening_since=self._listening_since,
            defaults=self._defaults(),
        )

    async def _carry_out(self, observed: Observed, wanted: Plan) -> None:
        job = observed.job
        for body in wanted.create:
            await self._create(observed, body)
        if wanted.delete_job:
            await self._cluster.delete_job(job.namespace, job.name, job.uid)
        if wanted.create and self._queue.has_urgent:
            # Others wait for their child. The next pass adopts this one and writes about it.
            self._queue.add(job.key)
            return
        held = self._seconds_held(job.key) if wanted.is_detail else 0.0
        if held <= 0:
            await self._write(job, wanted)
        for child in wanted.delete:
            await self._delete(child)
        waits = [wait for wait in (wanted.requeue_after, held or None) if wait is not None]
        if waits:
            self._queue.add_after(job.key, min(waits))

    def _seconds_held(self, key: Key) -> float:
        """Returns how long a status that only says the same in other words has to wait."""
        since = time.monotonic() - self._written_at.get(key, -math.inf)
        return max(0.0, self._defaults().progress_interval_seconds - since)

    async def _write(self, job: Job, wanted: Plan) -> None:
        if wanted.status is None:
            return
        self._rivals.forget(job.key)
        try:
            written = await self._cluster.apply_status(
                job.namespace, job.name, job.uid, job.resource_version, wanted.status
            )
        except ApiError as error:
            if error.status == 404:
                self._cache.drop_job(job.key, job.uid)
                return
            raise
        self._written_at[job.key] = time.monotonic()
        self._rivals.wrote(job.key, job.uid, written.get("status") or {})
        self._cache.put_job(written, wake=False)
        _measure(job, wanted)
        ended = wanted.status.get("attempts")
        if ended:
            self._cache.forget_ended_pods(job.key, ended[-1]["number"])
        for said in wanted.announcements:
            self._announcer.announce(job, said)
        phase, attempt = wanted.status["phase"], wanted.status.get("attempt", "-")
        reason = wanted.announcements[-1].reason if wanted.announcements else ""
        logger.info(
            "TenysonJob %s/%s: %s, attempt %s%s", *job.key, phase, attempt,
            f" ({reason})" if reason else "",
            extra=about(job.key, phase=phase, attempt=attempt, reason=reason),
        )  # fmt: skip

    async def _delete(self, child: Child) -> None:
        """Deletes a child, but not one that has ended since it was seen: it tells how."""
        try:
            await self._cluster.delete_child(child)
        except ApiError as error:
            if error.status != 409:
                raise
            now = await self._lookups.child_now(child.namespace, child.name)
            if now is not None and now.uid == child.uid and not (now.ended_as or now.deleting):
                await self._cluster.delete_child(now)

    async def _create(self, observed: Observed, body: dict[str, Any]) -> None:
        """Creates one object of an attempt."""
        job, kind, name = observed.job, body["kind"], body["metadata"]["name"]
        try:
            created = await self._cluster.create(body)
        except ApiError as error:
            if error.status in (400, 403, 422):
                final = error.status != 403
                refused = child_refused(observed, self._now(), error.message, final=final)
                await self._write(job, refused)
            if error.status != 409:
                raise
            # Made by a pass whose answer was lost, or by somebody else: its owner tells which.
            created = await self._cluster.read(body)
            if read_child(created).job_uid != job.uid:
                await self._write(job, name_taken(observed, self._now(), kind, name))
                # Without our label its deletion wakes nobody, so it is tried again and again.
                raise
        if kind == "Job":
            self._cache.put_child(created, wake=False)


def _measure(job: Job, wanted: Plan) -> None:
    """Counts what a plan whose status has been written began and ended."""
    status = wanted.status or {}
    if wanted.recorded:
        metrics.ATTEMPTS.labels(wanted.recorded).inc()
        if (ran := seconds_of_last_attempt(status)) is not None:
            metrics.ATTEMPT_SECONDS.labels(wanted.recorded).observe(ran)
    if (waited := seconds_to_first_run(job, status)) is not None and job.spec is not None:
        metrics.JOB_START_SECONDS.labels(job.spec.type).observe(waited)
