"""How examples become batches, and batches become steps."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.config.section import PositiveInt, Section, ShortString


class DataConfig(Section):
    """The rows, and how examples become batches (SFT)."""

    dataset: ShortString | None = None
    """Key of a named data set, `hcd_baseline-v1`, that the run reads in place of the task's rows:
    SFT examples, RL prompts or evaluation rows. A hook with a parameter `dataset` gets its rows and
    returns those to use. None leaves the rows to the task."""
    dataset_store: Annotated[str, Field(max_length=4096)] | None = None
    """Folder or URI that holds `dataset`; None takes TENYSON_DATASETS, and artifacts/datasets
    where that is not set."""
    max_length: Annotated[int, Field(ge=1, le=10_000_000)] | None = 1024
    """Tokens of an example, at most the model's context; longer ones are cut at the end. None never
    cuts."""
    packing: bool | None = None
    """Whether several short examples share one row of `max_length`; None decides from the padding
    that the batches would have, and the run says what it decided."""
    completion_only_loss: bool | None = None
    """Whether prompts are left out of the loss; None does so for prompt/completion data."""
    assistant_only_loss: bool = False
    """Whether only the assistant's turns of a conversation are trained."""


class TrainingConfig(Section):
    """The optimiser and its schedule."""

    max_steps: PositiveInt | None = None
    """Optimiser steps; None trains for `num_train_epochs`."""
    num_train_epochs: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """Passes over the data, where `max_steps` is None."""
    per_device_train_batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Examples (RL: completions) per device and micro-step."""
    per_device_eval_batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Examples per device in evaluation during training."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Micro-steps per optimiser step."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 2e-5
    """Peak learning rate."""
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant", "constant_with_warmup", "cosine_with_min_lr", "polynomial"
    ] = "linear"
    """Shape of the schedule, as transformers names it."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps until the peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Decoupled weight decay."""
    adam_beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the first moment."""
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the second moment."""
    max_grad_norm: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """Gradient norm above which gradients are scaled down; 0 never scales."""
    optim: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit", "adafactor", "sgd"] = (
        "adamw_torch_fused"
    )
    """Optimiser, as transformers names it; the fused one does all tensors in one call."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seeds every random source of the run."""
    gradient_checkpointing: bool | None = None
    """Whether activations are recomputed to save memory; None does so on a GPU only."""
    logging_steps: PositiveInt = 1
    """Steps between two rows of metrics."""
    eval_steps: PositiveInt | None = None
    """Steps between two evaluations on the task's SFT evaluation set; None evaluates at the end."""
    determinism: Literal["best", "strict"] = "best"
    """`best` seeds every random source; `strict` allows deterministic kernels alone, and is slower.
    """
    fsdp: bool = False
    """Whether weights, gradients and the optimiser's state are split over the ranks (FSDP; SFT)."""
