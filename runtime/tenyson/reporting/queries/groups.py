"""Groups of completions that are worth reading, found by their rollouts' rewards.

`generations` is read for the chosen groups only, by `rollout_id`: a run may have millions.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from tenyson.reporting.queries.curves import counted
from tenyson.reporting.records import Completion, Component, Group
from tenyson.telemetry.tables import TABLES

_ROLLOUTS, _GENERATIONS = TABLES["rollouts"], TABLES["generations"]
_COMPONENTS = TABLES["reward_components"]

Which = Literal["best", "worst", "zero_variance"]


def groups(
    connection: Connection,
    run_id: str,
    which: Which,
    last_steps: Mapping[int, int],
    *,
    limit: int = 3,
) -> list[Group]:
    """Returns groups with their completions and each completion's rewards.

    Args:
        connection: To the database.
        run_id: Of an RL run.
        which: Those of the highest mean reward, of the lowest, or the newest ones whose
            completions all got the same.
        last_steps: By attempt the last step that counts.
        limit: Groups.
    """
    c = _ROLLOUTS.c
    names = ("id", "attempt", "step", "prompt", "reward_mean", "reward_std")
    query = select(*(c[name] for name in names)).where(
        c.run_id == run_id,
        c.phase == "rl",
        c.reward_mean.is_not(None),
        counted(_ROLLOUTS, last_steps, made_before=True),
    )
    if which == "zero_variance":
        query = query.where(c.zero_variance).order_by(c.step.desc(), c.group_index)
    elif which == "best":
        query = query.order_by(c.reward_mean.desc(), c.step.desc(), c.group_index)
    else:
        query = query.order_by(c.reward_mean, c.step.desc(), c.group_index)
    rows = connection.execute(query.limit(limit)).all()
    completions = _completions(connection, [row.id for row in rows])
    return [
        Group(
            row.id, row.attempt, row.step, row.prompt, row.reward_mean, row.reward_std,
            tuple(completions[row.id]),
        )
        for row in rows
    ]  # fmt: skip


def components(
    connection: Connection, run_id: str, last_steps: Mapping[int, int]
) -> list[Component]:
    """Returns each reward function's weight, and its mean at the first and at the last step."""
    c, g = _COMPONENTS.c, _GENERATIONS.c
    steps = connection.execute(
        select(func.min(_ROLLOUTS.c.step), func.max(_ROLLOUTS.c.step)).where(
            _ROLLOUTS.c.run_id == run_id,
            _ROLLOUTS.c.phase == "rl",
            counted(_ROLLOUTS, last_steps, made_before=True),
        )
    ).one()
    if steps[0] is None:
        return []
    query = (
        select(c.name, g.step, func.max(c.weight), func.avg(c.value))
        .join_from(_GENERATIONS, _COMPONENTS, c.generation_id == g.id)
        .where(
            g.run_id == run_id,
            g.phase == "rl",
            g.step.in_([steps[0], steps[1]]),
            counted(_GENERATIONS, last_steps, made_before=True),
        )
        .group_by(c.name, g.step)
    )
    found: dict[str, dict[int, tuple[Any, Any]]] = defaultdict(dict)
    for name, step, weight, mean in connection.execute(query):
        found[name][step] = (weight, mean)
    return [
        Component(
            name,
            weight=next((weight for weight, _ in by_step.values() if weight is not None), None),
            first=by_step.get(steps[0], (None, None))[1],
            last=by_step.get(steps[1], (None, None))[1],
        )
        for name, by_step in sorted(found.items())
    ]


def _completions(
    connection: Connection, rollout_ids: Sequence[str]
) -> Mapping[str, list[Completion]]:
    c = _GENERATIONS.c
    names = ("id", "rollout_id", "index", "completion", "reward", "tokens", "truncated")
    rows = connection.execute(
        select(*(c[name] for name in names), c.advantage)
        .where(c.rollout_id.in_(rollout_ids))
        .order_by(c.rollout_id, c.index)
    ).all()
    rewards: dict[str, dict[str, float | None]] = defaultdict(dict)
    parts = _COMPONENTS.c
    found = select(parts.generation_id, parts.name, parts.value).where(
        parts.generation_id.in_([row.id for row in rows])
    )
    for part in sorted(connection.execute(found), key=lambda part: part.name):
        rewards[part.generation_id][part.name] = part.value
    completions: dict[str, list[Completion]] = defaultdict(list)
    for row in rows:
        mapping = row._mapping
        completions[row.rollout_id].append(
            Completion(
                index=mapping["index"],
                text=row.completion,
                components=rewards[row.id],
                **{name: mapping[name] for name in ("reward", "tokens", "truncated", "advantage")},
            )
        )
    return completions
