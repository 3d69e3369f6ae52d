"""The rows of a data set, and how a test writes a source."""

from collections.abc import Callable
from typing import Any

from tenyson.datasets import (
    open_dataset,
)

Write = Callable[..., str]


def rows_of(key: str) -> list[dict[str, Any]]:
    return list(open_dataset(key).rows())


def ids_of(key: str) -> list[Any]:
    return [row["id"] for row in rows_of(key)]
