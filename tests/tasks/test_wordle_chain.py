"""The configurations really run: the chat form on a random Qwen3, the tiny chain end to end."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenyson.examples.wordle.game import default_words
from tenyson.examples.wordle.wordle_task import WordleTask
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
JOBS = {"sft": SFTJob, "rl": RLJob, "eval": EvalJob}
SMALL = {
    "sft": {"training": {"max_steps": 2, "per_device_train_batch_size": 4}},
    "rl": {"training": {"max_steps": 2, "per_device_train_batch_size": 8}},
    "eval": {"evaluation": {"max_prompts": 6, "batch_size": 6}},
}


@pytest.fixture(scope="module")
def tiny_qwen3(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a random Qwen3 of one layer, with bytes for tokens and a chat template."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("qwen3")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True) for t in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


def run(kind: str, file: str, output: Path, **sections: dict[str, Any]) -> Any:
    """Runs a shipped configuration with a few fields replaced."""
    path = resources.files("tenyson.examples.wordle") / "configs" / file
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, fields in sections.items():
        config[name] = {**config.get(name, {}), **fields}
    return JOBS[kind](config, WordleTask(), output_dir=output).run()


def test_the_chat_configurations_run_on_a_qwen3(tiny_qwen3: str, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"  # a short list: a byte is a token here, and prompts hold it
    words.write_text("\n".join(default_words()[:20]), encoding="utf-8")
    common = {
        "model": {"name": tiny_qwen3},
        "task": {"format": "chat", "max_turns": 2, "words": str(words)},
    }
    adapter: dict[str, Any] = {}
    for kind in ("sft", "rl", "eval"):
        output = tmp_path / kind
        sections = {**common, **SMALL[kind], **adapter}
        result = run(kind, f"qwen3_0.6b_{kind}.yaml", output, **sections)
        assert result.status == "success"
        adapter = {"adapter": {"path": str(output / "checkpoint-final")}}
    rows = json.loads((tmp_path / "eval" / "results.json").read_text())["detailed_results"]
    assert len(rows) == 6
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]


def test_the_tiny_model_learns_the_form_in_a_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short base and a short SFT: the tag is learned, which is what SFT is there for."""
    import dataclasses

    from tenyson.examples.wordle import base_model

    monkeypatch.setenv("TENYSON_CACHE_DIR", str(tmp_path / "cache"))
    original = base_model.train_base
    monkeypatch.setattr(
        base_model, "train_base", lambda recipe: original(dataclasses.replace(recipe, steps=60))
    )
    before = run("eval", "eval_config.yaml", tmp_path / "before", evaluation={"max_prompts": 128})
    sft = {"max_steps": 20, "per_device_train_batch_size": 32}
    assert run("sft", "sft_config.yaml", tmp_path / "sft", training=sft).status == "success"
    after = run(
        "eval",
        "eval_config.yaml",
        tmp_path / "after",
        evaluation={"max_prompts": 128},
        adapter={"path": str(tmp_path / "sft" / "checkpoint-final")},
    )
    assert before.metrics["format_rate"] < 0.9
    assert after.metrics["format_rate"] > 0.9
