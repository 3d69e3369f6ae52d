"""The part of the fleet's dashboard that shows the operator, by its own metrics."""

from hack.dashboards.model import PromQl, Section
from hack.dashboards.panels import over_time, percentiles, stat

_RATE = "$__rate_interval"


def counted_once(gauge: str) -> str:
    """Returns what the leader says of a gauge: every replica has all jobs in its memory."""
    return f"{gauge} * on (instance) group_left () tenyson_leader"


def now(series: str) -> PromQl:
    """Returns the sum of some series at this moment, 0 where there is none."""
    return PromQl(f"sum({series}) or vector(0)", instant=True)


OPERATOR = Section(
    "Operator",
    (
        stat(
            "Version",
            PromQl("tenyson_build_info", "{{version}}", instant=True),
            "Of each replica; two of them stay only while one is replaced.",
            text="name",
        ),
        stat(
            "Leaders",
            PromQl("sum(tenyson_leader)", instant=True),
            "Replicas that lead: one, but for the seconds of a takeover.",
            unit="none",
        ),
        stat(
            "Refused by the API server",
            now("increase(tenyson_api_forbidden_total[$__range])"),
            "Requests answered with 403 in the chosen time: a rule of RBAC is missing.",
            unit="none",
        ),
        over_time(
            "Jobs by phase",
            PromQl(f"sum by (phase) ({counted_once('tenyson_jobs')})", "{{phase}}"),
            "TenysonJobs in the cluster.",
        ),
        over_time(
            "GPUs by phase",
            PromQl(f"sum by (phase) ({counted_once('tenyson_gpus')})", "{{phase}}"),
            "GPUs that jobs which are not over ask for; in use are those of Running and Stopping.",
        ),
        over_time(
            "From creation to running",
            percentiles("tenyson_job_start_seconds", 0.5, 0.95),
            "Until a job's pods ran for the first time, waits for other jobs and queues included.",
            unit="s",
        ),
        over_time(
            "Attempts that ended, by class",
            PromQl(f"sum by (class) (increase(tenyson_attempts_total[{_RATE}]))", "{{class}}"),
            "App, Infra, Preempted, OOM, Hang, as the operator judges them.",
            bars=True,
        ),
        over_time(
            "Duration of attempts",
            percentiles("tenyson_attempt_seconds", 0.5, 0.95),
            "How long the pods of attempts ran that ended.",
            unit="s",
        ),
        over_time(
            "Passes",
            PromQl(f"sum by (result) (rate(tenyson_reconciles_total[{_RATE}]))", "{{result}}"),
            "Passes of the operator per second, by how they ended.",
            unit="ops",
        ),
        over_time(
            "Queue",
            (
                PromQl("sum(tenyson_queue_depth)", "waiting"),
                PromQl("max(tenyson_queue_oldest_seconds)", "oldest, s"),
                PromQl(f"sum(increase(tenyson_queue_retries_total[{_RATE}]))", "retries"),
            ),
            "Jobs that wait for a pass, how long the oldest waits, passes tried again.",
        ),
        over_time(
            "Queue latency",
            percentiles("tenyson_queue_latency_seconds", 0.5, 0.99),
            "Seconds from asking for a pass to its begin.",
            unit="s",
        ),
        over_time(
            "Reconcile",
            percentiles("tenyson_reconcile_seconds", 0.5, 0.99),
            "Seconds that a pass takes.",
            unit="s",
        ),
        over_time(
            "API calls",
            PromQl(
                f"sum by (verb, resource) (rate(tenyson_api_calls_total[{_RATE}]))",
                "{{verb}} {{resource}}",
            ),
            "Requests to the API server per second.",
            unit="reqps",
        ),
        over_time(
            "API calls that failed",
            PromQl(
                f'sum by (code) (rate(tenyson_api_calls_total{{code=~"0|4..|5.."}}[{_RATE}]))',
                "{{code}}",
            ),
            "By answer; 0 is none. 404 and 409 occur in a healthy cluster, too.",
            unit="reqps",
        ),
        over_time(
            "Held back by the client's rate limit",
            percentiles("tenyson_limiter_wait_seconds", 0.5, 0.99),
            "Seconds that a request waited for the limiter.",
            unit="s",
        ),
        over_time(
            "Leader",
            (
                PromQl("tenyson_leader", "{{instance}}"),
                PromQl("max(tenyson_leader_transitions)", "changes of hands"),
            ),
            "Which replica leads, and how often the lease has changed hands.",
        ),
        over_time(
            "Watches and reports",
            (
                PromQl("max by (kind) (tenyson_watch_age_seconds)", "watch of {{kind}}"),
                PromQl("max(tenyson_progress_staleness_seconds)", "most silent job"),
            ),
            "Age of the newest word of the API server, and of that of a running job.",
            unit="s",
        ),
        over_time(
            "Cached objects and progress reports",
            (
                PromQl("max by (kind) (tenyson_cached_objects)", "{{kind}}"),
                PromQl(
                    f"sum by (code) (rate(tenyson_progress_reports_total[{_RATE}]))",
                    "reports/s answered {{code}}",
                ),
            ),
            "What the operator holds in memory, and the reports it gets.",
        ),
    ),
)
