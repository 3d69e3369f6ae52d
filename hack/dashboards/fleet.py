"""The dashboard of everything: runs and what they cost, and the operator that starts them."""

from hack.dashboards.attempts import COST_SO_FAR, SPENT, ended, is_newest, status
from hack.dashboards.model import Dashboard, PromQl, Section, Sql
from hack.dashboards.panels import STATUS_COLOURS, chosen, over_time, percentiles, stat, table
from hack.dashboards.run import UID as RUN_UID

UID = "tenyson-fleet"

_EXPERIMENTS = "SELECT 'none' AS name UNION SELECT name FROM experiments ORDER BY name"
"""Runs of no experiment count to `none`, so that the choice is never empty."""

_OF_THE_CHOSEN = "coalesce(e.name, 'none') IN (${experiment:sqlstring})"
_ATTEMPTS = """attempts AS a
JOIN runs AS r ON r.run_id = a.run_id
LEFT JOIN experiments AS e ON e.id = r.experiment_id"""

_OPEN = f"""a.ended_at IS NULL AND a.started_at > now() - interval '7 days'
  AND {is_newest("a")}"""
_SPENT = f"""{SPENT} AS a
JOIN runs AS r ON r.run_id = a.run_id
LEFT JOIN experiments AS e ON e.id = r.experiment_id"""

_LAST_VALUE = """LEFT JOIN LATERAL (
  SELECT value FROM metrics AS m
  WHERE m.run_id = a.run_id AND m.attempt = a.attempt AND m.kind = 'system'
    AND m.name = '{name}'
  ORDER BY m.step DESC LIMIT 1
) AS {alias} ON true"""

_NOW = Section(
    "Now",
    (
        stat(
            "Running jobs",
            PromQl('sum(tenyson_jobs{phase="Running"}) or vector(0)', instant=True),
            "TenysonJobs in the phase Running, as the operator sees them.",
            unit="none",
        ),
        stat(
            "Waiting jobs",
            PromQl(
                'sum(tenyson_jobs{phase=~"New|Queued|Pending|Starting|Suspended"}) or vector(0)',
                instant=True,
            ),
            "TenysonJobs that have not begun, or wait to go on.",
            unit="none",
        ),
        stat(
            "Open attempts",
            Sql(
                f"""
SELECT count(*) AS attempts FROM {_ATTEMPTS}
WHERE {_OPEN} AND {_OF_THE_CHOSEN}""",
                ("attempts",),
            ),
            "Of the last 7 days, the newest of a run, end not told: they run, or crashed.",
            unit="none",
        ),
        stat(
            "Cost",
            Sql(
                f"""
SELECT coalesce(string_agg(round(amount::numeric, 2) || ' ' || currency, ' + '), '0') AS cost
FROM (
  SELECT a.currency, sum(a.amount) AS amount FROM {_SPENT}
  WHERE $__timeFilter(a.ended_at) AND {_OF_THE_CHOSEN}
  GROUP BY 1 ORDER BY 1
) AS by_currency""",
                ("cost",),
            ),
            "Of attempts that ended in the chosen time, by their configured rates.",
        ),
        stat(
            "Leaders",
            PromQl("sum(tenyson_leader)", instant=True),
            "Replicas of the operator that lead: one, but for the seconds of a takeover.",
            unit="none",
        ),
        stat(
            "Refused by the API server",
            PromQl(
                "sum(increase(tenyson_api_forbidden_total[$__range])) or vector(0)", instant=True
            ),
            "Requests answered with 403 in the chosen time: a rule of RBAC is missing.",
            unit="none",
        ),
    ),
)

