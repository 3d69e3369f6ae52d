"""Generation and scoring in an Eval job."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tenyson.config.section import PositiveInt, Section, ShortString

TAKEN_NAMES = ("base", "main", "sampled")


class EvaluationConfig(Section):
    """Generation and scoring in an Eval job."""

    engine: Literal["auto", "hf", "vllm"] = "auto"
    """What generates: `hf` is transformers, `vllm` the engine; auto takes vLLM on a GPU for models
    beyond 50M parameters, and says why."""
    adapters: Annotated[dict[str, ShortString], Field(max_length=32)] = {}
    """Further adapters by name, each a folder or URI, evaluated in the same start of the engine;
    their results are `results-<name>.json`, their metrics `<name>/…`."""
    include_base: bool = False
    """Whether the base model is evaluated, too, where there is an adapter; its name is `base`."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Completions generated at a time by `hf`; vLLM packs its own batches."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Tokens of a completion."""
    truncate_prompts: bool = False
    """Whether a prompt that leaves no room for `max_new_tokens` in the context loses its
    beginning; else it is an error."""
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Sampling temperature; 0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling; 1 keeps every token."""
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens kept for sampling; 0 keeps all."""
    num_samples: Annotated[int, Field(ge=1, le=1024)] = 1
    """Completions per prompt; more than one needs a temperature above 0."""
    include_greedy: bool = False
    """Whether each prompt is answered greedily, too; those are then the main results, and the
    samples' results are `results-sampled.json`, their metrics `sampled/…`."""
    pass_at: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(max_length=16)] = []
    """Each k for which pass@k is estimated; none above `num_samples`."""
    pass_metric: ShortString | None = None
    """The 0/1 number in `detailed_results` that pass@k counts; None: every one found."""
    max_prompts: PositiveInt | None = None
    """Prompts taken from the start of the evaluation set; None takes all."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seeds the sampling; a sample follows from it, its row's id and its number alone."""

    @field_validator("adapters")
    @classmethod
    def _names_are_free(cls, adapters: dict[str, str]) -> dict[str, str]:
        if taken := sorted(n for n in adapters if n in TAKEN_NAMES or n.endswith("-sampled")):
            raise ValueError(
                f"{taken[0]!r} already names results of its own; call the adapter something else"
            )
        if empty := sorted(name for name, source in adapters.items() if not source):
            raise ValueError(f"{empty[0]!r} has no folder or URI")
        return adapters
