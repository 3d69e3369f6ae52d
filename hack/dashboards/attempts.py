"""SQL over attempts: when they ended, what they cost, and which of their rows were done again."""

COST_SO_FAR = """round((cost->>'amount')::numeric, 2) || ' ' || coalesce(cost->>'currency', '')"""
"""An attempt's `cost` is of all attempts up to its end."""

SPENT = """(
  SELECT run_id, ended_at, coalesce(cost->>'currency', '') AS currency,
    (cost->>'amount')::float8 - coalesce(lag((cost->>'amount')::float8) OVER (
      PARTITION BY run_id, cost->>'currency' ORDER BY attempt), 0) AS amount
  FROM attempts WHERE cost->>'amount' IS NOT NULL
)"""
"""Each attempt's own part of its run's cost: what was added to that of the attempt before."""


def ended(attempts: str) -> str:
    """Returns the SQL for an attempt's end; that of a killed one is the last that it wrote.

    Args:
        attempts: The alias of the table.
    """
    own = f"run_id = {attempts}.run_id AND sign.attempt = {attempts}.attempt"
    return f"""coalesce({attempts}.ended_at, greatest(
    (SELECT created_at FROM metrics AS sign WHERE sign.{own} ORDER BY step DESC LIMIT 1),
    (SELECT max(created_at) FROM events AS sign WHERE sign.{own}),
    {attempts}.started_at))"""


def is_newest(attempts: str) -> str:
    """Returns the SQL condition that no later attempt at the run has begun."""
    return f"""NOT EXISTS (
  SELECT 1 FROM attempts AS later
  WHERE later.run_id = {attempts}.run_id AND later.attempt > {attempts}.attempt)"""


def status(attempts: str) -> str:
    """Returns the SQL for an attempt's status; one that never ended is open, or was killed."""
    return f"""coalesce({attempts}.status,
    CASE WHEN {is_newest(attempts)} THEN 'open' ELSE 'killed' END)"""


NOT_DONE_AGAIN = """(
  SELECT count(*) FROM attempts AS later CROSS JOIN LATERAL (
    SELECT 1 FROM rollouts AS again
    WHERE again.run_id = later.run_id AND again.attempt = later.attempt
      AND again.step = rollouts.step LIMIT 1) AS found
  WHERE later.run_id = '$run_id' AND later.attempt > rollouts.attempt) = 0"""
"""That no later attempt sampled for this step again. A count, because the database would join what
is `NOT EXISTS`, and so read every group of the run for the first 50."""
