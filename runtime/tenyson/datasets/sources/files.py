"""Rows of JSONL, CSV and Parquet files, here or behind a URI.

Lines end at a line feed and nowhere else, so that a text with other separators stays whole. A byte
order mark of UTF-8 at a file's start is no part of its text.
"""

import codecs
import csv
import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, ClassVar, cast

from tenyson.datasets.errors import DatasetError, DatasetRequestError
from tenyson.datasets.rows import MAX_LINE_BYTES, not_utf8, parse_row
from tenyson.datasets.sources.source import PlacedRow, Source
from tenyson.errors import TenysonError
from tenyson.storage import open_storage, storage_trouble

JSONL, CSV, PARQUET = (".jsonl", ".ndjson", ".json"), (".csv", ".tsv"), (".parquet",)
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class FileSource(Source):
    """One file; its ending says what it holds, `.gz` after it that it is compressed."""

    kind: ClassVar[str] = "file"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
        self._ending = _ending(path)
        self._sha256 = ""

    def rows(self) -> Iterator[PlacedRow]:
        """Yields the rows; a place is `path:line`."""
        with self._open() as file:
            self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            if self._ending in PARQUET:
                from tenyson.datasets.sources._parquet import parquet_rows

                yield from parquet_rows(file, self.text)
                return
            lines = lines_of(_unpacked(file, self.path), self.text)
            if self._ending in CSV:
                yield from csv_rows(lines, self.text, "\t" if self._ending == ".tsv" else ",")
            else:
                yield from (
                    (place, parse_row(line, place)) for place, line in lines if line.strip()
                )

    def facts(self) -> dict[str, Any]:
        """Returns the hash of the file's bytes."""
        return {"file_sha256": self._sha256}

    @contextmanager
    def _open(self) -> Iterator[BufferedReader]:
        """Opens the file; an error of its storage while it is read becomes a sentence, too."""
        try:
            if "://" in self.path:
                files, path = open_storage(self.path)
                opened = BufferedReader(files.open(path, "rb"))  # its own reads no bounded line
            else:
                opened = Path(self.path).expanduser().open("rb")
            with opened as file:
                yield file
        except TenysonError:
            raise
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise DatasetRequestError(
                f"There is no file {self.text}.",
                hint="Other sources begin with a word: hub:, telemetry:, task:, generator:, "
                "dataset:.",
            ) from error
        except OSError as error:
            if "://" in self.path:
                raise storage_trouble(self.text, error) from error
            raise DatasetError(f"{self.text} cannot be read: {error.strerror or error}.") from error


def lines_of(file: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Yields each line with its place, `name:number`; bytes as they are, without a first mark.

    Raises:
        DatasetError: A line is too long, or the file is no UTF-8 by its mark.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > MAX_LINE_BYTES:
            raise DatasetError(
                f"{place}: the line is longer than {MAX_LINE_BYTES // 2**20} MiB.",
                hint="One row is one line; is this a file of another kind?",
            )
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
            if coding := next((c for mark, c in _OTHER_MARKS.items() if line.startswith(mark)), ""):
                raise DatasetError(
                    f"{place}: the file is {coding} by its first bytes; expected UTF-8.",
                    hint=f"Convert it first: iconv -f {coding.lower()} -t utf-8 FILE",
                )
        yield place, line


def csv_rows(lines: Iterator[tuple[str, bytes]], name: str, delimiter: str) -> Iterator[PlacedRow]:
    """Yields a row for each record; values are texts. A place is the record's first line.

    Raises:
        DatasetError: A record has more or fewer fields than the header, or is no CSV.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(_texts(lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        place = f"{name}:{reader.line_num + 1}"
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(f"{place}: no CSV: {error}.") from error
        if not record:
            continue
        if header is None:
            header = record
            _check_header(header, place)
        elif len(record) != len(header):
            raise DatasetError(
                f"{place}: {len(record)} fields, the header has {len(header)}.",
                hint="Quote fields that hold the delimiter, a quote or a line end.",
            )
        else:
            yield place, dict(zip(header, record, strict=True))


def _texts(lines: Iterator[tuple[str, bytes]]) -> Iterator[str]:
    for place, line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(error, place) from error


def _check_header(header: list[str], place: str) -> None:
    if double := next((name for name in header if name and header.count(name) > 1), None):
        raise DatasetError(f"{place}: the header has the field {double!r} twice.")
    if "" in header:
        raise DatasetError(f"{place}: a field of the header has no name.")


def _ending(path: str) -> str:
    name = path.lower().removesuffix(".gz")
    for ending in (*JSONL, *CSV, *PARQUET):
        if name.endswith(ending) and not (ending in PARQUET and path.lower().endswith(".gz")):
            return ending
    raise DatasetRequestError(
        f"The source {path!r} has no ending that tells what it holds.",
        hint="Known: .jsonl, .ndjson, .json, .csv, .tsv (all also with .gz), .parquet. Other "
        "sources begin with a word: hub:, telemetry:, task:, generator:, dataset:.",
    )


def _unpacked(file: IO[bytes], path: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file)) if path.lower().endswith(".gz") else file
