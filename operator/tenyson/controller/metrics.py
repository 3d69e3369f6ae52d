"""Prometheus metrics of the controller. Labels are bounded: never a job's name or namespace.

What can be counted when it is asked for (jobs by phase, the age of a watch) is not kept up here on
the way: `snapshot.py` reads it off the cache at each scrape.
"""

import os
import platform
from importlib import metadata
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from tenyson.contract import Env

REGISTRY: Final = CollectorRegistry()

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_HOUR: Final = 3600
_LONG: Final = (
    *(1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800),
    *(_HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR, 72 * _HOUR),
)


def _version() -> str:
    try:
        return metadata.version("tenyson")
    except metadata.PackageNotFoundError:  # started from sources that nobody has installed
        return "unknown"


BUILD = Info("tenyson_build", "Which controller this is; always 1.", registry=REGISTRY)
BUILD.info(
    {
        "version": _version(),
        "revision": os.environ.get(Env.GIT_SHA) or "unknown",
        "python": platform.python_version(),
    }
)

QUEUE_LATENCY_SECONDS = Histogram(
    "tenyson_queue_latency_seconds",
    "Seconds from asking for a pass to its begin.",
    buckets=_FAST,
    registry=REGISTRY,
)
QUEUE_RETRIES = Counter(
    "tenyson_queue_retries", "Passes asked for again after a failure.", registry=REGISTRY
)
RECONCILES = Counter(
    "tenyson_reconciles", "Passes, by how they ended.", ["result"], registry=REGISTRY
)
RECONCILE_SECONDS = Histogram(
    "tenyson_reconcile_seconds",
    "Seconds that a pass takes.",
    buckets=_FAST,
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "tenyson_attempts",
    "Attempts that were recorded as ended, by class (App, Infra, Preempted, OOM, Hang, …).",
    ["class"],
    registry=REGISTRY,
)
ATTEMPT_SECONDS = Histogram(
    "tenyson_attempt_seconds",
    "Seconds that the pod of an ended attempt ran, by class.",
    ["class"],
    buckets=_LONG,
    registry=REGISTRY,
)
JOB_START_SECONDS = Histogram(
    "tenyson_job_start_seconds",
    "Seconds from a job's creation until its pods ran for the first time.",
    ["type"],
    buckets=_LONG,
    registry=REGISTRY,
)
FOREIGN_STATUS_WRITES = Counter(
    "tenyson_foreign_status_writes",
    "Statuses that somebody else has written while this replica led: another controller?",
    registry=REGISTRY,
)
API_CALLS = Counter(
    "tenyson_api_calls",
    "Requests to the API server; code 0: no answer.",
    ["verb", "resource", "code"],
    registry=REGISTRY,
)
API_FORBIDDEN = Counter(
    "tenyson_api_forbidden",
    "Requests that the API server answered with 403.",
    ["verb", "resource"],
    registry=REGISTRY,
)
LIMITER_WAIT_SECONDS = Histogram(
    "tenyson_limiter_wait_seconds",
    "Seconds that requests were held back by the client-side rate limit.",
    buckets=_FAST,
    registry=REGISTRY,
)
PROGRESS_REPORTS = Counter(
    "tenyson_progress_reports", "Progress reports, by answer.", ["code"], registry=REGISTRY
)
PROGRESS_CONNECTIONS_CUT = Counter(
    "tenyson_progress_connections_cut",
    "Connections to the progress endpoint that were cut: too many, or too many of one address.",
    registry=REGISTRY,
)
EVENTS_DROPPED = Counter(
    "tenyson_events_dropped",
    "Kubernetes Events not posted: too many about one object, or too many in all.",
    ["reason"],
    registry=REGISTRY,
)
LISTS = Counter("tenyson_lists", "Full lists of a kind.", ["kind"], registry=REGISTRY)
LEADER = Gauge("tenyson_leader", "Whether this replica leads: 1 or 0.", registry=REGISTRY)
LEADER_TRANSITIONS = Gauge(
    "tenyson_leader_transitions",
    "How often the lease has changed hands, as it says itself.",
    registry=REGISTRY,
)
CERTIFICATE_EXPIRES = Gauge(
    "tenyson_progress_certificate_expires_timestamp_seconds",
    "When the certificate that this replica shows to pods ends, in seconds since 1970.",
    registry=REGISTRY,
)
