"""`tenyson report`: the whole report on a run and its lineage, from the telemetry database."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tenyson.cli.telemetry_url import add_db_url, database_of


def main(arguments: Sequence[str]) -> int:
    """Writes the report, or prints it; returns the exit code."""
    options = _options(arguments)
    from tenyson.reporting.report import make_report, require_format, write_report

    require_format(options.output)  # before the database is read
    with database_of(options.db_url) as engine:
        report = make_report(engine, options.runs, metric=options.metric)
    path = write_report(report, options.output)
    sys.stdout.write(f"{path}\n")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tenyson report",
        description="Reports on runs, on those that they come from, and on their evaluations: "
        "verdict, lineage, curves, rewards, events, times, cost, examples, environment. Reads "
        "the telemetry database and nothing else.",
        epilog="Pictures of a Markdown report lie in a folder beside it; a page of HTML holds "
        "them itself.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="id of a run, beginning of its id, or its name"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.md"), metavar="FILE",
        help="report.md or report.html (default: report.md)",
    )  # fmt: skip
    parser.add_argument(
        "--metric", metavar="NAME", help="what models are compared by (default: correct, accuracy…)"
    )
    add_db_url(parser)
    return parser.parse_args(arguments)
