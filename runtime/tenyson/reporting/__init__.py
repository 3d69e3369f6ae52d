"""Reports: templates that are filled, comparisons of models, a run's whole report, its curves."""

from tenyson.reporting.builder import ReportBuilder
from tenyson.reporting.comparison import Comparison, compare, comparison_section, verdict_sentence
from tenyson.reporting.curves import Curve, read_curve
from tenyson.reporting.delta import DeltaReport, delta_report
from tenyson.reporting.drawing import Panel, draw_curve, draw_curves
from tenyson.reporting.evaluations import ComparisonError, Evaluation, load_evaluation
from tenyson.reporting.sparkline import sparkline
from tenyson.reporting.tables import markdown_table, metrics_table, results_table

__all__ = [
    "Comparison",
    "ComparisonError",
    "Curve",
    "DeltaReport",
    "Evaluation",
    "Panel",
    "ReportBuilder",
    "compare",
    "comparison_section",
    "delta_report",
    "draw_curve",
    "draw_curves",
    "load_evaluation",
    "markdown_table",
    "metrics_table",
    "read_curve",
    "results_table",
    "sparkline",
    "verdict_sentence",
]
