"""Writes a data set's rows in another form, whole or not at all."""

import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from tenyson.datasets.errors import DatasetRequestError, saying_where
from tenyson.datasets.formats import FORMATS
from tenyson.datasets.loading import NamedDataset, StoreName, open_dataset
from tenyson.datasets.rows import row_line
from tenyson.files import sync_folder
from tenyson.near_names import near_names


def export_dataset(
    key: str, format: str, output: str | os.PathLike[str], *, store: StoreName = None
) -> int:
    """Writes the rows of a data set, one JSON object a line, and returns how many.

    Args:
        key: `NAME-VERSION`.
        format: `tunix_sft`, `prompt_completion`, `messages` or `jsonl`.
        output: The file; it is written aside and renamed.
        store: Folder or URI; None takes TENYSON_DATASETS, else `artifacts/datasets`.

    Raises:
        DatasetNotFoundError: There is no data set of that key.
        DatasetRequestError: There is no such format.
        DatasetError: The data set is damaged, or a row has no such form.
    """
    path = Path(output)
    lines = export_lines(open_dataset(key, store), format)
    with saying_where(str(path)):
        return _write(lines, path)


def _write(lines: Iterable[bytes], path: Path) -> int:
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(aside, "wb") as file:
            for line in lines:
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return count


def export_lines(dataset: NamedDataset, format: str) -> Iterator[bytes]:
    """Returns the lines of an export, one after the other.

    Raises:
        DatasetRequestError: There is no such format; at once, not at the first line.
    """
    if format not in FORMATS:
        raise DatasetRequestError(
            f"There is no format {format!r}. {near_names(format, FORMATS)}".strip(),
            hint=f"Known: {', '.join(FORMATS)}.",
        )
    in_form = FORMATS[format]
    return (row_line(in_form(row)) for row in dataset.rows())
