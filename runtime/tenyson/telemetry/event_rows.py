"""Rows of what happened on the way: events, checkpoints, artifacts, logged numbers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from tenyson.telemetry.rows import Row, RunKey

Kind = Literal["state", "guard", "oom", "budget", "checkpoint", "telemetry", "warning"]
Level = Literal["info", "warning", "error"]
MetricKind = Literal["train", "eval", "phase", "system"]


def event_row(
    run: RunKey,
    step: int,
    kind: Kind,
    name: str,
    message: str,
    *,
    level: Level = "info",
    number: int = 0,
    at: datetime | None = None,
    details: Mapping[str, Any] | None = None,
) -> Row:
    """Returns an event's row.

    Args:
        run: The attempt.
        step: Optimiser steps done.
        kind: What it is about.
        name: What happened, a word that queries look for: `resumed`, `saved`.
        message: A sentence for a person.
        level: How grave it is.
        number: Place among the events of that name at that step, from 0.
        at: When it happened; None is now.
        details: Numbers and names behind the message.
    """
    values = {
        "kind": kind,
        "level": level,
        "name": name,
        "message": message,
        "details": dict(details or {}),
    }
    return run.row("events", step, (kind, name, number), values, at)


def checkpoint_row(
    run: RunKey,
    step: int,
    path: str,
    *,
    sha256: str,
    size_bytes: int,
    seconds: float | None,
    is_final: bool,
    uri: str | None = None,
) -> Row:
    """Returns a checkpoint's row; once it is uploaded, the same row with its URI.

    Args:
        run: The attempt that saved it.
        step: Optimiser steps that it has behind it.
        path: Relative to the output folder.
        sha256: Of its manifest, which has those of all files.
        size_bytes: Of all files.
        seconds: That saving took.
        is_final: Whether it is what the training leaves.
        uri: Where its copy is; None while there is none.
    """
    values = {
        "path": path,
        "uri": uri,
        "sha256": sha256,
        "bytes": size_bytes,
        "seconds": seconds,
        "is_final": is_final,
    }
    return run.row("checkpoints", step, (path,), values)


def artifact_row(run: RunKey, artifact: Mapping[str, Any], uri: str | None = None) -> Row:
    """Returns the row of a file that the attempt leaves.

    Args:
        run: The attempt.
        artifact: As a JobResult lists it: `kind`, `path`, `bytes`, `sha256`.
        uri: Where its copy is; None where there is none.
    """
    head = {
        "id": run.row_id("artifacts", 0, artifact["path"]),
        "run_id": run.run_id,
        "attempt": run.attempt,
        "created_at": datetime.now(UTC),
    }
    names = ("kind", "path", "bytes", "sha256")
    return Row("artifacts", head | {name: artifact.get(name) for name in names} | {"uri": uri})


def metric_rows(
    run: RunKey, step: int, numbers: Mapping[MetricKind, Mapping[str, float]], at: datetime
) -> list[Row]:
    """Returns one row a number.

    Args:
        run: The attempt.
        step: Optimiser steps done.
        numbers: By kind (`train`, `eval`, `phase`, `system`) and name.
        at: When they were logged.
    """
    return [
        run.row("metrics", step, (kind, name), {"kind": kind, "name": name, "value": value}, at)
        for kind, named in numbers.items()
        for name, value in named.items()
    ]
