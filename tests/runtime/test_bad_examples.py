"""Examples, tokenizers and contexts that do not fit: a sentence, a code, and a result each."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import TenysonError
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train

GOOD = {"prompt": "1+1=", "completion": "2"}
ASKED = {"role": "user", "content": "1+1"}


@pytest.fixture
def refusal(make_config: Any, sum_task: Any, tmp_path: Path) -> Any:
    """Runs what is to be refused; returns the message, its hint and the exit code."""

    def run(job: Any = SFTJob, **sections: Any) -> tuple[str, str, int]:
        with pytest.raises(TenysonError) as raised:
            job(make_config(**sections), sum_task, output_dir=tmp_path / "out").run()
        result = JobResult.load(tmp_path / "out" / File.JOB_RESULT)
        assert result.failure is not None
        assert (result.failure.message, result.exit_code) == (
            raised.value.message,
            raised.value.exit_code,
        )
        assert not (tmp_path / "out" / File.METRICS).exists()
        return raised.value.message, raised.value.hint, result.exit_code

    return run


@pytest.fixture
def model_with(tiny_model: str, tmp_path: Path) -> Any:
    """A copy of the tiny model; arguments change its tokenizer's attributes and its config's."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def make(*, config: dict[str, Any] | None = None, **attributes: Any) -> str:
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        for name, value in attributes.items():
            setattr(tokenizer, name, value)
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        for name, value in (config or {}).items():
            setattr(model.config, name, value)
        folder = str(tmp_path / "model")
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [GOOD, {"prompt": "1+1=", "completion": None}],
            "row 1 of get_sft_dataset, column completion: expected text or a list of messages, "
            "found None",
        ),
        ([{"text": 7}], "row 0 of get_sft_dataset, column text: expected text"),
        ([{"messages": [{"content": "1+1"}]}], "column messages, message 0: expected a role"),
        (
            [{"messages": [ASKED, {"role": "assistant", "content": None}]}],
            "message 1 (assistant): expected content that is text",
        ),
        ([{"messages": []}], "expected at least one message"),
        ([{"messages": "1+1"}], "column messages: expected a list of messages, found '1+1'"),
        ([{"input_ids": [0.5, 1.5]}], "column input_ids: expected a list of token ids"),
        ([{"input_ids": []}], "hold not one token"),
    ],
    ids=["none", "number", "no role", "no content", "no messages", "text", "floats", "no ids"],
)
def test_a_bad_row_is_named_with_its_column(rows: Any, says: str, refusal: Any) -> None:
    message, hint, code = refusal(task={"sft_rows": rows})

    assert code == ExitCode.TASK
    assert says in message
    assert hint


def test_one_row_trains(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(task={"sft_rows": [GOOD]}, training={"max_steps": 3})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert (result.status, result.global_step) == ("success", 3)


def test_conversations_need_a_template(refusal: Any, model_with: Any) -> None:
    message, hint, code = refusal(
        model={"name": model_with(chat_template=None)},
        task={"sft_rows": [{"messages": [ASKED]}]},
    )

    assert code == ExitCode.CONFIG
    assert "model.name: get_sft_dataset returns conversations" in message
    assert "chat_template" in hint


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([GOOD], "the task's rows are no conversations"),
        (
            [{"messages": [ASKED]}],
            "the tokenizer's chat template does not mark the assistant's turns",
        ),
    ],
    ids=["no conversations", "no marks"],
)
def test_assistant_only_loss_needs_marked_turns(rows: Any, says: str, refusal: Any) -> None:
    message, hint, code = refusal(data={"assistant_only_loss": True}, task={"sft_rows": rows})

    assert code == ExitCode.CONFIG
    assert f"data.assistant_only_loss: {says}" in message
    assert hint


def test_an_example_longer_than_the_context_is_refused(refusal: Any) -> None:
    rows = [{"prompt": "1" * 150, "completion": "2"}]

    message, hint, code = refusal(data={"max_length": 1024}, task={"sft_rows": rows})

    assert code == ExitCode.CONFIG
    assert "data.max_length: the longest example has 152 tokens" in message
    assert "the model's context (max_position_embeddings) 128" in message
    assert "Set data.max_length: 128" in hint


@pytest.mark.parametrize(
    ("prompt", "length", "code", "says"),
    [
        ("1" * 100, 64, ExitCode.CONFIG, "rl.max_completion_length: the prompt in row 1"),
        ("1" * 128, 6, ExitCode.TASK, "there is no room for an answer"),
    ],
    ids=["with its completion", "by itself"],
)
def test_an_rl_prompt_longer_than_the_context_is_refused(
    prompt: str, length: int, code: ExitCode, says: str, refusal: Any
) -> None:
    rows = [{"prompt": "1+1="}, {"prompt": prompt}] * 4

    message, hint, found = refusal(
        RLJob, rl={"max_completion_length": length}, task={"rl_rows": rows}
    )

    assert found == code
    assert says in message
    assert "shorten" in hint.lower()


def test_a_tokenizer_without_a_stop_token_is_refused(refusal: Any, model_with: Any) -> None:
    message, hint, code = refusal(model={"name": model_with(eos_token=None)})

    assert code == ExitCode.CONFIG
    assert "has no end-of-text token" in message
    assert "eos_token" in hint


def test_a_tokenizer_without_a_padding_token_pads_with_the_stop_token(
    make_config: Any, sum_task: Any, tmp_path: Path, model_with: Any
) -> None:
    config = make_config(model={"name": model_with(pad_token=None)}, training={"max_steps": 1})

    result = SFTJob(config, sum_task, output_dir=tmp_path / "out").run()

    assert result.status == "success"
    assert result.warnings == []  # the stop token is trained, though it pads


@pytest.mark.parametrize("job", [SFTJob, RLJob], ids=["sft", "rl"])
def test_tokens_that_the_model_has_not_are_refused(
    job: Any, refusal: Any, tiny_model: str, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(tiny_model)
    config.vocab_size = 32
    LlamaForCausalLM(config).save_pretrained(tmp_path / "small")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "small")
    rows = [{**GOOD, "prompt": "9+9="}] * 8  # 9 is token 39

    message, hint, code = refusal(
        job, model={"name": str(tmp_path / "small")}, task={"sft_rows": rows, "rl_rows": rows}
    )

    assert code == ExitCode.CONFIG
    assert "model.name: the tokenizer gives the data the id" in message
    assert "embeddings for 32 tokens alone" in message
    assert "different models" in hint


def test_the_runner_ends_with_the_code_and_the_cache_that_was_looked_at(
    run_runner: Any, make_config: Any
) -> None:
    done = run_runner(make_config(model={"name": "nobody/no-model"}))

    assert done.code == done.result.exit_code == done.message.exit_code == ExitCode.DEPENDENCY
    assert "looked in the cache" in done.message.failure.message
    assert "HF_HOME" in done.message.failure.hint
