"""Structured metrics of a run in SQLite or PostgreSQL, written without holding up training.

The trainer callbacks are in `tenyson.telemetry.callbacks`, which alone needs transformers.
"""

from tenyson.telemetry.draining import drain_spool
from tenyson.telemetry.recording import Telemetry, open_telemetry
from tenyson.telemetry.rows import Completion, EvalSample, PromptGroup
from tenyson.telemetry.writer import WriterSettings

__all__ = [
    "Completion",
    "EvalSample",
    "PromptGroup",
    "Telemetry",
    "WriterSettings",
    "drain_spool",
    "open_telemetry",
]
