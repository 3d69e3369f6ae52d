"""A model of 0.7 million weights and a task of its own, for benchmarks that train."""

import random
from pathlib import Path
from typing import Any

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789 +=?"]


def make_model(folder: Path, *, hidden: int = 128, layers: int = 3) -> Path:
    """Writes a character tokenizer and a Llama into `folder`; 768 by 12 has 85 million weights."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(SPECIAL + LETTERS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("<eos>|."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def rows(count: int) -> list[dict[str, str]]:
    """Returns sums of three numbers."""
    rng = random.Random(0)
    numbers = [[rng.randint(0, 99) for _ in range(3)] for _ in range(count)]
    return [{"prompt": "+".join(map(str, n)) + "=", "completion": str(sum(n))} for n in numbers]


def digit_reward(completions: list[str], **columns: Any) -> list[float]:
    """Returns the share of digits."""
    return [sum(c.isdigit() for c in text) / max(1, len(text)) for text in completions]


class SumTask:
    """The sums as a task."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        """Returns the examples."""
        return rows(6400)

    def get_rl_dataset(self, config: Any) -> Any:
        """Returns the prompts."""
        return rows(1600)

    def get_reward_funcs(self, config: Any, tokenizer: Any) -> list[Any]:
        """Returns the one reward."""
        return [digit_reward]
