"""A row on its way to the database, and the deterministic id that keeps a replay from doubling."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

_NAMESPACE = uuid.UUID("6f1d3a52-6a8a-5d0c-9d0e-6c1a2f6b7e11")


class Row(NamedTuple):
    """One row on its way to the database; columns that may be null can be left out."""

    table: str
    values: dict[str, Any]


@dataclass(frozen=True)
class RunKey:
    """The attempt that rows belong to."""

    run_id: str
    attempt: int

    def row(
        self,
        table: str,
        step: int,
        key: Sequence[object],
        values: dict[str, Any],
        moment: datetime | None = None,
    ) -> Row:
        """Returns a row of this attempt; the same `key` at the same step gives the same id."""
        head = {
            "id": self.row_id(table, step, *key),
            "run_id": self.run_id,
            "attempt": self.attempt,
            "step": step,
            "created_at": moment or datetime.now(UTC),
        }
        return Row(table, head | values)

    def row_id(self, table: str, step: int, *key: object) -> str:
        """Returns the id of a row: the same words always give the same one."""
        words = json.dumps([self.run_id, self.attempt, table, step, *map(str, key)])
        return str(uuid.uuid5(_NAMESPACE, words))


def experiment_id(name: str) -> str:
    """Returns the id of an experiment: the same name always gives the same one."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps(["experiments", name])))


def as_text(value: Any) -> str:
    """Returns a prompt or a completion as text: a lone message's content, else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        content = value[0].get("content")
        if isinstance(content, str):
            return content
    return json.dumps(value, ensure_ascii=False, default=str)
