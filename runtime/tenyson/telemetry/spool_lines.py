"""A line of the spool: a row as JSON, `{"version": 2, "table": …, "values": {…}}`.

A line without a version is of version 1 of the schema, where a completion's rewards, scores and
question stood in `generations`; it becomes the rows that say the same today.
"""

import json
from datetime import datetime
from typing import Any

from tenyson.telemetry.rows import Row
from tenyson.telemetry.sample_rows import is_zero_variance
from tenyson.telemetry.tables import TABLES, UtcDateTime
from tenyson.telemetry.text import json_ready, json_restored, prompt_hash

VERSION = 2


class UnknownLineError(ValueError):
    """Raised for a line that is whole, and says what this version does not know."""


def line_of(row: Row) -> bytes:
    """Returns the row's line, with its end."""
    line = {"version": VERSION, "table": row.table, "values": json_ready(row.values)}
    return json.dumps(line).encode() + b"\n"


def rows_of(line: bytes) -> list[Row]:
    """Returns the rows of a line.

    Raises:
        UnknownLineError: It is of a newer version, or of tables or columns that are not there.
        ValueError: It is no line of a spool; a crash has cut it.
    """
    entry = json.loads(line)
    if not isinstance(entry, dict) or not isinstance(entry.get("values"), dict):
        raise ValueError("expected an object with `table` and `values`")
    version = entry.get("version", 1)
    if version == 1:
        rows = _upgraded(entry["table"], entry["values"])
    elif version == VERSION:
        rows = [Row(entry["table"], json_restored(entry["values"]))]
    else:
        raise UnknownLineError(f"it is of version {version}, known is {VERSION}: update tenyson")
    return [_checked(row) for row in rows]


def _checked(row: Row) -> Row:
    """The row with its moments; JSON has only text for them."""
    table = TABLES.get(row.table)
    if table is None:
        raise UnknownLineError(f"there is no table {row.table!r}")
    if unknown := sorted(row.values.keys() - table.columns.keys()):
        raise UnknownLineError(f"{row.table} has no column {', '.join(unknown)}")
    moments = {column.name for column in table.columns if isinstance(column.type, UtcDateTime)}
    values = {
        name: datetime.fromisoformat(value) if name in moments and value else value
        for name, value in row.values.items()
    }
    return Row(row.table, values)


def _upgraded(table: str, values: dict[str, Any]) -> list[Row]:
    """The rows of a line of version 1."""
    if table == "rollouts":
        hashed = {"prompt_hash": prompt_hash(values["prompt"])}
        equal = {"zero_variance": is_zero_variance(values["reward_std"])}
        return [Row(table, values | hashed | equal)]
    if table != "generations":
        return [Row(table, values)]
    moved = ("rewards", "row_id", "prompt", "scores")
    rewards, row_id, prompt, scores = (values.get(name) for name in moved)
    rows = [Row(table, {name: value for name, value in values.items() if name not in moved})]
    shared = {name: values[name] for name in ("run_id", "step", "created_at")}
    rows += [
        Row("reward_components", {**shared, "generation_id": values["id"], "name": n, "value": v})
        for n, v in (rewards or {}).items()
    ]
    if row_id is not None:
        question = {
            "id": values["id"],
            "generation_id": values["id"],
            "attempt": values["attempt"],
            "row_id": row_id,
            "sample_index": values["index"],
            "model": "",
            "prompt": prompt or "",
            "prompt_hash": prompt_hash(prompt or ""),
            "scores": scores or {},
        }
        rows.append(Row("eval_samples", shared | question))
    return rows
