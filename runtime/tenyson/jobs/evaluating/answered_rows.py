"""The rows of an evaluation that a model has answered: all, or as many as the budget allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.evaluation.completions import Completion

ANSWERED_SHARE = "answered_share"
"""Metric that stands beside those of a part, so that no number of theirs passes for the whole."""


@dataclass(frozen=True)
class AnsweredRows:
    """Rows, their ids and their completions, in the data set's order."""

    rows: list[dict[str, Any]]
    ids: list[Any]
    completions: list[list[Completion]]
    asked: int
    """Rows of the whole evaluation."""

    @property
    def share(self) -> float:
        """What of the whole is answered."""
        return len(self.ids) / self.asked

    def shortfall(self, label: str) -> str | None:
        """Returns what a reader of the metrics must know of a part; None where all is answered.

        Args:
            label: Of the model; empty for the main one.
        """
        if len(self.ids) == self.asked:
            return None
        of = f" of {label}" if label else ""
        if not self.ids:
            return f"There are no metrics{of}: the budget was used up before its first answer."
        return (
            f"The metrics{of} are of {len(self.ids)} of {self.asked} rows, as far as the budget "
            "went. Rows are answered in the order of their prompts' lengths, so these are no "
            "random part: compare them by row with another model's, or not at all."
        )


def answered_rows(
    rows: Sequence[dict[str, Any]], ids: Sequence[Any], found: Mapping[str, list[Completion]]
) -> AnsweredRows:
    """Returns the rows that have completions.

    Args:
        rows: All that are evaluated.
        ids: Their names, by place.
        found: Completions by a row's name, as text.
    """
    places = [place for place, row_id in enumerate(ids) if str(row_id) in found]
    return AnsweredRows(
        [rows[place] for place in places],
        [ids[place] for place in places],
        [found[str(ids[place])] for place in places],
        asked=len(ids),
    )
