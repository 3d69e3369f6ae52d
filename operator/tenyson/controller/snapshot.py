"""Metrics that are read off the controller's state at each scrape, not counted on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tenyson.controller.cache import Cache
from tenyson.controller.health import Health
from tenyson.controller.names import Key
from tenyson.controller.observed import Report
from tenyson.controller.queue import WorkQueue

_Counted = Mapping[tuple[str, ...], float]
"""By labels."""


class Snapshot(Collector):
    """What the queue, the watches, the cache and the reports look like now."""

    def __init__(
        self, queue: WorkQueue, health: Health, cache: Cache, reports: Mapping[Key, Report]
    ) -> None:
        self._queue = queue
        self._health = health
        self._cache = cache
        self._reports = reports

    def collect(self) -> Iterable[Metric]:
        """Yields the metrics."""
        yield _gauge("tenyson_queue_depth", "Jobs that wait for a pass.", len(self._queue))
        yield _gauge(
            "tenyson_queue_oldest_seconds",
            "How long the job that waits longest has waited for a pass.",
            self._queue.oldest_seconds,
        )
        yield _gauges(
            "tenyson_watch_age_seconds",
            "Seconds since the API server last told something about a kind.",
            ["kind"],
            {(kind,): age for kind, age in self._health.ages().items()},
        )
        yield _gauges(
            "tenyson_cached_objects",
            "Objects in the cache.",
            ["kind"],
            {(kind,): len(self._cache.known(kind)) for kind in ("job", "child", "pod")},
        )
        jobs, gpus, running = self._jobs()
        yield _gauges("tenyson_jobs", "TenysonJobs.", ["type", "phase"], jobs)
        yield _gauges("tenyson_gpus", "GPUs that jobs which are not over ask for.", ["phase"], gpus)
        yield _gauge(
            "tenyson_progress_staleness_seconds",
            "Age of the newest report of that running job which has been silent for longest.",
            self._staleness(running),
        )

    def _jobs(self) -> tuple[_Counted, _Counted, list[Key]]:
        """Returns how many jobs of each type and phase there are, their GPUs, and which run."""
        counts: Counter[tuple[str, ...]] = Counter()
        gpus: Counter[tuple[str, ...]] = Counter()
        running = []
        for key, job in self._cache.jobs():
            phase = job.phase or "New"
            counts[job.type or "Unreadable", phase] += 1
            if not job.ended_as:
                gpus[(phase,)] += job.gpus
            if phase == "Running":
                running.append(key)
        return counts, gpus, running

    def _staleness(self, running: Iterable[Key]) -> float:
        now = datetime.now(UTC)
        reports = (self._reports[key] for key in running if key in self._reports)
        return max(((now - report.received_at).total_seconds() for report in reports), default=0.0)


def _gauge(name: str, text: str, value: float) -> Metric:
    return _gauges(name, text, [], {(): value})


def _gauges(name: str, text: str, labels: list[str], values: _Counted) -> Metric:
    metric = GaugeMetricFamily(name, text, labels=labels)
    for under, value in values.items():
        metric.add_metric(list(under), value)
    return metric
