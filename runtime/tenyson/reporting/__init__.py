"""Reports in Markdown: a template that is filled, tables of results, comparisons of models."""

from tenyson.reporting.builder import ReportBuilder
from tenyson.reporting.comparison import Comparison, compare, comparison_section, verdict_sentence
from tenyson.reporting.curves import Curve, curve_svg, read_curve
from tenyson.reporting.evaluations import ComparisonError, Evaluation, load_evaluation
from tenyson.reporting.tables import markdown_table, metrics_table, results_table

__all__ = [
    "Comparison",
    "ComparisonError",
    "Curve",
    "Evaluation",
    "ReportBuilder",
    "compare",
    "comparison_section",
    "curve_svg",
    "load_evaluation",
    "markdown_table",
    "metrics_table",
    "read_curve",
    "results_table",
    "verdict_sentence",
]
