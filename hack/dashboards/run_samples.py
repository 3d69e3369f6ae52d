"""What one run wrote: rewards, groups and completions of a step, and the answers of an Eval job."""

from hack.dashboards.attempts import NOT_DONE_AGAIN
from hack.dashboards.model import Section, Sql
from hack.dashboards.panels import histogram, table

_CHOSEN_STEP = """coalesce(
    nullif('$step', '')::bigint,
    (SELECT max(step) FROM generations WHERE run_id = '$run_id' AND phase = 'rl')
  )"""
_OF_THE_STEP = f"""run_id = '$run_id' AND phase = 'rl' AND step = {_CHOSEN_STEP}"""
_OF_ITS_LAST_ATTEMPT = f"attempt = (SELECT max(attempt) FROM generations WHERE {_OF_THE_STEP})"

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

SAMPLES = Section(
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
