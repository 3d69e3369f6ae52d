"""Prometheus metrics of the controller. Labels are bounded: never a job's name or namespace."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REGISTRY = CollectorRegistry()

QUEUE_DEPTH = Gauge("tenyson_queue_depth", "Jobs that wait for a pass.", registry=REGISTRY)
RECONCILES = Counter(
    "tenyson_reconciles", "Passes, by how they ended.", ["result"], registry=REGISTRY
)
RECONCILE_SECONDS = Histogram(
    "tenyson_reconcile_seconds",
    "Seconds that a pass takes.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
API_CALLS = Counter(
    "tenyson_api_calls", "Requests to the API server.", ["verb", "code"], registry=REGISTRY
)
PROGRESS_REPORTS = Counter(
    "tenyson_progress_reports", "Progress reports, by answer.", ["code"], registry=REGISTRY
)
CACHED = Gauge("tenyson_cached_objects", "Objects in the cache.", ["kind"], registry=REGISTRY)
LISTS = Counter("tenyson_lists", "Full lists of a kind.", ["kind"], registry=REGISTRY)


def serve(port: int) -> None:
    """Serves the metrics over HTTP in a thread of their own."""
    start_http_server(port, registry=REGISTRY)
