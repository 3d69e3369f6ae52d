"""`tenyson runs`: what is in the telemetry database, on a terminal or as JSON."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tenyson.cli.telemetry_url import add_db_url, database_of
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem

if TYPE_CHECKING:
    from sqlalchemy import Engine

STATUSES = ("success", "failed", "stopped", "preempted", "diverged", "budget", "unfinished")
_AGE = re.compile(r"(\d+)\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def main(arguments: Sequence[str]) -> int:
    """Carries out `list`, `show` or `compare`; returns the exit code."""
    options = _options(arguments)
    with database_of(options.db_url) as engine:
        if options.word == "list":
            return _list(engine, options)
        if options.word == "show":
            return _show(engine, options)
        return _compare(engine, options)


def since(text: str, now: datetime) -> datetime:
    """Returns the moment that `7d`, `12h` or `2026-07-01` means, in UTC.

    Raises:
        ConfigError: It means none.
    """
    if age := _AGE.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problem = Problem("--since", f"{text!r} is no age and no date")
        raise ConfigError([problem], hint="Examples: 12h, 7d, 2026-07-01.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _list(engine: "Engine", options: argparse.Namespace) -> int:
    from tenyson.cli.runs_list import list_json, print_list, read_list
    from tenyson.reporting.queries import Filters

    after = since(options.since, datetime.now(UTC)) if options.since else None
    filters = Filters(options.experiment, options.job_type, options.status, after, options.limit)
    listed = read_list(engine, filters)
    if options.json:
        _write_json(list_json(listed))
    else:
        print_list(listed)
    return 0


def _show(engine: "Engine", options: argparse.Namespace) -> int:
    from tenyson.cli.runs_show import print_shown, read_shown, shown_json

    shown = read_shown(engine, options.run)
    if options.manifest:
        if not shown.run.manifest:
            problem = Problem("--manifest", f"run {shown.run.run_id} has recorded none")
            raise ConfigError([problem], hint="It ended before its manifest was written.")
        _write_json(shown.run.manifest)
    elif options.json:
        _write_json(shown_json(shown))
    else:
        print_shown(shown)
    return 0


def _compare(engine: "Engine", options: argparse.Namespace) -> int:
    from tenyson.cli.runs_compare import compared_json, print_compared, read_compared

    compared = read_compared(engine, options.left, options.right)
    if options.json:
        _write_json(compared_json(compared))
    else:
        print_compared(compared)
    return 0


def _write_json(content: Any) -> None:
    from tenyson.cli.json_output import as_json

    sys.stdout.write(as_json(content))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tenyson runs",
        description="Shows the runs that the telemetry database knows.",
        epilog="A run is named by its id, by the beginning of its id, or by its name.",
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="list|show|compare")
    every = argparse.ArgumentParser(add_help=False)
    add_db_url(every)
    every.add_argument("--json", action="store_true", help="print JSON, for scripts")
    listing = words.add_parser("list", parents=[every], help="runs, the newest first")
    listing.add_argument("--experiment", metavar="NAME", help="only runs of this experiment")
    listing.add_argument("--job-type", choices=[kind.value for kind in JobType])
    listing.add_argument("--status", choices=STATUSES, help="of the newest attempt")
    listing.add_argument("--since", metavar="WHEN", help="12h, 7d or 2026-07-01")
    listing.add_argument("--limit", type=_positive, default=20, help="at most so many (20)")
    showing = words.add_parser(
        "show", parents=[every], help="one run: attempts, events, checkpoints, metrics"
    )
    showing.add_argument("run", metavar="RUN")
    showing.add_argument(
        "--manifest", action="store_true", help="print its run_manifest.json, for tenyson replay"
    )
    comparing = words.add_parser(
        "compare", parents=[every], help="two runs: configuration, metrics, curves, paired test"
    )
    comparing.add_argument("left", metavar="A")
    comparing.add_argument("right", metavar="B")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return int(text)
