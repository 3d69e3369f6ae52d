"""The report on what is trained: from real batches, and from whole runs."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import TaskError
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train

CHAT = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ m['content'] }}{% endif %}{% endfor %}"
)


def report(folder: Path) -> Any:
    manifest = json.loads((folder / File.MANIFEST).read_text(encoding="utf-8"))
    return manifest["data_report"]["sample"]


@pytest.fixture
def run(make_config: Any, sum_task: Any, tmp_path: Path) -> Any:
    def start(**sections: Any) -> tuple[Any, Any]:
        config = make_config(**{"training": {"max_steps": 1}, **sections})
        result = SFTJob(config, sum_task, output_dir=tmp_path / "out").run()
        return result, report(tmp_path / "out")

    return start


@pytest.fixture
def chat_model(tiny_model: str, tmp_path: Path) -> Any:
    """A copy of the tiny model with another chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def make(template: str | None, **tokens: Any) -> str:
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        tokenizer.chat_template = template
        for name, value in tokens.items():
            setattr(tokenizer, name, value)
        folder = str(tmp_path / "chat")
        tokenizer.save_pretrained(folder)
        AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(folder)
        return folder

    return make


def test_completions_alone_are_trained_and_end_with_the_stop_token(run: Any) -> None:
    result, found = run(task={"sft_rows": [{"prompt": "1+1=", "completion": "2"}] * 8})

    assert (found["rows"], found["tokens"], found["trained_tokens"]) == (8, 8 * 5, 8 * 2)
    assert (found["trained_share"], found["stop_token_trained"]) == (0.4, True)
    assert result.warnings == []


@pytest.mark.parametrize("packing", [False, True])
def test_packed_rows_are_counted_example_by_example(packing: bool, run: Any) -> None:
    _, found = run(
        data={"packing": packing}, task={"sft_rows": [{"prompt": "1+1=", "completion": "2"}] * 8}
    )

    counts = (found["examples"], found["tokens"], found["trained_tokens"])
    assert counts == (8, 40, 16)
    assert found["examples_stopping"] == 8
    assert (found["rows"] < 8) == packing


def test_text_is_trained_whole_and_ends_with_the_stop_token(run: Any) -> None:
    _, found = run(task={"sft_rows": [{"text": "1+1=2"}] * 8})

    assert (found["trained_share"], found["stop_token_trained"]) == (1.0, True)


def test_a_formatting_hook_makes_text_that_is_trained_whole(run: Any) -> None:
    """Rows with a prompt, too: TRL would train on prompt and completion, and drop the text."""
    rows = [{"prompt": "1+1=", "completion": "2"}] * 8

    _, found = run(task={"formats": True, "sft_rows": rows})

    assert (found["tokens"], found["trained_share"], found["stop_token_trained"]) == (32, 1.0, True)


def test_token_ids_without_a_stop_token_are_warned_of(run: Any) -> None:
    result, found = run(task={"sft_rows": [{"input_ids": [5, 6, 7, 8]}] * 8})

    assert (found["trained_share"], found["stop_token_trained"]) == (1.0, False)
    (warning,) = result.warnings
    assert "will not learn to end its answers" in warning


def test_a_template_that_leaves_the_stop_token_out_is_warned_of(run: Any) -> None:
    result, found = run(task={"sft_rows": [{"messages": CHAT}] * 8})

    assert found["stop_token_trained"] is False
    assert "eos_token in the chat template" in result.warnings[0]


def test_assistant_turns_alone_are_trained_where_the_template_marks_them(
    run: Any, chat_model: Any
) -> None:
    result, found = run(
        model={"name": chat_model(MARKED)},
        data={"assistant_only_loss": True},
        task={"sft_rows": [{"messages": CHAT * 2}] * 8},
    )

    # Twice "1+1" "2<eos>": of the nine tokens after the first, four are the assistant's.
    assert (found["tokens"], found["trained_tokens"]) == (8 * 9, 8 * 4)
    assert found["stop_token_trained"] is True
    assert result.warnings == []


def test_a_padding_token_that_is_the_stop_token_is_caught_in_a_collator(
    run: Any, chat_model: Any
) -> None:
    """The classic trap: such a collator masks every end together with the padding."""
    folder = chat_model(None, pad_token="<eos>")

    result, found = run(model={"name": folder}, task={"collator": "masks_padding"})

    assert found["stop_token_trained"] is False
    assert "a padding token that is not the stop token" in result.warnings[0]


def test_a_run_that_would_train_nothing_is_refused(
    run_runner: Any, make_config: Any, caplog: Any
) -> None:
    with caplog.at_level(logging.INFO, logger="tenyson"):
        done = run_runner(make_config(task={"collator": "masks_all"}))

    assert done.code == done.result.exit_code == ExitCode.TASK
    assert "0 % of the tokens would be trained" in done.result.failure.message
    assert "0 % of the tokens trained, 100 % of the examples have none" in caplog.text
    assert not (done.folder / File.METRICS).exists()


def test_cut_and_left_out_examples_are_counted_and_said(run: Any, caplog: Any) -> None:
    rows = [
        *[{"prompt": "1+1=", "completion": "2"}] * 6,
        {"prompt": "1" * 20, "completion": "2"},
        {"prompt": "1+1=", "completion": "3" * 20},
    ]
    with caplog.at_level(logging.INFO, logger="tenyson"):
        result, found = run(data={"max_length": 10, "packing": False}, task={"sft_rows": rows})

    assert found["rows"] == 7
    assert found["examples_stopping"] == 6
    assert "8 examples" in caplog.text
    assert "25 % cut at data.max_length = 10" in caplog.text
    warnings = " ".join(result.warnings)
    assert "1 of 8 examples were left out" in warnings
    assert "trained in 85.7 % of the examples alone" in warnings


def test_a_collator_that_fails_is_named(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(task={"collator": "forgets_labels"})

    with pytest.raises(TaskError, match="batches hold no labels"):
        SFTJob(config, sum_task, output_dir=tmp_path).run()


def test_an_example_shows_what_is_trained(tiny_model: str) -> None:
    from transformers import AutoTokenizer

    from tenyson.jobs.data._mask_report import describe_example

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    ids = tokenizer("1+1=2<eos>")["input_ids"]

    shown = describe_example(tokenizer, ids, [-100] * 4 + ids[4:])

    assert shown == "1+1=⟦2<eos>⟧"
