"""The dashboard of one run: its curves, its events, and what it sampled."""

from hack.dashboards.attempts import COST_SO_FAR, ended, status
from hack.dashboards.model import Dashboard, Section, Sql
from hack.dashboards.panels import chosen, one_of, stat, table, typed
from hack.dashboards.run_curves import CURVES, SPEED
from hack.dashboards.run_samples import SAMPLES

UID = "tenyson-run"

_RUNS = """
SELECT run_id AS __value, name || ' · ' || job_type || ' · ' || run_id AS __text
FROM runs ORDER BY created_at DESC LIMIT 500"""

_LAST_ATTEMPT = "FROM attempts WHERE run_id = '$run_id' ORDER BY attempt DESC LIMIT 1"

_STATE = Section(
    "The run",
    (
        stat(
            "Status",
            Sql(f"SELECT coalesce(status, 'open') AS status {_LAST_ATTEMPT}", ("status",)),
            "Of the newest attempt. Open: it runs, or its end was never told (a crash).",
        ),
        stat(
            "Attempts",
            Sql(
                "SELECT count(*) AS attempts FROM attempts WHERE run_id = '$run_id'", ("attempts",)
            ),
            "Tries at this run: restarts, preemptions, resumes.",
            unit="none",
        ),
        stat(
            "Step",
            Sql(
                """
SELECT max(seen.step) AS step
FROM attempts CROSS JOIN LATERAL (
  SELECT step FROM metrics
  WHERE metrics.run_id = attempts.run_id AND metrics.attempt = attempts.attempt
  ORDER BY step DESC LIMIT 1
) AS seen
WHERE attempts.run_id = '$run_id'""",
                ("step",),
            ),
            "Optimiser steps done, as last logged.",
            unit="none",
        ),
        stat(
            "Time",
            Sql(
                f"""
SELECT sum(extract(epoch FROM {ended("attempts")} - started_at)) AS seconds
FROM attempts WHERE run_id = '$run_id'""",
                ("seconds",),
            ),
            "Of all attempts together, each until its end or the last that it wrote.",
            unit="s",
        ),
        stat(
            "Tokens",
            Sql(
                """
SELECT sum(amount::numeric) AS tokens
FROM attempts JOIN runs USING (run_id)
CROSS JOIN LATERAL jsonb_each_text(tokens) AS counted(part, amount)
WHERE run_id = '$run_id'
  AND part IN ('prompt', CASE job_type WHEN 'sft' THEN 'trained' ELSE 'completion' END)""",
                ("tokens",),
            ),
            "Read and written by ended attempts; in SFT those trained on and those left out.",
        ),
        stat(
            "Cost",
            Sql(
                f"""
SELECT coalesce((
  SELECT {COST_SO_FAR} FROM attempts
  WHERE run_id = '$run_id' AND cost->>'amount' IS NOT NULL ORDER BY attempt DESC LIMIT 1
), '–') AS cost""",
                ("cost",),
            ),
            "Of all attempts until the newest end of one, by the configured rate.",
        ),
    ),
)

_HAPPENINGS = Section(
    "What happened",
    (
        table(
            "Events",
            Sql(
                """
SELECT created_at AS time, attempt, step, level, kind, name, message, details::text AS details
FROM events WHERE run_id = '$run_id' ORDER BY created_at DESC LIMIT 500""",
                ("time", "kind", "level", "message"),
            ),
            "States, guards, lacks of memory, budget, checkpoints; the newest first.",
            widths={"time": 170, "attempt": 80, "step": 80, "level": 80, "kind": 110, "name": 180},
        ),
        table(
            "Attempts",
            Sql(
                f"""
SELECT attempt, {status("attempts")} AS status, started_at, ended_at,
  extract(epoch FROM {ended("attempts")} - started_at) AS duration,
  resumed_from_step AS "from step", global_step AS "to step", exit_code AS exit,
  coalesce(failure->>'message', stop_reason) AS reason, wandb_url AS "W&B"
FROM attempts WHERE run_id = '$run_id' ORDER BY attempt DESC""",
                ("attempt", "status", "started_at"),
            ),
            "Every try at this run, the newest first. A killed one lasted until the last that it "
            "wrote.",
            width=12,
            units={"duration": "s"},
            links={"W&B": "${__value.raw}"},
        ),
        table(
            "Checkpoints",
            Sql(
                """
SELECT created_at AS time, attempt, step, is_final AS final, bytes, seconds,
  coalesce(uri, path) AS place, sha256
FROM checkpoints WHERE run_id = '$run_id' ORDER BY created_at DESC LIMIT 200""",
                ("time", "step", "bytes"),
            ),
            "What was saved, some of it gone since; seconds is how long the save took.",
            width=12,
            units={"bytes": "bytes", "seconds": "s"},
        ),
    ),
)

RUN = Dashboard(
    UID,
    "Tenyson / Run",
    "One run from its telemetry: choose it above. All of it is shown, whenever it ran.",
    (
        chosen("run_id", "Run", _RUNS.strip()),
        typed("step", "Step"),
        one_of("groups", "Groups", ("best", "worst", "zero variance")),
        typed("search", "Text"),
    ),
    (_STATE, CURVES, SPEED, _HAPPENINGS, SAMPLES),
    hides_time=True,
)
