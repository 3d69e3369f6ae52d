"""`trainer_args`: which of TRL's arguments a run may be given directly, and which it may not.

Light, so that the controller refuses what no version of TRL would make right. Whether the installed
TRL has an argument at all, and of what type, is checked where TRL is imported.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from tenyson.errors import Problem

OWNED: Final = {
    "max_steps": "training.max_steps",
    "num_train_epochs": "training.num_train_epochs",
    "per_device_train_batch_size": "training.per_device_train_batch_size",
    "per_device_eval_batch_size": "training.per_device_eval_batch_size",
    "gradient_accumulation_steps": "training.gradient_accumulation_steps",
    "learning_rate": "training.learning_rate",
    "lr_scheduler_type": "training.lr_scheduler_type",
    "warmup_steps": "training.warmup_steps",
    "weight_decay": "training.weight_decay",
    "adam_beta1": "training.adam_beta1",
    "adam_beta2": "training.adam_beta2",
    "max_grad_norm": "training.max_grad_norm",
    "optim": "training.optim",
    "seed": "training.seed",
    "data_seed": "training.seed",
    "gradient_checkpointing": "training.gradient_checkpointing",
    "logging_steps": "training.logging_steps",
    "logging_strategy": "training.logging_steps",
    "eval_steps": "training.eval_steps",
    "eval_strategy": "training.eval_steps",
    "full_determinism": "training.determinism",
    "fsdp": "training.fsdp",
    "report_to": "telemetry.report_to",
    "run_name": "telemetry.run_name",
    "project": "telemetry.project",
    "fp16": "model.dtype",
    "bf16": "model.dtype",
    "trust_remote_code": "model.trust_remote_code",
    "max_length": "data.max_length",
    "packing": "data.packing",
    "completion_only_loss": "data.completion_only_loss",
    "assistant_only_loss": "data.assistant_only_loss",
    "num_generations": "rl.num_generations",
    "max_completion_length": "rl.max_completion_length",
    "temperature": "rl.temperature",
    "top_p": "rl.top_p",
    "top_k": "rl.top_k",
    "min_p": "rl.min_p",
    "repetition_penalty": "rl.repetition_penalty",
    "num_iterations": "rl.num_iterations",
    "steps_per_generation": "rl.steps_per_generation",
    "generation_batch_size": "rl.steps_per_generation",
    "beta": "rl.beta",
    "epsilon": "rl.epsilon",
    "epsilon_high": "rl.epsilon_high",
    "delta": "rl.delta",
    "importance_sampling_level": "rl.importance_sampling_level",
    "scale_rewards": "rl.scale_rewards",
    "reward_weights": "rl.reward_weights",
    "multi_objective_aggregation": "rl.multi_objective_aggregation",
    "entropy_coef": "rl.entropy_coef",
    "top_entropy_quantile": "rl.top_entropy_quantile",
    "mask_truncated_completions": "rl.mask_truncated_completions",
    "use_vllm": "rl.engine",
    "vllm_gpu_memory_utilization": "vllm.gpu_memory_utilization",
    "vllm_max_model_length": "vllm.max_model_length",
    "vllm_tensor_parallel_size": "vllm.tensor_parallel_size",
    "vllm_enable_sleep_mode": "vllm.enable_sleep_mode",
}
"""TRL's name for what the configuration has a field for. `loss_type` and `shuffle_dataset` are
fields of an RL job only, and stand in `OWNED_BY_RL`."""

OWNED_BY_RL: Final = {"loss_type": "rl.loss_type", "shuffle_dataset": "rl.shuffle_dataset"}
"""What an SFT run may set in `trainer_args`, while an RL run has a field for it."""

_SAVING: Final = "Tenyson saves whole, verified checkpoints by itself; see the section checkpoint"
_HUB: Final = "a finished run is pushed where TENYSON_HUB_REPO says, never in between"
_FOLDER: Final = "every file of a run lies in its output folder (--output-dir)"
_REPORT: Final = "metrics go to metrics.jsonl, telemetry and the progress push"
_TRACKIO: Final = "trackio reads its own variables (TRACKIO_SPACE_ID); see telemetry.report_to"
_LOADED: Final = "the model is loaded before the trainer; see the section model"
_RANKS: Final = "it follows from the machine and the ranks"

REFUSED: Final = {
    "output_dir": _FOLDER,
    "overwrite_output_dir": _FOLDER,
    "logging_dir": _FOLDER,
    "save_strategy": _SAVING,
    "save_steps": _SAVING,
    "save_total_limit": _SAVING,
    "save_only_model": _SAVING,
    "save_on_each_node": _SAVING,
    "enable_jit_checkpoint": _SAVING,
    "load_best_model_at_end": _SAVING,
    "restore_callback_states_from_checkpoint": _SAVING,
    "resume_from_checkpoint": "give checkpoint.resume, or --resume",
    "ignore_data_skip": "a resumed run would see rows again, and no longer end with equal weights",
    "push_to_hub": _HUB,
    "hub_model_id": _HUB,
    "hub_revision": _HUB,
    "hub_strategy": _HUB,
    "hub_token": "a token has no place in a configuration; set HF_TOKEN",
    "hub_private_repo": _HUB,
    "hub_always_push": _HUB,
    "log_completions_hub_repo": _HUB,
    "trackio_space_id": _TRACKIO,
    "trackio_bucket_id": _TRACKIO,
    "trackio_static_space_id": _TRACKIO,
    "disable_tqdm": _REPORT,
    "logging_nan_inf_filter": "a loss that is not finite must be seen; the guards stop at it",
    "auto_find_batch_size": "it breaks groups and the effective batch; out of memory, Tenyson "
    "halves the micro-batch once and keeps both",
    "sync_ref_model": "no checkpoint holds the moving reference, so a resume would not be exact",
    "deepspeed": "its checkpoints are none that Tenyson could verify; see training.fsdp",
    "fsdp_config": "it follows from training.fsdp",
    "parallelism_config": _RANKS,
    "use_cpu": _RANKS,
    "ddp_backend": _RANKS,
    "ddp_find_unused_parameters": "it follows from the model",
    "local_rank": _RANKS,
    "model_init_kwargs": _LOADED,
    "vllm_mode": "rl.engine vllm shares the GPU with training; there is no server of its own",
    "vllm_server_base_url": "there is no vLLM server; rl.engine vllm shares the GPU",
    "vllm_server_host": "there is no vLLM server; rl.engine vllm shares the GPU",
    "vllm_server_port": "there is no vLLM server; rl.engine vllm shares the GPU",
    "vllm_server_timeout": "there is no vLLM server; rl.engine vllm shares the GPU",
    "vllm_group_port": "there is no vLLM server; rl.engine vllm shares the GPU",
    "do_train": "--job-type says what is done",
    "do_eval": "--job-type says what is done",
    "do_predict": "--job-type says what is done",
}
"""Arguments that would break what a run promises, or that would do nothing, and why."""


def problems_of_names(names: Iterable[str]) -> Iterator[Problem]:
    """Yields a problem for each argument that has a field, or that no run may be given."""
    for name in names:
        if name in OWNED:
            yield Problem(f"trainer_args.{name}", f"has a field of its own: set {OWNED[name]}")
        elif name in REFUSED:
            yield Problem(f"trainer_args.{name}", f"is not taken: {REFUSED[name]}")
