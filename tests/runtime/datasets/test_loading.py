"""A data set as a table of the datasets library: every row, every field."""

from collections.abc import Callable
from typing import Any

import pytest

from tenyson.datasets import DatasetError, build_dataset, load_dataset

Write = Callable[..., str]


def loaded(path: str) -> list[dict[str, Any]]:
    build_dataset("x", "v1", [path])
    rows: list[dict[str, Any]] = load_dataset("x-v1").to_list()
    return rows


def test_a_field_that_the_first_row_lacks_is_a_column(write: Write) -> None:
    rows = loaded(write([{"id": 1, "prompt": "a"}, {"id": 2, "prompt": "b", "history": "c"}]))

    assert [row["history"] for row in rows] == [None, "c"]


def test_texts_and_conversations_come_through_as_they_were(write: Write) -> None:
    messages = [{"role": "user", "content": "nul \x00, separator \u2028"}]

    rows = loaded(write([{"id": 1, "messages": messages}]))

    assert rows == [{"id": 1, "messages": messages}]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([1, "one"], "score (number, text): several kinds of values in one column"),
        ([{"a": 1}, {"a": "one"}], "one"),
        ([1, 10**30], "int too"),
    ],
)
def test_a_column_of_several_kinds_is_refused_by_its_name(
    write: Write, values: list[Any], named: str
) -> None:
    rows = [{"prompt": str(i), "score": value} for i, value in enumerate(values)]

    with pytest.raises(DatasetError) as refusal:
        loaded(write(rows))

    assert "The rows of x-v1 are no table. " in str(refusal.value)
    assert named in str(refusal.value)
