"""The dashboard of one run: its curves, its events, and what it sampled."""

from hack.dashboards.attempts import COST_SO_FAR, NOT_DONE_AGAIN, ended, status
from hack.dashboards.model import Dashboard, Section, Sql
from hack.dashboards.panels import (
    band,
    chosen,
    histogram,
    one_of,
    over_steps,
    over_steps_by_name,
    stat,
    table,
    typed,
)
from hack.dashboards.steps import columns_by_step, loss_by_step, metrics_by_step
from tenyson.phases import ORDER

UID = "tenyson-run"

_PHASES = ", ".join(f"'{phase}'" for phase in ORDER)

_RUNS = """
SELECT run_id AS __value, name || ' · ' || job_type || ' · ' || run_id AS __text
FROM runs ORDER BY created_at DESC LIMIT 500"""

_CHOSEN_STEP = """coalesce(
    nullif('$step', '')::bigint,
    (SELECT max(step) FROM generations WHERE run_id = '$run_id' AND phase = 'rl')
  )"""
_OF_THE_STEP = f"""run_id = '$run_id' AND phase = 'rl' AND step = {_CHOSEN_STEP}"""
_OF_ITS_LAST_ATTEMPT = f"attempt = (SELECT max(attempt) FROM generations WHERE {_OF_THE_STEP})"

_LAST_ATTEMPT = "FROM attempts WHERE run_id = '$run_id' ORDER BY attempt DESC LIMIT 1"

_SOME_GROUPS = """
(SELECT step, group_index AS group, reward_mean AS mean, reward_std AS std, prompt
FROM rollouts
WHERE '$groups' = '{which}' AND run_id = '$run_id' AND phase = 'rl' AND {condition}
  AND {counts}
ORDER BY {order} LIMIT 50)"""

# One of the three is asked, each by its index; one CASE in ORDER BY would read every group.
_GROUPS = "\nUNION ALL".join(
    _SOME_GROUPS.format(which=which, condition=condition, order=order, counts=NOT_DONE_AGAIN)
    for which, condition, order in (
        ("best", "reward_mean IS NOT NULL", "reward_mean DESC"),
        ("worst", "reward_mean IS NOT NULL", "reward_mean"),
        ("zero variance", "zero_variance", "step DESC"),
    )
)

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

_CURVES = Section(
    "Learning",
    (
        over_steps(
            "Loss",
            Sql(loss_by_step(), ("step", "loss")),
            "Of SFT, with that on held-out rows; or of GRPO, whose loss says little by itself.",
        ),
        over_steps(
            "Reward",
            Sql(
                columns_by_step(
                    "epoch_metrics",
                    {
                        "mean": "reward_mean",
                        "mean - std": "reward_mean - reward_std",
                        "mean + std": "reward_mean + reward_std",
                    },
                ),
                ("step", "mean"),
            ),
            "Mean of the total reward, and one standard deviation to both sides.",
            overrides=band("mean - std", "mean + std"),
        ),
        over_steps_by_name(
            "Reward components",
            Sql(
                metrics_by_step(
                    "kind = 'train' AND name LIKE 'rewards/%/mean'",
                    "split_part(name, '/', 2)",
                ),
                ("step", "name", "value"),
            ),
            "Mean of each reward function, unweighted, as the trainer logged it.",
        ),
        over_steps(
            "KL to the reference",
            Sql(
                columns_by_step("epoch_metrics", {"kl": "kl"}),
                ("step", "kl"),
            ),
            "Empty where no reference policy is kept (rl.beta = 0).",
        ),
        over_steps(
            "Entropy",
            Sql(
                columns_by_step("epoch_metrics", {"entropy": "entropy"}),
                ("step", "entropy"),
            ),
            "A fall towards 0 is a collapse, even while the reward rises.",
        ),
        over_steps(
            "What teaches nothing",
            Sql(
                columns_by_step(
                    "epoch_metrics",
                    {"zero variance": "zero_std_share", "truncated": "truncated_share"},
                ),
                ("step", "zero variance", "truncated"),
            ),
            "Share of groups whose rewards are all equal, and of completions that were cut.",
            unit="percentunit",
        ),
        over_steps(
            "Completion length",
            Sql(
                columns_by_step("epoch_metrics", {"tokens": "completion_length"}),
                ("step", "tokens"),
            ),
            "Mean tokens of a completion.",
        ),
        over_steps_by_name(
            "Gradient norm",
            Sql(
                metrics_by_step("kind = 'train' AND name = 'grad_norm'"),
                ("step", "name", "value"),
            ),
            "Before clipping.",
        ),
        over_steps_by_name(
            "Learning rate",
            Sql(
                metrics_by_step("kind = 'train' AND name = 'learning_rate'"),
                ("step", "name", "value"),
            ),
            "As the scheduler set it.",
            unit="sci",
        ),
    ),
)

