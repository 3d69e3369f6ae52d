"""Rows of a Parquet file."""

from collections.abc import Iterator
from typing import IO

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from tenyson.datasets.errors import DatasetError
from tenyson.datasets.sources.source import PlacedRow

_ROWS_AT_ONCE = 1_000


def parquet_rows(file: IO[bytes], name: str) -> Iterator[PlacedRow]:
    """Yields the rows; a place is `name, row 7`, counted from 0.

    Raises:
        DatasetError: The file is no Parquet, or is damaged.
    """
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield f"{name}, row {number}", row
                number += 1
    except pyarrow.ArrowInvalid as error:
        raise DatasetError(f"{name}: no Parquet: {error}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}, row {number} or after it: a text is no UTF-8.") from error
