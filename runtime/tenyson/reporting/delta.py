"""The delta report: what a training changed in a model's answers, and what may be concluded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tenyson.evaluation.changes import Change, changes_of
from tenyson.files import write_atomically
from tenyson.manifest import LOWER_IS_BETTER
from tenyson.reporting.comparable import require_comparable, require_same_rows, shared_scores
from tenyson.reporting.eval_outputs import Answers, EvalOutputs, read_outputs

EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """One prompt that was answered better, or worse, than before."""

    id: str
    before: Answers
    after: Answers
    old: float
    """Mean score of its samples."""
    new: float


@dataclass(frozen=True)
class DeltaReport:
    """Two models' answers to the same prompts, compared."""

    before: EvalOutputs
    after: EvalOutputs
    prompts: int
    changes: Mapping[str, Change]
    """By score; the first is the one that examples are ordered by."""
    regressions: Sequence[Example]
    """The worst first."""
    gains: Sequence[Example]
    """The best first."""
    differences: Sequence[str] = ()
    """What is not the same beside the training between them; see `allow_differences`."""

    def markdown(self) -> str:
        """Returns the report."""
        from tenyson.reporting.delta_markdown import markdown_of

        return markdown_of(self)

    def save(self, path: str | Path) -> Path:
        """Writes the report; a reader never sees half of it."""
        write_atomically(Path(path), self.markdown())
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """Returns the numbers as JSON values."""
        return {
            "before": self.before.place,
            "after": self.after.place,
            "prompts": self.prompts,
            "differences": list(self.differences),
            "metrics": {
                name: {"verdict": change.verdict, **asdict(change)}
                for name, change in self.changes.items()
            },
        }


def delta_report(
    before: str | Path,
    after: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    allow_differences: bool = False,
) -> DeltaReport:
    """Returns the comparison of two models' answers.

    Args:
        before: Answers of the earlier model: a file of `tenyson eval generate`, an Eval job's
            output folder, or a URI.
        after: Of the later one.
        metrics: Scores to compare, the main one first; None takes all that both have.
        examples: How many gains and how many losses are shown.
        allow_differences: Whether models of other bases, and answers drawn by other settings, are
            compared; the report names what differs.

    Raises:
        RowsError: A file is not there or is damaged; names file and line.
        ComparisonError: They are not of the same prompts, or differ in more than the training.
    """
    old, new = read_outputs(before), read_outputs(after)
    ids = require_same_rows(old, new)
    names = shared_scores(old, new, metrics)
    differences = require_comparable(old, new, names, allow=allow_differences)
    columns = {name: (old.column(name, ids), new.column(name, ids)) for name in names}
    found = [_example(old, new, row_id, names[0]) for row_id in ids]
    rises, falls = _most(found, "rises"), _most(found, "falls")
    lower = {*_lower_is_better(old), *_lower_is_better(new)}
    is_lower = names[0] in lower
    return DeltaReport(
        before=old,
        after=new,
        prompts=len(ids),
        changes=changes_of(columns, lower_is_better=lower),
        regressions=(rises if is_lower else falls)[:examples],
        gains=(falls if is_lower else rises)[:examples],
        differences=differences,
    )


def _example(before: EvalOutputs, after: EvalOutputs, row_id: str, score: str) -> Example:
    old, new = before.rows[row_id], after.rows[row_id]
    return Example(row_id, old, new, _mean(old, score), _mean(new, score))


def _mean(answers: Answers, score: str) -> float:
    return sum(scores[score] for scores in answers.scores) / len(answers.scores)


def _lower_is_better(outputs: EvalOutputs) -> Sequence[str]:
    found = outputs.settings.get(LOWER_IS_BETTER)
    return found if isinstance(found, list) else ()


def _most(examples: Sequence[Example], what: Literal["rises", "falls"]) -> list[Example]:
    """Returns those that changed in one direction, the most first; equal ones in their order."""
    sign = 1 if what == "rises" else -1
    changed = [e for e in examples if sign * (e.new - e.old) > 0]
    return sorted(changed, key=lambda e: -abs(e.new - e.old))
