"""The telemetry tables, the same models for SQLite and PostgreSQL.

Ids are made from what a row says (`rows.RunKey.row_id`), so a batch that is written twice is
stored once. A step that an attempt does again, after a rollback or for lack of memory, puts its
rows in the place of those it did first.

Rows of steps that were undone and never done again stay. Of an attempt that a later one took up,
those are the steps beyond `attempts.resumed_from_step` of the later one: whoever draws a curve
takes, of each step, the row of the newest attempt. `metrics.jsonl` has only what counts.
"""

from sqlalchemy import Table

from tenyson.telemetry.tables.base import AnyJson, AnyText, Base, UtcDateTime
from tenyson.telemetry.tables.happenings import Artifact, Checkpoint, Event
from tenyson.telemetry.tables.metrics import EpochMetric, Metric, SftMetric
from tenyson.telemetry.tables.runs import Attempt, Experiment, Run
from tenyson.telemetry.tables.samples import EvalSample, Generation, RewardComponent, Rollout

TABLES: dict[str, Table] = {table.name: table for table in Base.metadata.sorted_tables}
"""By name, a table that others refer to before those."""

__all__ = [
    "TABLES",
    "AnyJson",
    "AnyText",
    "Artifact",
    "Attempt",
    "Base",
    "Checkpoint",
    "EpochMetric",
    "EvalSample",
    "Event",
    "Experiment",
    "Generation",
    "Metric",
    "RewardComponent",
    "Rollout",
    "Run",
    "SftMetric",
    "UtcDateTime",
]
