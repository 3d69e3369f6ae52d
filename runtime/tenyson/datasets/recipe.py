"""What is asked of a build, and what it does to one row; its sources apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenyson.datasets.errors import DatasetError, DatasetRequestError
from tenyson.datasets.filters import Filter
from tenyson.datasets.rows import row_digest
from tenyson.datasets.selection import require_strategy
from tenyson.near_names import near_names

READABLE = ("prompt", "messages", "text", "input_ids")
"""Fields of which a job needs one."""
NOT_COMPARED = ("id", "metadata", "created_at")
"""Fields in which duplicates may differ."""


@dataclass(frozen=True)
class Recipe:
    """How rows become a data set."""

    map: Mapping[str, str] = field(default_factory=dict)
    """By a field's name in the data set, its name in the sources."""
    filters: Sequence[Filter] = ()
    limit: int | None = None
    selection_strategy: str = "latest"
    seed: int = 42
    keep_duplicates: bool = False

    def __post_init__(self) -> None:
        require_strategy(self.selection_strategy)
        if self.limit is not None and self.limit < 1:
            raise DatasetRequestError(f"A limit of {self.limit} rows leaves none; give 1 or more.")

    @property
    def needs_times(self) -> bool:
        """Whether it matters when a row was made."""
        return self.limit is not None and self.selection_strategy == "latest"

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as a manifest holds it."""
        return {
            "map": dict(self.map),
            "filters": [condition.text for condition in self.filters],
            "limit": self.limit,
            "selection_strategy": self.selection_strategy,
            "seed": self.seed,
            "keep_duplicates": self.keep_duplicates,
        }


def renamed(row: Mapping[str, Any], names: Mapping[str, str], place: str) -> dict[str, Any]:
    """Returns the row with its fields called as `names` says, in their order.

    Raises:
        DatasetError: A field is missing, or the new name is taken.
    """
    if not names:
        return dict(row)
    new_names = {old: new for new, old in names.items()}
    for old, new in new_names.items():
        if old not in row:
            raise DatasetError(
                f"{place} has no field {old!r} to call {new!r}. {near_names(old, row)}".strip(),
                hint=f"Its fields: {', '.join(row)}.",
            )
        if new in row and new not in new_names:
            raise DatasetError(
                f"{place} has a field {new!r} already; {old!r} cannot be called so.",
                hint=f"Give the other one another name, too: --map other={new}.",
            )
    return {new_names.get(name, name): value for name, value in row.items()}


def with_id(row: dict[str, Any], content: bytes, place: str) -> dict[str, Any]:
    """Returns the row with its `id` first; one that has none gets one made of its content.

    Raises:
        DatasetError: Its id is neither text nor a whole number.
    """
    if (own := row.get("id")) is None:
        return {"id": f"row-{content.hex()[:16]}", **{n: v for n, v in row.items() if n != "id"}}
    if isinstance(own, bool) or not isinstance(own, str | int) or own == "":
        raise DatasetError(
            f"{place}, field id: {own!r} names no row; expected text or a whole number.",
            hint="Map another field to it, --map id=FIELD, or leave it out.",
        )
    return {"id": own, **row}


def content_of(row: Mapping[str, Any]) -> bytes:
    """Returns a digest that duplicates share: of all but `id`, `metadata` and `created_at`."""
    compared = {name: value for name, value in row.items() if name not in NOT_COMPARED}
    return row_digest(compared or row)
