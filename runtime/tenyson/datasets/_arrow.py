"""A named data set as a table of the datasets library."""

from datasets import Dataset
from tenyson.datasets.errors import DatasetError
from tenyson.datasets.loading import NamedDataset


def as_dataset(named: NamedDataset) -> Dataset:
    """Returns the rows as a table.

    Raises:
        DatasetError: A column would hold values of several kinds; names it.
    """
    try:
        return Dataset.from_list(list(named.rows()))
    except (ValueError, TypeError, OverflowError) as error:  # Arrow's errors are ValueErrors, too
        mixed = [
            f"{name} ({', '.join(kinds)})"
            for name, kinds in named.manifest.fields.items()
            if len([kind for kind in kinds if kind not in ("null", "missing")]) > 1
        ]
        named_fields = ", ".join(mixed) or "inside an object or a list"
        raise DatasetError(
            f"The rows of {named.manifest.key} are no table: a column holds one kind of value, and "
            f"these hold several: {named_fields}. ({error})",
            hint="Build a version whose fields are of one kind each.",
        ) from error
