"""A task's hooks, called with care: what they return is checked before it is trained on."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from tenyson.datasets._arrow import as_dataset
from tenyson.errors import TaskError, TenysonError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data.named import find_dataset
from tenyson.task import has_hook, takes_dataset

FINGERPRINTED_ROWS = 100_000
"""Rows of a data set that are hashed; of a longer one the first and last halves of this many."""


@dataclass(frozen=True)
class DataFacts:
    """What identifies a data set."""

    rows: int
    columns: list[str]
    fingerprint: str
    """SHA-256 over the rows' content: equal data gives an equal one, on any machine."""


def call_hook(context: RunContext, name: str, *arguments: Any, **named: Any) -> Any:
    """Returns what the hook returns; None for an optional hook that the task does not define.

    Raises:
        TaskError: The hook raised; names it.
    """
    if not has_hook(context.task, name):
        return None
    try:
        return getattr(context.task, name)(*arguments, **named)
    except TenysonError:
        raise
    except Exception as error:
        raise TaskError(f"{name} raised {type(error).__name__}: {error}") from error


def dataset_of(context: RunContext, hook: str, *arguments: Any) -> Dataset:
    """Returns the rows of a data hook, or of the data set that the configuration names.

    Raises:
        TaskError: The hook returned something else, or no rows.
    """
    named = find_dataset(context)
    rows = None if named is None else as_dataset(named)
    if takes_dataset(context.task, hook):
        return _checked_rows(call_hook(context, hook, *arguments, dataset=rows), hook)
    return _checked_rows(call_hook(context, hook, *arguments), hook) if rows is None else rows


def optional_dataset_of(context: RunContext, hook: str, *arguments: Any) -> Dataset | None:
    """Returns the rows of a data hook that may be left out, or may return None.

    Raises:
        TaskError: It returned something else, or no rows.
    """
    dataset = call_hook(context, hook, *arguments)
    return None if dataset is None else _checked_rows(dataset, hook)


def _checked_rows(dataset: Any, hook: str) -> Dataset:
    if isinstance(dataset, list) and all(isinstance(row, dict) for row in dataset):
        dataset = _table_of(dataset, hook)
    if not isinstance(dataset, Dataset):
        raise TaskError(
            f"{hook} returned {type(dataset).__name__}; expected a datasets.Dataset or a list of "
            "rows."
        )
    if len(dataset) == 0:
        raise TaskError(f"{hook} returned no rows.", hint="Check the task's filters and its files.")
    return dataset


def _table_of(rows: list[dict[str, Any]], hook: str) -> Dataset:
    """Returns rows as a table of all their fields; one that a row lacks is None there.

    Raises:
        TaskError: A field holds values of several kinds.
    """
    # Dataset.from_list would take the first row's fields for all that there are.
    fields = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in fields})
    except (ValueError, TypeError, OverflowError) as error:  # Arrow's errors are ValueErrors, too
        raise TaskError(
            f"{hook} returned rows that are no table: {error}",
            hint="Let every field, also inside objects and lists, hold one kind of value.",
        ) from error


def require_columns(dataset: Dataset, hook: str, *choices: tuple[str, ...]) -> None:
    """Refuses a data set that has none of the choices of columns whole.

    Raises:
        TaskError: Says which hook, the columns found and those expected.
    """
    found = set(dataset.column_names)
    if any(found.issuperset(choice) for choice in choices):
        return
    expected = ", or ".join(" and ".join(choice) for choice in choices)
    raise TaskError(
        f"{hook} returned rows without the columns it needs. Found: "
        f"{', '.join(dataset.column_names)}. Expected: {expected}.",
        hint="Rename the columns in the hook (Dataset.rename_column).",
    )


def facts_of(dataset: Dataset) -> DataFacts:
    """Returns what identifies the data set."""
    digest = hashlib.sha256()
    rows = len(dataset)
    for index in _fingerprinted(rows):
        for row in dataset.select(index).to_list():
            digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    digest.update(str(rows).encode())
    return DataFacts(rows, list(dataset.column_names), digest.hexdigest())


def _fingerprinted(rows: int) -> list[range]:
    half = FINGERPRINTED_ROWS // 2
    spans = [range(rows)] if rows <= 2 * half else [range(half), range(rows - half, rows)]
    size = 2_000
    return [span[i : i + size] for span in spans for i in range(0, len(span), size)]


def callable_of(context: RunContext, hook: str, *arguments: Any) -> Callable[..., Any] | None:
    """Returns the function of an optional hook, or None.

    Raises:
        TaskError: The hook returned something that cannot be called.
    """
    function = call_hook(context, hook, *arguments)
    if function is not None and not callable(function):
        raise TaskError(f"{hook} returned {type(function).__name__}; expected a function or None.")
    return function if callable(function) else None
