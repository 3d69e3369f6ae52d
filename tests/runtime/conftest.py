"""A model of one layer with a tokenizer, made in code, and a task: training takes a second."""

import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a character tokenizer and a Llama of one layer with fixed random weights."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789 +=?\n"]
    vocabulary = {token: i for i, token in enumerate(special + letters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("<eos>|.|\n"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def rows(count: int = 64, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    pairs = [(rng.randint(0, 4), rng.randint(0, 4)) for _ in range(count)]
    return [
        {"id": f"r{i}", "prompt": f"{a}+{b}=", "completion": str(a + b)}
        for i, (a, b) in enumerate(pairs)
    ]


class SumTask:
    """Adds two digits: every hook, each taken from `config["task"]` where a test wants another."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(config["task"].get("sft_rows", rows()))

    def get_sft_eval_dataset(self, config: Any, tokenizer: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(rows(8, seed=1)) if config["task"].get("sft_eval") else None

    def get_rl_dataset(self, config: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(config["task"].get("rl_rows", rows()))

    def get_reward_funcs(self, config: Any, tokenizer: Any) -> list[Any]:
        return [digit_reward, REWARDS[config["task"].get("reward", "length_reward")]]

    def get_eval_dataset(self, config: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(rows(10, seed=2))

    def compute_metrics(
        self, prompts: Any, completions: Any, dataset_rows: Any, config: Any, tokenizer: Any
    ) -> dict[str, Any]:
        pairs = list(zip(completions, dataset_rows, strict=True))
        correct = [float(c == row["completion"]) for c, row in pairs]
        return {
            "metrics": {"accuracy": sum(correct) / len(correct)},
            "detailed_results": [{"correct": value} for value in correct],
        }


def digit_reward(completions: list[str], **columns: Any) -> list[float]:
    return [sum(ch.isdigit() for ch in c) / max(1, len(c)) for c in completions]


def length_reward(completions: list[str], **columns: Any) -> list[float]:
    return [len(c) / 8 for c in completions]


def raising_reward(completions: list[str], **columns: Any) -> list[float]:
    raise KeyError("no such word")


def short_reward(completions: list[str], **columns: Any) -> list[float]:
    return [1.0]


def nan_reward(completions: list[str], **columns: Any) -> list[float]:
    return [float("nan") for _ in completions]


REWARDS = {f.__name__: f for f in (length_reward, raising_reward, short_reward, nan_reward)}


@pytest.fixture
def sum_task() -> SumTask:
    return SumTask()


@pytest.fixture
def make_config(tiny_model: str) -> Any:
    """Builds a configuration of six quick steps; keyword arguments replace sections' fields."""

    def build(**sections: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "model": {"name": tiny_model},
            "adapter": {"r": 4},
            "data": {"max_length": 32},
            "training": {
                "max_steps": 6,
                "per_device_train_batch_size": 8,
                "learning_rate": 0.01,
                "warmup_steps": 2,
            },
            "rl": {"num_generations": 4, "max_completion_length": 6},
            "evaluation": {"max_new_tokens": 6, "batch_size": 4},
            "checkpoint": {"every_seconds": None},
        }
        for name, fields in sections.items():
            config[name] = {**config.get(name, {}), **fields}
        return config

    return build


@pytest.fixture
def weights_of() -> Any:
    """Reads the trained tensors of an output folder."""

    def read(folder: str | Path) -> dict[str, Any]:
        from safetensors.torch import load_file

        final = Path(folder) / "checkpoint-final"
        name = "adapter_model.safetensors"
        path = final / name if (final / name).is_file() else final / "model.safetensors"
        return dict(load_file(path))

    return read


@pytest.fixture
def largest_difference() -> Any:
    """Returns the largest difference of two sets of tensors with the same names."""

    def compare(left: dict[str, Any], right: dict[str, Any]) -> float:
        assert left.keys() == right.keys()
        return max((left[n] - right[n]).abs().max().item() for n in left)

    return compare


@pytest.fixture
def tools(make_config: Any, sum_task: SumTask) -> SimpleNamespace:
    return SimpleNamespace(config=make_config, task=sum_task)
