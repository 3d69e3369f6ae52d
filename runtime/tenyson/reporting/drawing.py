"""Pictures as SVG, drawn by matplotlib: small, the same every time, with text that is text.

Backgrounds are transparent and texts of a middle grey, so that a picture can be read on a white
page and on a dark one.
"""

import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.errors import DependencyError
from tenyson.reporting.curves import Curve
from tenyson.reporting.harmless import cut, flat

WIDTH_INCHES, ROW_INCHES = 7.8, 2.35
GREY = "#717a85"
COLOURS = ("#3b82c4", "#d9632f", "#2f9e66", "#9067c6", "#b8860b", "#d1477f", "#4aa3a2", "#8a6d5b")
LABEL_CHARACTERS = 40
FEW_POINTS = 12
"""Up to so many, each point gets a mark of its own."""
_NEEDLESS = re.compile(r'^[ \t]+|[ \t]+$| transform="rotate\(-0 [^"]*\)"', re.MULTILINE)
_STYLE = {
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": GREY,
    "axes.prop_cycle": "cycler('color', [" + ", ".join(f"'{c[1:]}'" for c in COLOURS) + "])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "tenyson",
    "text.color": GREY,
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


@dataclass(frozen=True)
class Panel:
    """One part of a picture: curves over a common axis."""

    title: str
    curves: Sequence[Curve]
    is_share: bool = False
    """Whether the values are shares, shown from 0 to 100 %."""


def draw_curves(panels: Sequence[Panel], *, x_label: str = "step") -> str:
    """Returns a picture of the panels, two beside each other, as SVG.

    Args:
        panels: At least one; a panel without points says that nothing was logged.
        x_label: Under the lowest panels.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    return _svg(figure_of(panels, x_label=x_label))


def draw_curve(curves: Sequence[Curve], *, title: str, x_label: str = "step") -> str:
    """Returns one panel with these curves as SVG."""
    return draw_curves([Panel(title, curves)], x_label=x_label)


def figure_of(panels: Sequence[Panel], *, x_label: str = "step") -> Any:
    """Returns the panels as a figure of matplotlib."""
    matplotlib, figure_class = _matplotlib()
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with matplotlib.rc_context(_STYLE):
        figure = figure_class(figsize=(WIDTH_INCHES, 0.35 + ROW_INCHES * rows))
        figure.set_layout_engine("constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for place, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
            _draw(axis, panel, x_label if place + columns >= len(panels) else "")
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
    return figure


def _draw(axis: Any, panel: Panel, x_label: str) -> None:
    axis.set_title(_label(panel.title))
    axis.set_xlabel(x_label)
    drawn = [curve for curve in panel.curves if curve.points]
    for curve in drawn:
        _draw_curve(axis, curve, panel.is_share)
    if not drawn:
        axis.text(0.5, 0.5, "nothing was logged", ha="center", transform=axis.transAxes)
    if len(drawn) > 1:
        axis.legend(loc="best")
    axis.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axis.yaxis.get_major_locator().set_params(nbins=5)
    if panel.is_share:
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:.4g} %")


def _draw_curve(axis: Any, curve: Curve, is_share: bool) -> None:
    scale = 100 if is_share else 1
    steps = [x for x, _ in curve.points]
    values = [y * scale if math.isfinite(y) else math.nan for _, y in curve.points]
    mark = "o" if len(steps) <= FEW_POINTS else None
    (line,) = axis.plot(steps, values, marker=mark, markersize=3, label=_label(curve.name))
    if any(low != high for low, high in curve.ranges):
        lows, highs = zip(*curve.ranges, strict=True)
        axis.fill_between(
            steps, [scale * low for low in lows], [scale * high for high in highs],
            color=line.get_color(), alpha=0.18, linewidth=0,
        )  # fmt: skip


def _svg(figure: Any) -> str:
    matplotlib, _ = _matplotlib()
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return _NEEDLESS.sub("", text[text.index("<svg") :])


def _label(text: str) -> str:
    # A label that begins with an underscore is none to matplotlib.
    return cut(flat(text), LABEL_CHARACTERS).lstrip("_") or "?"


def _matplotlib() -> tuple[Any, Any]:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise DependencyError(
            "Pictures of a report need matplotlib, which is not installed.",
            hint="pip install 'tenyson[report]'",
        ) from None
    return matplotlib, Figure
