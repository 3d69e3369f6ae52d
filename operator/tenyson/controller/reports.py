"""What a report says: from the wire format of Kubeflow Trainer to what a pass sees."""

import math
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from tenyson.controller.observed import Object, Report
from tenyson.controller.times import parse_time
from tenyson.controller.wording import one_line

MAX_METRICS: Final = 32
"""Metrics of one report that go into the status."""
_MAX_STEP: Final = 2_147_483_647


class UnreadableReportError(ValueError):
    """Raised when a request's body is no report."""


def read_report(content: bytes, attempt: int, now: datetime) -> Report:
    """Returns the report in a request's body.

    Raises:
        UnreadableReportError: The body is not in the wire format.
    """
    try:
        status = orjson.loads(content)["trainerStatus"]
        numbers = {str(m["name"]): _number(m["value"]) for m in status.get("metrics") or ()}
        percent = _whole(status.get("progressPercentage"), 100)
        eta = _whole(status.get("estimatedRemainingSeconds"), _MAX_STEP)
    # ArithmeticError: infinity has no whole number.
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnreadableReportError(f"the report cannot be read: {error!r}") from error
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return Report(
        attempt=attempt,
        received_at=now,
        # transformers' own callback names it otherwise.
        step=_whole(finite.pop("step", finite.pop("current_step", None)), _MAX_STEP),
        total_steps=_whole(finite.pop("total_steps", None), _MAX_STEP),
        percent=percent,
        eta_seconds=eta,
        checkpoint_step=_whole(finite.pop("checkpoint_step", None), _MAX_STEP),
        metrics={one_line(name, 128): value for name, value in list(finite.items())[:MAX_METRICS]},
    )


def since_last_step(report: Report, last: Report | None, status: Object) -> Report:
    """Returns a report with the time at which its step was first seen, by our own clock.

    Args:
        report: What a pod has just pushed.
        last: The report before, if this replica has taken one.
        status: The job's status, which tells of reports that an earlier leader took.
    """
    position = _position(report.step, report.percent)
    stepped_at, checkpoint = report.received_at, report.checkpoint_step
    if last is not None and last.attempt == report.attempt:
        checkpoint = max((c for c in (checkpoint, last.checkpoint_step) if c is not None),
                         default=None)  # fmt: skip
        if position is not None and position == _position(last.step, last.percent):
            stepped_at = last.stepped_at or stepped_at
    elif status.get("attempt") == report.attempt:
        written = status.get("progress") or {}
        same = position == _position(written.get("step"), written.get("percent"))
        if position is not None and same and written.get("steppedAt"):
            stepped_at = parse_time(written["steppedAt"])
    return replace(report, stepped_at=stepped_at, checkpoint_step=checkpoint)


def _position(step: int | None, percent: int | None) -> tuple[str, int] | None:
    """Returns how far a run is, by its steps if it counts them; None where that is not told."""
    if step is not None:
        return "step", step
    return None if percent is None else ("percent", percent)


def _number(value: Any) -> float:
    """Returns a metric's value; Trainer's format sends numbers as strings."""
    return float(value)


def _whole(value: Any, most: int) -> int | None:
    return None if value is None else max(0, min(int(float(value)), most))
