"""From the configuration to the arguments of TRL's trainers."""

import os
from typing import Any

import torch
from trl import GRPOConfig, SFTConfig

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.context import RunContext
from tenyson.jobs.models._models import computes_in_bfloat16, weights_dtype
from tenyson.jobs.training._fsdp import fsdp_arguments
from tenyson.jobs.training._trainer_arguments import trl_arguments


def sft_arguments(context: RunContext, *, has_eval_set: bool, formats: bool) -> Any:
    """Returns TRL's arguments of an SFT run.

    Args:
        context: The attempt.
        has_eval_set: Whether the task gave an evaluation set.
        formats: Whether the task gave a formatting function, which makes each row one text.
    """
    config, data = context.config, context.config.data
    if formats and data.completion_only_loss:
        raise ConfigError(
            [
                Problem(
                    "data.completion_only_loss",
                    "the task's get_sft_formatting_func makes each "
                    "row one text, which has no completion of its own",
                )
            ],
            hint="Leave it out, or return None from get_sft_formatting_func.",
        )
    evaluates = has_eval_set and config.training.eval_steps is not None
    return trl_arguments(
        SFTConfig,
        config.trainer_args,
        **_shared(context),
        max_length=data.max_length,
        packing=bool(data.packing),
        completion_only_loss=False if formats else data.completion_only_loss,
        assistant_only_loss=data.assistant_only_loss,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=config.training.eval_steps if evaluates else None,
        per_device_eval_batch_size=config.training.per_device_eval_batch_size,
    )


def rl_arguments(context: RunContext) -> Any:
    """Returns TRL's arguments of a GRPO run with Hugging Face generation."""
    rl = context.config.rl
    return trl_arguments(
        GRPOConfig,
        context.config.trainer_args,
        **_shared(context),
        num_generations=rl.num_generations,
        max_completion_length=rl.max_completion_length,
        temperature=rl.temperature,
        top_p=rl.top_p,
        top_k=rl.top_k,
        min_p=rl.min_p,
        repetition_penalty=rl.repetition_penalty,
        num_iterations=rl.num_iterations,
        steps_per_generation=rl.steps_per_generation,
        beta=rl.beta,
        epsilon=rl.epsilon,
        epsilon_high=rl.clip_above,
        delta=rl.delta,
        importance_sampling_level=rl.importance_sampling_level,
        loss_type=rl.loss_type,
        scale_rewards=rl.scale_rewards,
        reward_weights=rl.reward_weights,
        multi_objective_aggregation=rl.multi_objective_aggregation,
        top_entropy_quantile=rl.top_entropy_quantile,
        entropy_coef=rl.entropy_coef,
        mask_truncated_completions=rl.mask_truncated_completions,
        shuffle_dataset=rl.shuffle_dataset,
        use_vllm=False,
    )


def fit_to_model(arguments: Any, model: Any) -> None:
    """Sets what depends on the model: whether a step may leave weights without a gradient.

    Several ranks must know: they wait for each other's gradients, one by one. It is so where
    tokens choose among experts; looking for it in every step costs time, so others go without.
    """
    config = model.config.to_dict()
    arguments.ddp_find_unused_parameters = any("expert" in name for name in config)


def _shared(context: RunContext) -> dict[str, Any]:
    config, training = context.config, context.config.training
    on_gpu = torch.cuda.is_available()
    if torch.cuda.device_count() > 1 and "LOCAL_RANK" not in os.environ:
        gpus = torch.cuda.device_count()
        raise ConfigError(
            [Problem("GPUs", f"{gpus} are visible, and one process uses one")],
            hint=f"Set PET_NPROC_PER_NODE={gpus} to use them all, or CUDA_VISIBLE_DEVICES=0.",
        )
    checkpointing = training.gradient_checkpointing
    backend = "nccl" if on_gpu else "gloo"
    return {
        "output_dir": str(context.output_dir),
        "max_steps": training.max_steps if training.max_steps is not None else -1,
        "num_train_epochs": training.num_train_epochs,
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": training.lr_scheduler_type,
        "warmup_steps": training.warmup_steps,
        "weight_decay": training.weight_decay,
        "adam_beta1": training.adam_beta1,
        "adam_beta2": training.adam_beta2,
        "max_grad_norm": training.max_grad_norm,
        "optim": training.optim,
        "seed": training.seed,
        "data_seed": training.seed,
        "logging_steps": training.logging_steps,
        "gradient_checkpointing": on_gpu if checkpointing is None else checkpointing,
        "use_cpu": not on_gpu,
        "ddp_backend": backend if context.ranks.size > 1 else None,
        **_precision(config, context.job_type),
        **fsdp_arguments(context),
        "logging_nan_inf_filter": False,  # a loss that is not finite must be seen
        "save_strategy": "no",  # when to save is decided by time too, in _edge.py
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": on_gpu,
    }


def _precision(config: JobConfig, job_type: JobType) -> dict[str, bool]:
    """What the forward pass computes in; the weights' own type is `weights_dtype`."""
    dtype = weights_dtype(config, job_type)
    if dtype is torch.float16 and not torch.cuda.is_available():
        raise ConfigError(
            [Problem("model.dtype", "float16 does not train on a CPU")],
            hint="Use auto, float32 or bfloat16.",
        )
    wants_float32 = config.model.dtype == "float32"
    return {
        "fp16": dtype is torch.float16,
        "bf16": dtype is torch.bfloat16 or (computes_in_bfloat16() and not wants_float32),
    }