_SPEED = Section(
    "Where the time goes",
    (
        over_steps_by_name(
            "Phases",
            Sql(
                metrics_by_step(f"kind = 'phase' AND name IN ({_PHASES})"),
                ("step", "name", "value"),
            ),
            "Seconds in each phase of the work since the line before.",
            unit="s",
            stacked=True,
            width=12,
        ),
        over_steps_by_name(
            "Tokens per second",
            Sql(
                metrics_by_step("kind = 'system' AND name = 'tokens_per_second'"),
                ("step", "name", "value"),
            ),
            "Read and written, over the whole step.",
            width=12,
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

_SAMPLES = Section(
    "What it wrote",
    (
        histogram(
            "Rewards of the step",
            Sql(
                f"""
SELECT reward FROM generations
WHERE {_OF_THE_STEP} AND {_OF_ITS_LAST_ATTEMPT}""",
                ("reward",),
            ),
            "Total rewards of the completions of the chosen step; the last one where none is.",
        ),
        table(
            "Groups: $groups",
            Sql(_GROUPS, ("step", "mean", "prompt")),
            "Prompts by the mean reward of their completions, over the whole run. Of zero "
            "variance are the newest.",
            width=16,
            height=8,
            widths={"step": 80, "group": 80, "mean": 90, "std": 90},
        ),
        table(
            "Generations",
            Sql(
                f"""
SELECT g.reward, g.advantage, components.text AS rewards, r.prompt, g.completion, g.tokens,
  g.truncated, g.logprob_gap AS "log-prob gap", r.group_index AS group, g.index, g.step
FROM generations AS g
LEFT JOIN rollouts AS r ON r.id = g.rollout_id
LEFT JOIN LATERAL (
  SELECT string_agg(c.name || ' ' || coalesce(round(c.value::numeric, 3)::text, '–'), ', '
    ORDER BY c.name) AS text
  FROM reward_components AS c WHERE c.generation_id = g.id
) AS components ON true
WHERE g.run_id = '$run_id' AND g.phase = 'rl' AND g.step = {_CHOSEN_STEP}
  AND g.{_OF_ITS_LAST_ATTEMPT}
  AND ('$search' = '' OR strpos(lower(g.completion), lower('$search')) > 0)
ORDER BY g.reward DESC NULLS LAST, r.group_index, g.index
LIMIT 1000""",
                ("reward", "prompt", "completion"),
            ),
            "Completions of the chosen step, the best first; the last step where none is chosen.",
            height=14,
            widths={"reward": 90, "advantage": 90, "rewards": 220, "tokens": 80, "step": 70},
            wrapped=("prompt", "completion"),
        ),
        table(
            "Evaluation samples",
            Sql(
                """
SELECT e.row_id AS row, e.sample_index AS sample, e.model, e.scores::text AS scores, e.prompt,
  g.completion, e.expected_answer AS expected, g.tokens
FROM (
  SELECT DISTINCT ON (row_id, sample_index, model) *
  FROM eval_samples
  WHERE run_id = '$run_id'
    AND ('$search' = '' OR strpos(lower(prompt), lower('$search')) > 0)
  ORDER BY row_id, sample_index, model, attempt DESC, step DESC
  LIMIT 500
) AS e
LEFT JOIN generations AS g ON g.id = e.generation_id
ORDER BY e.row_id, e.sample_index, e.model""",
                ("row", "scores", "prompt", "completion"),
            ),
            "Answers of an Eval job, by row, as the newest attempt gave them.",
            height=14,
            widths={"row": 120, "sample": 80, "model": 90, "tokens": 80},
            wrapped=("prompt", "completion"),
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
    (_STATE, _CURVES, _SPEED, _HAPPENINGS, _SAMPLES),
    hides_time=True,
)