_RUNS = Section(
    "Runs",
    (
        over_time(
            "Runs by status",
            Sql(
                f"""
SELECT $__timeGroupAlias(ended_at,$__interval), status AS metric, count(*) AS value
FROM (
  SELECT DISTINCT ON (a.run_id) a.run_id, a.ended_at, coalesce(a.status, 'open') AS status
  FROM {_ATTEMPTS}
  WHERE $__timeFilter(a.ended_at) AND {_OF_THE_CHOSEN}
  ORDER BY a.run_id, a.attempt DESC
) AS last
GROUP BY 1, 2 ORDER BY 1, 2""",
                ("time", "metric", "value"),
                format="time_series",
            ),
            "How runs ended, by their last attempt in the chosen time.",
            bars=True,
            interval="1h",
            colours=STATUS_COLOURS,
        ),
        over_time(
            "Tokens per second",
            Sql(
                f"""
SELECT time, metric, sum(value) AS value
FROM (
  SELECT $__timeGroupAlias(m.created_at,$__interval), r.job_type AS metric,
    m.run_id, avg(m.value) AS value
  FROM {_ATTEMPTS}
  JOIN metrics AS m ON m.run_id = a.run_id AND m.attempt = a.attempt
  WHERE m.kind = 'system' AND m.name = 'tokens_per_second' AND $__timeFilter(m.created_at)
    AND a.started_at <= $__timeTo() AND coalesce(a.ended_at, now()) >= $__timeFrom()
    AND {_OF_THE_CHOSEN}
  GROUP BY 1, 2, 3
) AS runs_of_a_time
GROUP BY 1, 2 ORDER BY 1, 2""",
                ("time", "metric", "value"),
                format="time_series",
            ),
            "Of all runs together, by the kind of job.",
            interval="1m",
        ),
        over_time(
            "Cost per day",
            Sql(
                f"""
SELECT $__timeGroupAlias(a.ended_at,'1d'),
  coalesce(e.name, 'none') || ', ' || a.currency AS metric, sum(a.amount) AS value
FROM {_SPENT}
WHERE $__timeFilter(a.ended_at) AND {_OF_THE_CHOSEN}
GROUP BY 1, 2 ORDER BY 1, 2""",
                ("time", "metric", "value"),
                format="time_series",
            ),
            "By experiment and currency, on the day (UTC) that an attempt ended.",
            bars=True,
            interval="1d",
        ),
        over_time(
            "Warnings and errors of runs",
            Sql(
                f"""
SELECT $__timeGroupAlias(v.created_at,$__interval), v.kind AS metric, count(*) AS value
FROM events AS v
JOIN runs AS r ON r.run_id = v.run_id
LEFT JOIN experiments AS e ON e.id = r.experiment_id
WHERE $__timeFilter(v.created_at) AND v.level <> 'info' AND {_OF_THE_CHOSEN}
GROUP BY 1, 2 ORDER BY 1, 2""",
                ("time", "metric", "value"),
                format="time_series",
            ),
            "Guards, lacks of memory, budgets, checkpoints that failed.",
            bars=True,
            interval="1h",
        ),
        table(
            "Failures",
            Sql(
                f"""
SELECT coalesce(a.failure->>'type', a.stop_reason, a.status) AS class,
  count(*) AS attempts, count(DISTINCT a.run_id) AS runs, max(a.ended_at) AS newest,
  (array_agg(a.failure->>'message' ORDER BY a.ended_at DESC))[1] AS "last message"
FROM {_ATTEMPTS}
WHERE $__timeFilter(a.ended_at) AND a.status IN ('failed', 'diverged') AND {_OF_THE_CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",
                ("class", "attempts"),
            ),
            "Failed attempts by class, with the newest message of each.",
            width=16,
            height=8,
        ),
        table(
            "Running",
            Sql(
                f"""
SELECT r.run_id AS run, r.name, coalesce(e.name, 'none') AS experiment, r.job_type AS type,
  r.model, a.attempt, a.started_at AS started, last.step, last.created_at AS "last sign",
  speed.value AS "tokens/s", spent.value AS "cost so far"
FROM {_ATTEMPTS}
LEFT JOIN LATERAL (
  SELECT step, created_at FROM metrics AS m
  WHERE m.run_id = a.run_id AND m.attempt = a.attempt ORDER BY step DESC LIMIT 1
) AS last ON true
{_LAST_VALUE.format(name="tokens_per_second", alias="speed")}
{_LAST_VALUE.format(name="cost", alias="spent")}
WHERE {_OPEN} AND {_OF_THE_CHOSEN}
ORDER BY a.started_at DESC LIMIT 200""",
                ("run", "type", "started", "step"),
            ),
            "Of the last 7 days, the newest of a run, end not told. A last sign long ago is a "
            "crash.",
            links={"run": f"/d/{RUN_UID}?var-run_id=${{__value.raw}}"},
        ),
        table(
            "Attempts",
            Sql(
                f"""
SELECT a.started_at AS started, r.run_id AS run, r.name, coalesce(e.name, 'none') AS experiment,
  r.job_type AS type, r.model, a.attempt, {status("a")} AS status,
  extract(epoch FROM {ended("a")} - a.started_at) AS duration,
  a.global_step AS step, {COST_SO_FAR} AS "cost so far", a.stop_reason AS reason
FROM {_ATTEMPTS}
WHERE $__timeFilter(a.started_at) AND {_OF_THE_CHOSEN}
ORDER BY a.started_at DESC LIMIT 200""",
                ("started", "run", "status"),
            ),
            "The newest 200 of the chosen time; a click on a run opens it.",
            height=11,
            units={"duration": "s"},
            links={"run": f"/d/{RUN_UID}?var-run_id=${{__value.raw}}"},
        ),
    ),
)

_RATE = "$__rate_interval"

_OPERATOR = Section(
    "Operator",
    (
        over_time(
            "Jobs by phase",
            PromQl("sum by (phase) (tenyson_jobs)", "{{phase}}"),
            "TenysonJobs in the cluster.",
        ),
        over_time(
            "Attempts that ended, by class",
            PromQl(f"sum by (class) (increase(tenyson_attempts_total[{_RATE}]))", "{{class}}"),
            "App, Infra, Preempted, OOM, Hang, as the operator judges them.",
            bars=True,
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

FLEET = Dashboard(
    UID,
    "Tenyson / Fleet",
    "All runs of the telemetry database, and the operator's own metrics.",
    (chosen("experiment", "Experiment", _EXPERIMENTS, has_all=True),),
    (_NOW, _RUNS, _OPERATOR),
    time=("now-7d", "now"),
)
