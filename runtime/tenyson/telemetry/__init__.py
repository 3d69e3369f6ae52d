"""Structured metrics of a run in SQLite or PostgreSQL, written without holding up training.

The trainer callbacks are in `tenyson.telemetry.callbacks`, which alone needs transformers; what
reads a database starts with `tenyson.telemetry.reading`.
"""

from tenyson.telemetry.draining import drain_spool
from tenyson.telemetry.recording import Telemetry, open_telemetry
from tenyson.telemetry.retention import Retention
from tenyson.telemetry.samples import Completion, EvalSample, PromptGroup
from tenyson.telemetry.writer import WriterSettings

__all__ = [
    "Completion",
    "EvalSample",
    "PromptGroup",
    "Retention",
    "Telemetry",
    "WriterSettings",
    "drain_spool",
    "open_telemetry",
]
