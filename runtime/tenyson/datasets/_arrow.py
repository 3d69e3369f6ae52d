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
        rows = list(named.rows())
        # Dataset.from_list would take the first row's fields for all that there are.
        return Dataset.from_dict({n: [row.get(n) for row in rows] for n in named.manifest.fields})
    except (ValueError, TypeError, OverflowError) as error:  # Arrow's errors are ValueErrors, too
        mixed = [
            f"{name} ({', '.join(kinds)})"
            for name, kinds in named.manifest.fields.items()
            if len([kind for kind in kinds if kind not in ("null", "missing")]) > 1
        ]
        why = f"{', '.join(mixed)}: several kinds of values in one column" if mixed else str(error)
        raise DatasetError(
            f"The rows of {named.manifest.key} are no table. {why.rstrip('.')}.",
            hint="Build a version in which every field, also inside objects and lists, holds one "
            "kind of value.",
        ) from error
