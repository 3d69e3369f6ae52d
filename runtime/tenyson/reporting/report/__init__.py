"""The report on a run and its lineage, made from the telemetry database alone."""

from collections.abc import Sequence

from sqlalchemy import Engine

from tenyson.reporting.queries import find_run
from tenyson.reporting.report.document import Report, compose
from tenyson.reporting.report.facts import read_facts
from tenyson.reporting.report.page import as_html
from tenyson.reporting.report.writing import require_format, write_report

__all__ = ["Report", "as_html", "make_report", "require_format", "write_report"]


def make_report(engine: Engine, runs: Sequence[str], *, metric: str | None = None) -> Report:
    """Returns the report on these runs, on those that they come from, and on their evaluations.

    Args:
        engine: Of a telemetry database, from `tenyson.telemetry.reading.open_database`.
        runs: Ids, beginnings of ids or names.
        metric: What models are compared by; None takes the first that their evaluations share.

    Raises:
        RunNotFoundError: The database knows no such run, or several.
        UnknownMetricError: The evaluations share some metrics, and not this one.
        DependencyError: matplotlib is not installed.
    """
    with engine.connect() as connection:
        run_ids = list(dict.fromkeys(find_run(connection, given) for given in runs))
        facts = read_facts(connection, run_ids, metric=metric)
    return compose(facts)
