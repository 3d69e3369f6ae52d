"""Rows that a task returns as a list: every field of every row counts."""

from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.jobs.data._data import _checked_rows


def test_fields_that_the_first_row_lacks_are_kept() -> None:
    rows = [
        {"prompt": "1+1=", "completion": "2"},
        {"prompt": "2+2=", "completion": "4", "level": 3},
        {"prompt": "3+3=", "note": "hard"},
    ]
    table = _checked_rows(rows, "get_sft_dataset")
    assert table.column_names == ["prompt", "completion", "level", "note"]
    assert table.to_list() == [
        {"prompt": "1+1=", "completion": "2", "level": None, "note": None},
        {"prompt": "2+2=", "completion": "4", "level": 3, "note": None},
        {"prompt": "3+3=", "completion": None, "level": None, "note": "hard"},
    ]


@pytest.mark.parametrize("rows", [[], [{}]])
def test_no_rows_are_refused(rows: Any) -> None:
    with pytest.raises(TaskError, match="get_rl_dataset returned no rows"):
        _checked_rows(rows, "get_rl_dataset")


def test_a_field_of_several_kinds_is_refused_in_a_sentence() -> None:
    rows = [{"prompt": "a", "level": 1}, {"prompt": "b", "level": "high"}]
    with pytest.raises(TaskError, match="get_rl_dataset returned rows that are no table") as told:
        _checked_rows(rows, "get_rl_dataset")
    assert "one kind of value" in told.value.hint
