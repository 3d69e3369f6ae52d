"""The dashboard of everything: runs and what they cost, and the operator that starts them."""

from hack.dashboards.attempts import COST_SO_FAR, SPENT, ended, is_newest, status
from hack.dashboards.fleet_operator import OPERATOR, counted_once, now
from hack.dashboards.model import Dashboard, Section, Sql
from hack.dashboards.panels import STATUS_COLOURS, chosen, over_time, stat, table
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
            now(counted_once('tenyson_jobs{phase="Running"}')),
            "TenysonJobs in the phase Running, as the operator sees them.",
            unit="none",
        ),
        stat(
            "Waiting jobs",
            now(counted_once('tenyson_jobs{phase=~"New|Queued|Pending|Starting|Suspended"}')),
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
            "GPUs in use",
            now(counted_once('tenyson_gpus{phase=~"Running|Stopping"}')),
            "Of jobs whose pods run.",
            unit="none",
        ),
        stat(
            "GPUs asked for",
            now(counted_once("tenyson_gpus")),
            "Of all jobs that are not over, those in use among them.",
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

FLEET = Dashboard(
    UID,
    "Tenyson / Fleet",
    "All runs of the telemetry database, and the operator's own metrics.",
    (chosen("experiment", "Experiment", _EXPERIMENTS, has_all=True),),
    (_NOW, _RUNS, OPERATOR),
    time=("now-7d", "now"),
)
