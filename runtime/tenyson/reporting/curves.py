"""Learning curves as SVG, from the metrics.jsonl of a run; no drawing library is needed."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tenyson.contract import File

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 42
COLOURS = ("#2f6fb0", "#c4572e", "#3d8b57", "#7a5aa6")


@dataclass(frozen=True)
class Curve:
    """One line of a picture."""

    name: str
    points: Sequence[tuple[float, float]]
    """(step, value), the smallest step first."""


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


def curve_svg(curves: Sequence[Curve], *, title: str, x_label: str = "step") -> str:
    """Returns one picture of all curves over a common axis."""
    points = [point for curve in curves for point in curve.points]
    if not points:
        return _svg([_text(WIDTH / 2, HEIGHT / 2, f"{title}: nothing was logged", "middle")])
    low_x, high_x = _range([x for x, _ in points])
    low_y, high_y = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        up = (y - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    parts = [_text(LEFT, 20, title, "start", weight="bold")]
    for tick in _ticks(low_y, high_y):
        _, y = place(low_x, tick)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
        parts.append(_text(LEFT - 8, y + 4, f"{tick:.4g}", "end"))
    for tick in _ticks(low_x, high_x):
        x, _ = place(tick, low_y)
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{tick:.6g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, "middle"))
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in curve.points))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        )
        if len(curves) > 1:
            parts.append(_text(WIDTH - RIGHT - 110 * number, 20, curve.name, "end", fill=colour))
    return _svg(parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """About four round numbers in the range."""
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _svg(parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="12">'
    )
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, text: str, anchor: str, *, weight: str = "normal", fill: str = "#333333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
