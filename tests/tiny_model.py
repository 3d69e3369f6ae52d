"""A model of one layer with a tokenizer, made in code: training takes a second."""

from pathlib import Path

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}"
)


def make_tiny_model(folder: Path, family: str = "llama", hidden_size: int = 32) -> Path:
    """Saves a character tokenizer and a model of one layer with fixed random weights."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

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
    torch.set_num_threads(1)  # the model is too small to share out
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=64,
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder
