"""What trainer arguments are called by the installed TRL and transformers: all renames stand here.

Elsewhere the names of today are written. An argument that the installed versions know by an older
name is passed by that one; a name of the past in `trainer_args` is answered with today's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True)
class Former:
    """What became of an argument of earlier versions."""

    today: str | None
    """Its name of today; None for one that is gone."""
    remark: str = ""


FORMER: Final[Mapping[str, Former]] = {
    "evaluation_strategy": Former("eval_strategy"),
    "no_cuda": Former("use_cpu"),
    "max_seq_length": Former("max_length"),
    "num_mini_batches": Former("steps_per_generation"),
    "use_liger_loss": Former("use_liger_kernel"),
    "use_transformers_paged": Former("use_transformers_continuous_batching"),
    "vllm_guided_decoding_regex": Former("vllm_structured_outputs_regex"),
    "vllm_importance_sampling_cap": Former("vllm_importance_sampling_clip_max"),
    "group_by_length": Former("train_sampling_strategy", "its value is group_by_length"),
    "max_prompt_length": Former(None, "shorten prompts in the task's hook"),
    "warmup_ratio": Former(None, "set training.warmup_steps"),
    "save_safetensors": Former(None, "weights are always saved so"),
    "overwrite_output_dir": Former(None, "give another --output-dir"),
    "logging_dir": Former(None, "metrics.jsonl lies in the output folder"),
    "tokenizer": Former(None, "the task's model brings it"),
    "dataset_batch_size": Former(None, "set trainer_args.dataset_num_proc"),
    "num_of_sequences": Former(None, "set data.packing"),
    "chars_per_token": Former(None, "set data.packing"),
    "eval_packing_strategy": Former("packing_strategy"),
    "wandb_log_unique_prompts": Former("log_unique_prompts"),
}


def argument_names(kind: type) -> list[str]:
    """Returns the names of the arguments that a TRL configuration takes."""
    return [field.name for field in fields(kind) if field.init]


def spelled(kind: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments by the names that the installed version knows.

    Raises:
        TypeError: It knows one by no name.
    """
    known = set(argument_names(kind))
    older = {f.today: name for name, f in FORMER.items() if f.today and name in known}
    result = {}
    for name, value in arguments.items():
        spelling = name if name in known else older.get(name)
        if spelling is None:
            raise TypeError(f"{kind.__name__} of the installed TRL has no argument {name!r}")
        result[spelling] = value
    return result
