"""The query behind `telemetry:RUN`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from tenyson.datasets.errors import DatasetRequestError
from tenyson.near_names import near_names
from tenyson.telemetry.reading import cannot_open, open_database
from tenyson.telemetry.tables import TABLES

_ROWS_AT_ONCE = 1_000


def best_completions(
    db_url: str, run: str, options: Mapping[str, Any]
) -> tuple[Iterator[dict[str, Any]], dict[str, Any]]:
    """Returns rows of prompt and completion, and what identifies the run.

    Args:
        db_url: Of the telemetry database.
        run: A run's id, the beginning of one alone, or its name.
        options: See `TelemetrySource`.

    Raises:
        DatasetRequestError: There is no such run, or it sampled nothing.
    """
    engine = open_database(db_url)
    with engine.connect() as connection:
        run_id = _run_id(connection, run)
        rollouts = TABLES["rollouts"]
        last = select(func.max(rollouts.c.step)).where(rollouts.c.run_id == run_id)
        facts = {"run_id": run_id, "last_step": connection.execute(last).scalar()}

    def rows() -> Iterator[dict[str, Any]]:
        try:
            with engine.connect() as connection:
                streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
                for found in streaming.execute(_query(run_id, options)).mappings():
                    yield _row(found, is_chat=bool(options.get("chat")))
        except SQLAlchemyError as error:
            raise cannot_open(error, engine.url) from None
        finally:
            engine.dispose()

    return rows(), facts


def _run_id(connection: Connection, run: str) -> str:
    rollouts = TABLES["rollouts"]
    ids = [str(i) for i in connection.execute(select(rollouts.c.run_id).distinct()).scalars()]
    if run in ids:
        return run
    runs = TABLES["runs"]
    named = set(connection.execute(select(runs.c.run_id).where(runs.c.name == run)).scalars())
    begun = [i for i in ids if i in named] or [i for i in ids if i.startswith(run)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise DatasetRequestError(
            f"{run!r} names {len(begun)} runs: {', '.join(sorted(begun)[:4])}.",
            hint="Give the id of one.",
        )
    raise DatasetRequestError(
        f"No RL run {run!r} has left completions in this database. {near_names(run, ids)}".strip(),
        hint=f"Runs that have: {', '.join(sorted(ids)[:8]) or 'none'}.",
    )


def _query(run_id: str, options: Mapping[str, Any]) -> Select[Any]:
    """Numbers equal completions of a prompt, then the different ones by reward."""
    rollouts, generations = TABLES["rollouts"], TABLES["generations"]
    g = generations.c
    order = (g.reward.desc(), g.step.desc(), g.id)
    found = (
        select(
            rollouts.c.prompt,
            *(g.completion, g.reward, g.step, g.attempt, g.id, g.created_at, g.run_id),
            func.row_number()
            .over(partition_by=(rollouts.c.prompt, g.completion), order_by=order)
            .label("copy"),
        )
        .join(rollouts, g.rollout_id == rollouts.c.id)
        .where(
            *(g.run_id == run_id, g.phase == "rl", g.reward.is_not(None)),
            g.completion.is_not(None),  # telemetry.keep may leave texts out
            *_bounds(options),
        )
        .subquery()
    )
    best = (found.c.reward.desc(), found.c.step.desc(), found.c.id)
    ranked = (
        select(
            found,
            func.row_number().over(partition_by=found.c.prompt, order_by=best).label("place"),
        )
        .where(found.c.copy == 1)
        .subquery()
    )
    return (
        select(ranked)
        .where(ranked.c.place <= options.get("best", 1))
        .order_by(ranked.c.step, ranked.c.id)
    )


def _bounds(options: Mapping[str, Any]) -> Iterator[Any]:
    g = TABLES["generations"].c
    if "min_reward" in options:
        yield g.reward >= options["min_reward"]
    if "max_reward" in options:
        yield g.reward <= options["max_reward"]
    if "from_step" in options:
        yield g.step >= options["from_step"]
    if "to_step" in options:
        yield g.step <= options["to_step"]
    if not options.get("truncated"):
        yield g.truncated.is_not(True)


def _row(found: Mapping[Any, Any], *, is_chat: bool) -> dict[str, Any]:
    prompt, completion = _messages(found["prompt"]) or found["prompt"], found["completion"]
    if is_chat and isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if isinstance(prompt, list):
        completion = _messages(completion) or [{"role": "assistant", "content": completion}]
    return {
        "id": str(found["id"]),
        "prompt": prompt,
        "completion": completion,
        "created_at": found["created_at"].isoformat(),
        "metadata": {
            "source": "telemetry",
            "run_id": found["run_id"],
            "attempt": found["attempt"],
            "step": found["step"],
            "reward": found["reward"],
        },
    }


def _messages(text: str) -> list[dict[str, Any]] | None:
    """Returns the conversation that a text is, as telemetry stores one; None for any other text."""
    if not text.startswith('[{"'):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    is_conversation = isinstance(found, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and "content" in m for m in found
    )
    return found if is_conversation else None
