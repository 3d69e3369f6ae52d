"""Exports: the forms that trainers read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.datasets import DatasetError, DatasetRequestError, build_dataset, export_dataset
from tests.runtime.datasets.conftest import sums

Write = Callable[..., str]
MARKS = "What is the capital of France?"
CHAT = [
    {"role": "system", "content": "You are a calculator."},
    {"role": "user", "content": "Calculate 5*6"},
    {"role": "assistant", "content": "30"},
    {"role": "user", "content": "And 5*7?"},
    {"role": "assistant", "content": "35"},
]


@pytest.fixture
def exported(write: Write, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Builds a data set of the rows and returns its export."""

    def export(rows: list[dict[str, Any]], format: str) -> list[dict[str, Any]]:
        build_dataset("x", "v1", [write(rows)])
        path = tmp_path / "out" / "export.jsonl"
        assert export_dataset("x-v1", format, path) == len(rows)
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    return export


def test_a_tunix_line_is_the_documents_to_the_byte(write: Write, tmp_path: Path) -> None:
    row = {
        "id": "t-1",
        "prompt": MARKS,
        "completion": "Reasoning:\n1. Recall geography\nAnswer: Paris",
        "final_answer": "Paris",
        "metadata": {"source": "ungar"},
    }
    build_dataset("x", "v1", [write([row])])

    export_dataset("x-v1", "tunix_sft", tmp_path / "out.jsonl")

    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == (
        '{"id": "t-1", "prompts": "<start_of_turn>user\\nWhat is the capital of France?'
        "<end_of_turn>\\n<start_of_turn>model\\nReasoning:\\n1. Recall geography\\nAnswer: Paris"
        '<end_of_turn>", "final_answer": "Paris", "metadata": {"source": "ungar"}}\n'
    )


def test_a_conversations_system_text_stands_before_the_first_user(exported: Any) -> None:
    (row,) = exported([{"id": "c", "messages": CHAT, "level": 3}], "tunix_sft")

    assert row["prompts"] == (
        "<start_of_turn>user\nYou are a calculator.\n\nCalculate 5*6<end_of_turn>\n"
        "<start_of_turn>model\n30<end_of_turn>\n<start_of_turn>user\nAnd 5*7?<end_of_turn>\n"
        "<start_of_turn>model\n35<end_of_turn>"
    )
    assert row["final_answer"] == "35"
    assert row["metadata"] == {"level": 3}


def test_a_conversations_last_turn_is_its_completion(exported: Any) -> None:
    (row,) = exported([{"id": "c", "messages": CHAT}], "prompt_completion")

    assert (row["prompt"], row["completion"]) == (CHAT[:-1], CHAT[-1:])


def test_texts_become_a_conversation_and_stay_texts(exported: Any, write: Write) -> None:
    (row,) = exported(sums(1), "messages")

    assert row == {
        "id": "s0",
        "messages": [
            {"role": "user", "content": "0+1="},
            {"role": "assistant", "content": "1"},
        ],
    }


def test_prompts_and_completions_leave_other_fields_out(exported: Any) -> None:
    assert exported(sums(2, level=3), "prompt_completion") == sums(2)


def test_jsonl_is_the_data_set_itself(exported: Any) -> None:
    rows = sums(2, level=3, note="\u2028\x00")

    assert exported(rows, "jsonl") == rows


@pytest.mark.parametrize(
    ("fields", "format", "why"),
    [
        ({"text": "only a text"}, "messages", "neither messages nor prompt and completion"),
        ({"prompt": "a question alone"}, "prompt_completion", "neither messages nor prompt"),
        ({"messages": CHAT[:2]}, "tunix_sft", "its last turn is not the model's"),
        ({"messages": CHAT[1:2]}, "messages", "no question and answer"),
        ({"messages": CHAT[2:]}, "tunix_sft", "not the user's and the model's by turns"),
        ({"messages": [*CHAT, {"role": "tool", "content": "x"}]}, "tunix_sft", "no turn of 'tool'"),
        ({"prompt": "a<end_of_turn>b", "completion": "c"}, "tunix_sft", "holds <end_of_turn>"),
        (
            {"prompt": "a", "completion": [{"role": "assistant", "content": None}]},
            "tunix_sft",
            "a turn is more than text",
        ),
    ],
)
def test_a_row_without_the_form_is_refused_and_the_file_stays_as_it_was(
    write: Write, tmp_path: Path, fields: dict[str, Any], format: str, why: str
) -> None:
    build_dataset("x", "v1", [write([*sums(1), {"id": "odd", **fields}])])
    output = tmp_path / "out.jsonl"
    output.write_text("before", encoding="utf-8")

    with pytest.raises(DatasetError) as refusal:
        export_dataset("x-v1", format, output)

    assert f"Row 'odd' has no form {format}: " in str(refusal.value)
    assert why in str(refusal.value)
    assert output.read_text(encoding="utf-8") == "before"
    assert not list(tmp_path.glob(".out*"))


def test_an_unknown_format_is_answered_with_the_nearest(write: Write, tmp_path: Path) -> None:
    build_dataset("x", "v1", [write(sums(1))])

    with pytest.raises(DatasetRequestError, match="Did you mean 'tunix_sft'"):
        export_dataset("x-v1", "tunix-sft", tmp_path / "out.jsonl")
