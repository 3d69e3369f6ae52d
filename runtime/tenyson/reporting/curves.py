"""Learning curves: from the database's points or from a run's metrics.jsonl."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenyson.contract import File
from tenyson.reporting.records import Point


@dataclass(frozen=True)
class Curve:
    """One line of a picture."""

    name: str
    points: Sequence[tuple[float, float]]
    """(step, value), the smallest step first."""
    ranges: Sequence[tuple[float, float]] = ()
    """Least and greatest value behind each point; empty where a point is one value."""


def curve_of(name: str, points: Sequence[Point]) -> Curve:
    """Returns points of the database as a curve."""
    return Curve(name, [(p.step, p.value) for p in points], [(p.low, p.high) for p in points])


def read_curve(output_dir: str | Path, metric: str, name: str | None = None) -> Curve:
    """Returns a metric of a run by step; no points when the run did not log it."""
    points: dict[float, tuple[int, float]] = {}
    path = Path(output_dir) / File.METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            row = json.loads(line)
            step, point = float(row["step"]), (int(row.get("attempt", 0)), float(row[metric]))
        except (ValueError, KeyError, TypeError):
            continue
        # An attempt that was cut off may have written a row after the next one had begun.
        if step not in points or point[0] >= points[step][0]:
            points[step] = point
    finite = sorted((x, y) for x, (_, y) in points.items() if math.isfinite(y))
    return Curve(name or metric, finite)
