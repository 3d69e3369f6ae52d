"""`tenyson doctor`: looks at what a run needs here, one line each, with what to do about it."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tenyson.cli.examinations import (
    Finding,
    check_database,
    check_disk,
    check_gpu,
    check_hub,
    check_libraries,
    check_python,
    check_storage,
)
from tenyson.contract import RUNS_FOLDER, Env

MARKS = {"ok": "OK  ", "note": "note", "bad": "BAD "}


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; returns 1 where something would keep a run from working."""
    options = _options(arguments)
    is_bad = False
    for look in _examinations(options):
        for finding in look():
            is_bad |= finding.mark == "bad"
            sys.stdout.write(f"{MARKS[finding.mark]}  {finding.what}: {finding.said}\n")
            if finding.remedy:
                sys.stdout.write(f"      {finding.remedy}\n")
            sys.stdout.flush()  # some look for seconds
    sys.stdout.write("\n" + ("Something is missing.\n" if is_bad else "Ready.\n"))
    return int(is_bad)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tenyson doctor",
        description="Looks at what a run needs on this machine: libraries, database, storage, "
        "tokens, GPU, disk. Reads nothing secret aloud.",
        epilog="Ends with 0 if a run would work, 1 if not.",
    )
    parser.add_argument(
        "--db-url", default=os.environ.get(Env.TELEMETRY_DB_URL),
        help=f"telemetry database to try (default: ${Env.TELEMETRY_DB_URL})",
    )  # fmt: skip
    parser.add_argument(
        "--output-uri", default=os.environ.get(Env.OUTPUT_URI),
        help=f"storage to try, s3://… or file://… (default: ${Env.OUTPUT_URI})",
    )  # fmt: skip
    parser.add_argument(
        "--output-dir", type=Path, default=Path(os.environ.get(Env.OUTPUT_DIR) or RUNS_FOLDER),
        help="output folder to try",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _examinations(options: argparse.Namespace) -> list[Callable[[], Iterator[Finding]]]:
    return [
        check_python,
        check_libraries,
        check_gpu,
        lambda: check_disk(options.output_dir),
        lambda: check_database(options.db_url),
        lambda: check_storage(options.output_uri),
        lambda: check_hub(os.environ),
    ]
