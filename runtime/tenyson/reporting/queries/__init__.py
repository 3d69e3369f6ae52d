"""What reports and `tenyson runs` ask the database: SQLAlchemy Core, each query by an index."""

from tenyson.reporting.queries.curves import curves, last_values
from tenyson.reporting.queries.evaluations import answers, model_scores
from tenyson.reporting.queries.events import event_counts, told_events
from tenyson.reporting.queries.groups import components, groups
from tenyson.reporting.queries.lineage import lineage
from tenyson.reporting.queries.runs import Filters, find_run, list_runs, runs_by_id
from tenyson.reporting.queries.saved import checkpoints

__all__ = [
    "Filters",
    "answers",
    "checkpoints",
    "components",
    "curves",
    "event_counts",
    "find_run",
    "groups",
    "last_values",
    "lineage",
    "list_runs",
    "model_scores",
    "runs_by_id",
    "told_events",
]
