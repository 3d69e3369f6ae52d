"""A language model's sizes, read from its `config.json` alone: no weights, no training library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TWO_MATRICES = ("gpt2", "gpt_neox", "opt", "phi", "bloom", "falcon", "gptj", "codegen")
"""Architectures whose feed-forward layers have no gate."""
_ATTENTION_NAMES = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD_NAMES = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class ModelShape:
    """The sizes that memory follows from."""

    hidden: int
    layers: int
    vocabulary: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    experts: int = 1
    active_experts: int = 1
    is_gated: bool = True
    is_tied: bool = False
    """Whether the output layer is the embedding."""
    max_length: int | None = None
    """Positions that the model was made for."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ModelShape":
        """Returns the sizes in a Hugging Face configuration.

        Raises:
            ValueError: One of them is missing; names it.
        """
        text = config.get("text_config") or config
        hidden = _size(text, "hidden_size", "n_embd", "d_model")
        heads = _size(text, "num_attention_heads", "n_head", "num_heads")
        experts = _optional(text, "num_local_experts", "num_experts", "n_routed_experts") or 1
        wide = _optional(text, "moe_intermediate_size") if experts > 1 else None
        return cls(
            hidden=hidden,
            layers=_size(text, "num_hidden_layers", "n_layer", "num_layers"),
            vocabulary=_size(text, "vocab_size"),
            heads=heads,
            kv_heads=_optional(text, "num_key_value_heads") or heads,
            head_size=_optional(text, "head_dim") or hidden // heads,
            intermediate=wide or _optional(text, "intermediate_size", "n_inner") or 4 * hidden,
            experts=experts,
            active_experts=_optional(text, "num_experts_per_tok") or 1,
            is_gated=text.get("model_type") not in _TWO_MATRICES,
            is_tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            max_length=_optional(text, "max_position_embeddings", "n_positions"),
        )

    @property
    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each linear layer of a block, by its usual name."""
        queries, values = self.heads * self.head_size, self.kv_heads * self.head_size
        shapes = (self.hidden, queries), (self.hidden, values), (self.hidden, values)
        attention = dict(zip(_ATTENTION_NAMES, (*shapes, (queries, self.hidden)), strict=True))
        up, down = (self.hidden, self.intermediate), (self.intermediate, self.hidden)
        forward = dict(zip(_FEED_FORWARD_NAMES, (up, up, down), strict=True))
        if not self.is_gated:
            del forward["gate_proj"]
        return attention | forward

    @property
    def linear_parameters(self) -> int:
        """Weights of all linear layers, the output layer apart; all experts count."""
        return self.layers * sum(
            ins * outs * (self.experts if name in _FEED_FORWARD_NAMES else 1)
            for name, (ins, outs) in self.linear_layers.items()
        )

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embedding and, where it has its own, of the output layer."""
        return self.vocabulary * self.hidden * (1 if self.is_tied else 2)

    @property
    def parameters(self) -> int:
        """All weights; norms and router are counted, biases are not."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        norms = (2 * self.layers + 1) * self.hidden
        return self.linear_parameters + self.embedding_parameters + norms + self.layers * router

    def adapter_parameters(self, rank: int, targets: list[str]) -> int:
        """Weights of LoRA matrices on the named layers; `all-linear` names all of them."""
        chosen = {
            name: shape
            for name, shape in self.linear_layers.items()
            if "all-linear" in targets or name in targets
        }
        experts = {n: self.experts if n in _FEED_FORWARD_NAMES else 1 for n in chosen}
        return self.layers * sum(rank * (i + o) * experts[n] for n, (i, o) in chosen.items())


def _optional(config: Mapping[str, Any], *names: str) -> int | None:
    found = next((config[name] for name in names if config.get(name) is not None), None)
    return found if isinstance(found, int) and found > 0 else None


def _size(config: Mapping[str, Any], *names: str) -> int:
    found = _optional(config, *names)
    if found is None:
        raise ValueError(f"the model's configuration has no {names[0]}")
    return found
