"""Where rows come from: files, the Hub, the telemetry database, tasks, generators, data sets."""

from tenyson.datasets.errors import DatasetRequestError
from tenyson.datasets.sources.code import GeneratorSource, TaskSource
from tenyson.datasets.sources.files import FileSource
from tenyson.datasets.sources.hub import HubSource
from tenyson.datasets.sources.named import NamedSource
from tenyson.datasets.sources.source import PlacedRow, Source
from tenyson.datasets.sources.telemetry import TelemetrySource
from tenyson.near_names import near_names

__all__ = ["WORDS", "PlacedRow", "Source", "parse_source"]

WORDS = ("hub", "telemetry", "task", "generator", "dataset")


def parse_source(text: str, *, store: str | None = None, db_url: str | None = None) -> Source:
    """Returns the source that a text names.

    Args:
        text: `rows.jsonl`, `s3://bucket/rows.parquet`, `hub:NAME`, `telemetry:RUN?best=4`,
            `task:module:Class`, `generator:NAME?count=100`, `dataset:KEY`.
        store: Where `dataset:` looks.
        db_url: The database of `telemetry:`; None takes TENYSON_TELEMETRY_DB_URL.

    Raises:
        DatasetRequestError: It names none.
    """
    word, colon, rest = text.partition(":")
    if not colon or rest.startswith("//") or word not in WORDS:
        if (
            colon
            and not rest.startswith("//")
            and word.isalpha()
            and (near := near_names(word, WORDS))
        ):
            raise DatasetRequestError(f"There is no kind of source {word!r}. {near}")
        return FileSource(text)
    if not rest:
        raise DatasetRequestError(f"The source {text!r} names nothing after its colon.")
    match word:
        case "hub":
            return HubSource(text, rest)
        case "telemetry":
            return TelemetrySource(text, rest, db_url)
        case "task":
            return TaskSource(text, rest)
        case "generator":
            return GeneratorSource(text, rest)
        case _:
            return NamedSource(text, rest, store)
