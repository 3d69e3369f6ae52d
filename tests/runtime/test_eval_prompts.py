"""Prompts as an evaluation takes them: room for an answer, and what is no prompt."""

from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.evaluation.prompts import prepare_prompts


class Letters:
    """A tokenizer of letters; marks the end of a text where it is told to."""

    chat_template = None
    eos_token_id = 0

    def __init__(self, adds_end: bool = False) -> None:
        self._end = [0] if adds_end else []

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text] + self._end}


def prepare(prompts: list[Any], tokenizer: Any = None, **settings: Any) -> Any:
    given = {"context_length": 10, "max_new_tokens": 4, "truncate": False, **settings}
    keys = [f"r{place}" for place in range(len(prompts))]
    return prepare_prompts(tokenizer or Letters(), keys, prompts, **given)


def test_a_prompt_that_leaves_no_room_is_named_with_its_length() -> None:
    with pytest.raises(TaskError) as raised:
        prepare(["abc", "abcdefgh", "abcdefghi"])

    message = str(raised.value)
    assert "2 prompts leave no room for evaluation.max_new_tokens = 4" in message
    assert "context of 10 tokens: row 'r2' has 9 tokens, 'r1' has 8 tokens" in message
    assert "evaluation.truncate_prompts" in message


def test_truncation_keeps_the_end_of_a_prompt_and_counts() -> None:
    prepared = prepare(["abc", "abcdefgh"], truncate=True)

    assert [bytes(request.ids).decode() for request in prepared.requests] == ["abc", "cdefgh"]
    assert prepared.truncated == 1


def test_truncation_cannot_make_room_that_the_context_does_not_have() -> None:
    with pytest.raises(TaskError, match="context of 10"):
        prepare(["abc"], truncate=True, max_new_tokens=10)


def test_a_model_without_a_known_context_takes_any_length() -> None:
    assert len(prepare(["a" * 99], context_length=None).requests[0].ids) == 99


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "row 'r0' is empty"),
        (None, "is None; expected a text"),
        ([], "is []; expected a text"),
        ([1, 2], r"is \[1, 2\]; expected a text"),
        ([{"role": "user", "content": "a"}], "no chat template"),
    ],
)
def test_what_is_no_prompt_is_refused_by_its_row(prompt: Any, says: str) -> None:
    with pytest.raises(TaskError, match=says.replace("[]", r"\[\]")):
        prepare([prompt])


def test_prompts_that_end_with_the_end_of_text_token_are_counted() -> None:
    assert prepare(["a", "b"], Letters(adds_end=True)).ended == 2
    assert prepare(["a", "b"]).ended == 0
