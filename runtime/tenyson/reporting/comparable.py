"""Whether two models' answers may be compared at all, and what is not the same about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tenyson.manifest import LOWER_IS_BETTER
from tenyson.reporting.eval_outputs import EvalOutputs
from tenyson.reporting.evaluations import ComparisonError

_OTHER_SETTINGS = ("engine", "scorer")
"""Settings that may differ: the engine follows from model and machine; of the scorers only those
of the compared scores count."""
_LATER_SETTINGS = ("task_module", "task", "loader", "dtype", LOWER_IS_BETTER)
"""Settings that older files have not."""


def require_same_rows(before: EvalOutputs, after: EvalOutputs) -> list[str]:
    """Returns the ids that both hold, in the first one's order.

    Raises:
        ComparisonError: One has other ids, another prompt or another expected answer.
    """
    missing = [i for i in before.rows if i not in after.rows]
    added = [i for i in after.rows if i not in before.rows]
    shared = [i for i in before.rows if i in after.rows]
    prompts = [i for i in shared if not _same_prompt(before, after, i)]
    answers = [i for i in shared if not _same_answer(before, after, i)]
    found = [
        text
        for text, ids in (
            (f"only in {before.place}", missing),
            (f"only in {after.place}", added),
            ("with another prompt under the same id", prompts),
            ("with another expected answer under the same id", answers),
        )
        if ids
        for text in [f"{len(ids)} (such as {ids[0]!r}) {text}"]
    ]
    if found:
        raise ComparisonError(
            f"{before.place} and {after.place} are not of the same prompts: {', '.join(found)}.",
            hint="Generate both from the same evaluation set.",
        )
    return shared


def differences_of(before: EvalOutputs, after: EvalOutputs, scores: Sequence[str]) -> list[str]:
    """Returns one sentence for each thing, beside the model's training, that is not the same.

    Args:
        before: Answers of the earlier model.
        after: Of the later one.
        scores: Those that are compared.
    """
    found = []
    if _base(before.model) != _base(after.model):
        whole = " (weights that were trained whole are another base)"
        found.append(
            f"the base models differ: {_named(before.model)} before, {_named(after.model)} after"
            f"{'' if after.model.get('adapter_sha256') else whole}"
        )
    names = {**before.settings, **after.settings}
    for name in names:
        old, new = before.settings.get(name), after.settings.get(name)
        is_known = name in before.settings and name in after.settings
        if name in _LATER_SETTINGS and not is_known:
            continue  # a file from before they were written does not tell
        if old != new and name not in _OTHER_SETTINGS:
            found.append(f"{name} is {old!r} before and {new!r} after")
    used_before, used_after = _scorers(before, scores), _scorers(after, scores)
    if used_before != used_after:
        found.append(f"scorer is {used_before!r} before and {used_after!r} after")
    old, new = (outputs.fingerprints.get("scoring") for outputs in (before, after))
    if None not in (old, new) and old != new:
        found.append(
            f"the code of the task that scores is another one: its fingerprint is {str(old)[:12]} "
            f"before and {str(new)[:12]} after"
        )
    old, new = (outputs.fingerprints.get("eval_set") for outputs in (before, after))
    if old != new:
        found.append(
            "the evaluation sets' fingerprints differ, though prompts and expected answers do not: "
            f"other fields of theirs do ({str(old)[:12]} before, {str(new)[:12]} after)"
        )
    return found


def require_comparable(
    before: EvalOutputs, after: EvalOutputs, scores: Sequence[str], *, allow: bool
) -> list[str]:
    """Returns what is not the same, where that is allowed; see `differences_of`.

    Raises:
        ComparisonError: Something differs and it is not allowed.
    """
    found = differences_of(before, after, scores)
    if found and not allow:
        raise ComparisonError(
            f"{before.place} and {after.place} would be compared with more than the training "
            f"between them: {'; '.join(found)}.",
            hint="Generate both in the same way; or compare them all the same, with "
            "--allow-differences (allow_differences=True), and the report names what differs.",
        )
    return found


def shared_scores(
    before: EvalOutputs, after: EvalOutputs, wanted: Sequence[str] | None
) -> list[str]:
    """Returns the scores to compare.

    Raises:
        ComparisonError: One that is wanted is missing, or both have none in common.
    """
    both = [name for name in before.score_names if name in after.score_names]
    missing = [name for name in wanted or () if name not in both]
    if missing or not both:
        what = f"score {missing[0]!r}" if missing else "score in common"
        raise ComparisonError(
            f"{before.place} and {after.place} have no {what}: "
            f"{', '.join(before.score_names)} before, {', '.join(after.score_names)} after.",
            hint="Generate both with the same --scorer.",
        )
    return list(dict.fromkeys(wanted)) if wanted else both


def _same_prompt(before: EvalOutputs, after: EvalOutputs, row_id: str) -> bool:
    old, new = before.rows[row_id], after.rows[row_id]
    return bool(old.prompt == new.prompt and old.prompt_sha256 == new.prompt_sha256)


def _same_answer(before: EvalOutputs, after: EvalOutputs, row_id: str) -> bool:
    return bool(before.rows[row_id].expected_answer == after.rows[row_id].expected_answer)


def _scorers(outputs: EvalOutputs, scores: Sequence[str]) -> Any:
    """Returns the scorers behind these scores: `regex_2` is the second of a `regex:PATTERN`."""
    given = outputs.settings.get("scorer")
    if not isinstance(given, list):
        return given
    kinds = {name.partition("_")[0] for name in scores}
    return [spec for spec in given if str(spec).partition(":")[0] in kinds]


def _base(model: Mapping[str, Any]) -> Any:
    base = model.get("base") or {}
    if base.get("weights_sha256"):
        return base["weights_sha256"]
    return base.get("source") or base.get("name"), base.get("revision")


def _named(model: Mapping[str, Any]) -> str:
    base = model.get("base") or {}
    told = base.get("weights_sha256") or base.get("revision")
    return f"{base.get('name')}" + (f" ({str(told)[:12]})" if told else "")
