"""Evaluation sets: prompts with their expected answers, `{"id", "prompt", "expected_answer"}`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenyson.evaluation.rows_file import Line, LineProblem, RowsError, read_rows

EXAMPLE = '{"id": "eval-001", "prompt": "What is 2+2?", "expected_answer": "4"}'


@dataclass(frozen=True)
class EvalRow:
    """One prompt."""

    id: str
    prompt: Any
    """A text, or a list of messages with role and content."""
    expected_answer: str | None
    others: dict[str, Any] = field(default_factory=dict)
    """Further fields, for a task's own scoring."""


AnswerCheck = Callable[[str], str | None]
"""Returns what is wrong with an expected answer; None where nothing is."""


def read_eval_set(
    place: str | Path,
    *,
    needs_answer: bool = True,
    check_answer: AnswerCheck = lambda answer: None,
) -> list[EvalRow]:
    """Returns the rows of an evaluation set, in the file's order.

    Args:
        place: A JSON Lines file, or its URI.
        needs_answer: Whether a row without `expected_answer` is refused.
        check_answer: Says what a scorer cannot do with an expected answer.

    Raises:
        RowsError: Lists every line that is wrong: no UTF-8, no JSON, a field that is missing or
            of another kind, an id that is there twice. A file without rows is refused, too.
    """
    rows: list[EvalRow] = []
    problems: list[LineProblem] = []
    lines_of: dict[str, int] = {}
    for line in read_rows(place):
        found = list(_problems(line, needs_answer, check_answer))
        problems += [LineProblem(line.number, message) for message in found]
        if found:
            continue
        row = _row(line.content)
        if row.id in lines_of:
            message = f"the id {row.id!r} is that of line {lines_of[row.id]}, too"
            problems.append(LineProblem(line.number, message))
        lines_of.setdefault(row.id, line.number)
        rows.append(row)
    if problems:
        raise RowsError(str(place), problems, hint=f"A row looks like {EXAMPLE}")
    return rows


def _problems(line: Line, needs_answer: bool, check_answer: AnswerCheck) -> Iterator[str]:
    content = line.content
    row_id, prompt, answer = (content.get(n) for n in ("id", "prompt", "expected_answer"))
    if not isinstance(row_id, str | int) or isinstance(row_id, bool) or row_id == "":
        yield _expected("id", content, "a text")
    if not _is_prompt(prompt):
        yield _expected("prompt", content, "a text, or a list of messages with role and content")
    if answer is None and needs_answer:
        yield _expected("expected_answer", content, "a text")
    elif answer is not None and not isinstance(answer, str):
        yield f"expected_answer is {_shown(answer)}; expected a text, in quotation marks"
    elif answer is not None and (problem := check_answer(answer)):
        yield f"expected_answer {problem}"
    for name in _with_lone_surrogates(content):
        yield f"{name} holds half a character (a lone surrogate), which no tokenizer takes"


def _row(content: dict[str, Any]) -> EvalRow:
    named = ("id", "prompt", "expected_answer")
    others = {name: value for name, value in content.items() if name not in named}
    return EvalRow(str(content["id"]), content["prompt"], content.get("expected_answer"), others)


def _is_prompt(prompt: Any) -> bool:
    if isinstance(prompt, str):
        return bool(prompt)
    return (
        isinstance(prompt, list)
        and bool(prompt)
        and all(
            isinstance(turn, dict)
            and isinstance(turn.get("role"), str)
            and isinstance(turn.get("content"), str)
            for turn in prompt
        )
    )


def _expected(name: str, content: dict[str, Any], what: str) -> str:
    if name not in content:
        fields = ", ".join(map(repr, content)) or "none"
        return f"has no {name}; its fields: {fields}"
    return f"{name} is {_shown(content[name])}; expected {what}"


def _with_lone_surrogates(content: dict[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        try:
            _encode(name)
            _encode(value)
        except UnicodeEncodeError:
            yield ascii(name)


def _encode(value: Any) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list):
        for item in value:
            _encode(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _encode(key)
            _encode(item)


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:59] + "…"
