"""The task's `redact`, applied to every text of a sample before it leaves the training process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tenyson.telemetry.rows import as_text
from tenyson.telemetry.samples import Completion, EvalSample, PromptGroup

Redact = Callable[[str], str]


def redacted_groups(groups: Sequence[PromptGroup], redact: Redact) -> list[PromptGroup]:
    """Returns the groups with what `redact` leaves of their texts."""
    return [
        replace(
            group,
            prompt=redact(group.prompt),
            completions=[_redacted_completion(c, redact) for c in group.completions],
        )
        for group in groups
    ]


def redacted_samples(samples: Sequence[EvalSample], redact: Redact) -> list[EvalSample]:
    """Returns the samples with what `redact` leaves of their texts, those in scores included."""
    return [
        replace(
            sample,
            prompt=redact(as_text(sample.prompt)),
            completion=redact(as_text(sample.completion)),
            expected_answer=None if (answer := sample.expected_answer) is None else redact(answer),
            scores=_redacted_values(sample.scores, redact),
        )
        for sample in samples
    ]


def _redacted_completion(completion: Completion, redact: Redact) -> Completion:
    return replace(
        completion,
        text=None if completion.text is None else redact(completion.text),
        extras=None if completion.extras is None else _redacted_values(completion.extras, redact),
    )


def _redacted_values(values: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    return {name: _redacted(value, redact) for name, value in values.items()}


def _redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return _redacted_values(value, redact)
    if isinstance(value, list | tuple):
        return [_redacted(item, redact) for item in value]
    return value
