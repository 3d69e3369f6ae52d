"""SQL over the steps of the chosen run.

A step that was done again by a later attempt counts once: as the newest attempt did it. A run of
many steps is shown as about a thousand points, each the mean of the steps around it, so that a
panel costs a browser the same whatever the run's length.
"""

from collections.abc import Mapping

POINTS = 1000
"""Points that a curve has at most, but for one."""
_WIDTH = f"(SELECT 1 + max(step) / {POINTS} AS steps FROM newest) AS width"
"""How many steps become one point."""


def columns_by_step(table: str, columns: Mapping[str, str], condition: str = "true") -> str:
    """Returns the SQL for curves that are columns of a table.

    Args:
        table: A table with `run_id`, `attempt` and `step`.
        columns: Name of the curve to the expression in the table.
        condition: What rows must fulfil.
    """
    inner = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    outer = ", ".join(f'avg("{name}") AS "{name}"' for name in columns)
    return f"""
WITH newest AS (
  SELECT DISTINCT ON (step) step, {inner}
  FROM {table}
  WHERE run_id = '$run_id' AND {condition}
  ORDER BY step, attempt DESC
)
SELECT min(step) AS step, {outer}
FROM newest, {_WIDTH}
GROUP BY step / width.steps
ORDER BY 1"""


def metrics_by_step(condition: str, name: str = "name") -> str:
    """Returns the SQL for one curve per metric: `step`, `name`, `value`.

    Args:
        condition: Which rows of `metrics`.
        name: Expression for the curve's name.
    """
    return f"""
WITH newest AS (
  SELECT DISTINCT ON (name, step) name, step, value
  FROM metrics
  WHERE run_id = '$run_id' AND {condition}
  ORDER BY name, step, attempt DESC
)
SELECT min(step) AS step, {name} AS name, avg(value) AS value
FROM newest, {_WIDTH}
GROUP BY name, step / width.steps
ORDER BY 1, 2"""


def loss_by_step() -> str:
    """Returns the SQL for the losses of a run, whatever kind of training it is."""
    train = columns_by_step("sft_metrics", {"loss": "loss"}, "loss IS NOT NULL")
    held_out = columns_by_step("sft_metrics", {"loss": "eval_loss"}, "eval_loss IS NOT NULL")
    rl = columns_by_step("epoch_metrics", {"loss": "loss"})
    return f"""
SELECT step, max(train) AS loss, max(held_out) AS "eval loss"
FROM (
  SELECT step, loss AS train, NULL::float8 AS held_out FROM ({train}) AS sft
  UNION ALL SELECT step, NULL, loss FROM ({held_out}) AS held_out_rows
  UNION ALL SELECT step, loss, NULL FROM ({rl}) AS rl
) AS curves
GROUP BY step
ORDER BY step"""
