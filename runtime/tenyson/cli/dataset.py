"""`tenyson dataset`: builds, exports, lists, shows and verifies data sets."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tenyson.contract import ExitCode

FORMATS = ("tunix_sft", "prompt_completion", "messages", "jsonl")
STRATEGIES = ("latest", "random", "first")
_SOURCES = """sources:
  rows.jsonl, .csv, .tsv, .parquet   a file or a URI (s3://bucket/rows.jsonl); .gz, too
  hub:NAME[@revision]?split=train    a data set on the Hub, or in its cache
  telemetry:RUN?best=4&min_reward=1  the best completions of a run's prompts
  task:module:Class?config=FILE      a task's generate_examples, else its get_sft_dataset
  generator:high_card_duel?count=100&seed=42
  dataset:NAME-VERSION               a data set that was built before
"""


def main(arguments: Sequence[str]) -> int:
    """Carries out one of the words; returns the exit code."""
    options = _parser().parse_args(arguments)
    carry_out: Callable[[argparse.Namespace], int] = options.carry_out
    return carry_out(options)


def _build(options: argparse.Namespace) -> int:
    from tenyson.cli.dataset_text import build_text
    from tenyson.datasets import build_dataset
    from tenyson.datasets.errors import DatasetRequestError

    mapping = {}
    for pair in options.map:
        new, equals, old = pair.partition("=")
        if not (new and equals and old) or new in mapping:
            raise DatasetRequestError(
                f"--map {pair!r} is none; expected NEW=OLD, each NEW once.",
                hint="--map prompt=question calls the field question prompt.",
            )
        mapping[new] = old
    build = build_dataset(
        options.name,
        options.version,
        options.source,
        mapping=mapping,
        filters=options.filter,
        limit=options.limit,
        selection_strategy=options.selection_strategy,
        seed=options.seed,
        keep_duplicates=options.keep_duplicates,
        store=options.store,
        db_url=options.db_url,
    )
    sys.stdout.write(build_text(build))
    return int(ExitCode.DONE)


def _export(options: argparse.Namespace) -> int:
    from tenyson.datasets import export_dataset, open_dataset
    from tenyson.datasets.exporting import export_lines

    if options.output is not None:
        count = export_dataset(options.key, options.format, options.output, store=options.store)
        sys.stderr.write(f"{options.output}: {count} rows as {options.format}\n")
        return int(ExitCode.DONE)
    try:
        for line in export_lines(open_dataset(options.key, options.store), options.format):
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(ExitCode.DONE)


def _list(options: argparse.Namespace) -> int:
    from tenyson.cli.dataset_text import list_text, printable_lines
    from tenyson.datasets import DatasetError, open_store
    from tenyson.datasets.loading import read_manifest

    store = open_store(options.store)
    found, damaged = [], []
    for key in store.list_keys():
        try:
            found.append(read_manifest(store, key))
        except DatasetError as error:
            damaged.append(error.message)
    if options.json:
        sys.stdout.write(json.dumps([json.loads(m.to_json()) for m in found], indent=2) + "\n")
    else:
        sys.stdout.write(list_text(found, store.url))
    sys.stderr.write(printable_lines(damaged))
    return int(ExitCode.TASK if damaged else ExitCode.DONE)


def _show(options: argparse.Namespace) -> int:
    from tenyson.cli.dataset_text import show_text
    from tenyson.datasets import open_dataset

    dataset = open_dataset(options.key, options.store)
    shown = dataset.manifest.to_json() if options.json else show_text(dataset, options.rows)
    sys.stdout.write(shown)
    return int(ExitCode.DONE)


def _verify(options: argparse.Namespace) -> int:
    from tenyson.cli.dataset_text import printable_lines
    from tenyson.datasets import DatasetError, open_store, verify_dataset
    from tenyson.datasets.errors import DatasetRequestError

    keys = open_store(options.store).list_keys() if options.all else options.key
    if not keys and not options.all:
        raise DatasetRequestError("Which data set?", hint="Give its key, or --all.")
    code = ExitCode.DONE
    for key in keys:
        try:
            manifest = verify_dataset(key, options.store)
        except DatasetError as error:
            code = ExitCode.TASK
            sys.stdout.write(printable_lines([f"BAD  {key}: {error}"]))
        else:
            said = f"OK   {key}: {manifest.rows} rows, sha256 {manifest.sha256}"
            sys.stdout.write(printable_lines([said]))
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tenyson dataset",
        description="Data sets with a name and a version, built once, verified whenever read.",
    )
    words = parser.add_subparsers(title="words", required=True, metavar="WORD")
    _add_build(words)
    export = _add_word(words, "export", _export, "write the rows in the form of a trainer")
    export.add_argument("key", metavar="KEY", help="NAME-VERSION")
    export.add_argument("--format", required=True, choices=FORMATS)
    export.add_argument("--output", type=Path, metavar="FILE", help="else standard output")
    listing = _add_word(words, "list", _list, "list the data sets of the store")
    listing.add_argument("--json", action="store_true", help="print the manifests")
    show = _add_word(words, "show", _show, "say what one was built from, and show rows")
    show.add_argument("key", metavar="KEY", help="NAME-VERSION")
    show.add_argument("--rows", type=int, default=2, metavar="N", help="rows to show (2)")
    show.add_argument("--json", action="store_true", help="print the manifest")
    verify = _add_word(words, "verify", _verify, "compare files with their manifests")
    verify.add_argument("key", metavar="KEY", nargs="*", help="NAME-VERSION")
    verify.add_argument("--all", action="store_true", help="every data set of the store")
    return parser


def _add_build(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    build = _add_word(words, "build", _build, "build a version, or find it built the same")
    build.epilog, build.formatter_class = _SOURCES, argparse.RawDescriptionHelpFormatter
    build.add_argument("--name", required=True)
    build.add_argument("--version", required=True, help="of the rows: v1")
    build.add_argument(
        "--source", required=True, nargs="+", action="extend", metavar="SOURCE", help="see below"
    )
    build.add_argument(
        "--map", action="append", default=[], metavar="NEW=OLD", help="call the field OLD NEW"
    )
    build.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="keep rows with it; also !=, >=, <=, ~REGEX; dots lead into objects",
    )
    build.add_argument("--limit", type=int, metavar="N", help="most rows to take (all)")
    build.add_argument(
        "--selection-strategy",
        choices=STRATEGIES,
        default="latest",
        help="which rows a limit leaves (latest: by created_at, else the last ones)",
    )
    build.add_argument("--seed", type=int, default=42, help="of --selection-strategy random (42)")
    build.add_argument("--keep-duplicates", action="store_true", help="keep equal rows, too")
    build.add_argument("--db-url", help="of telemetry: (TENYSON_TELEMETRY_DB_URL)")


def _add_word(
    words: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    carry_out: Callable[[argparse.Namespace], int],
    said: str,
) -> argparse.ArgumentParser:
    parser = words.add_parser(name, help=said, description=f"{said[0].upper()}{said[1:]}.")
    parser.set_defaults(carry_out=carry_out)
    parser.add_argument(
        "--store", metavar="URL", help="folder or URI (TENYSON_DATASETS, else artifacts/datasets)"
    )
    return parser
