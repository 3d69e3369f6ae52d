"""TaskPlugin: what research code brings to a job, and which of its hooks a job needs."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tenyson.contract import JobType
from tenyson.errors import TaskLoadError

if TYPE_CHECKING:
    from datasets import Dataset

REQUIRED_HOOKS: Mapping[JobType, tuple[str, ...]] = {
    JobType.SFT: ("get_sft_dataset",),
    JobType.RL: ("get_rl_dataset", "get_reward_funcs"),
    JobType.EVAL: ("get_eval_dataset", "compute_metrics"),
}

DATA_HOOKS = ("get_sft_dataset", "get_rl_dataset", "get_eval_dataset")
"""The hooks whose rows a named data set replaces, or is given to."""


class Environment(Protocol):
    """What the model takes turns with, in a task of more than one turn.

    It is reset for each episode and keeps nothing from the one before. Episodes of one row must
    begin alike, for their rewards are compared.
    """

    def reset(self, row: dict[str, Any]) -> str | list[dict[str, str]]:
        """Returns the prompt of an episode for a row of the data set: text, or messages."""

    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        """Returns what the model gets to see of its turn, whether the episode is over, and info.

        The first follows the model's text, or is the next message of the user in a conversation.
        """


class TaskPlugin:
    """Data, rewards and metrics of a task; override the hooks that your jobs need.

    `config` is the whole resolved configuration as a plain mapping; the task's own settings are
    `config["task"]`. `tokenizer` is the base model's.

    Where the configuration names a data set (`data.dataset`), its rows take the place of those of
    `get_sft_dataset`, `get_rl_dataset` or `get_eval_dataset`. A hook of these that has a parameter
    `dataset` is called with them (None where no data set is named) and returns the rows to use.
    """

    def generate_examples(self, config: Mapping[str, Any]) -> "Iterable[Mapping[str, Any]]":
        """Returns rows for a named data set (`tenyson dataset build --source task:…`).

        Optional: without it the rows of `get_sft_dataset` are read.
        """
        raise _missing(self, "generate_examples")

    def get_sft_dataset(self, config: Mapping[str, Any], tokenizer: Any) -> "Dataset":
        """Returns the training set: `prompt`/`completion`, `messages`, or `text` columns."""
        raise _missing(self, "get_sft_dataset")

    def get_sft_eval_dataset(self, config: Mapping[str, Any], tokenizer: Any) -> "Dataset | None":
        """Returns the validation set, in the training set's form; None means there is none."""
        return None

    def get_sft_formatting_func(
        self, config: Mapping[str, Any], tokenizer: Any
    ) -> Callable[[dict[str, Any]], str] | None:
        """Returns a function from a row to its text; None leaves rows to the chat template."""
        return None

    def get_sft_data_collator(
        self, config: Mapping[str, Any], tokenizer: Any
    ) -> Callable[[list[dict[str, Any]]], dict[str, Any]] | None:
        """Returns a collator, for a loss mask of one's own; None uses TRL's."""
        return None

    def get_rl_dataset(self, config: Mapping[str, Any]) -> "Dataset":
        """Returns the prompts: a `prompt` column (text or messages) and what the rewards need."""
        raise _missing(self, "get_rl_dataset")

    def get_reward_funcs(
        self, config: Mapping[str, Any], tokenizer: Any
    ) -> list[Callable[..., list[float | None]]]:
        """Returns reward functions: `(prompts, completions, **columns)` to one number a row.

        None in place of a number means that the function does not apply to that row.
        """
        raise _missing(self, "get_reward_funcs")

    def get_reward_weights(self, config: Mapping[str, Any]) -> list[float] | None:
        """Returns one weight per reward function, in their order; None weighs all as 1.

        Optional; `rl.reward_weights` of the configuration goes before it.
        """
        return None

    def make_env(self, config: Mapping[str, Any]) -> "Environment | None":
        """Returns a new environment to play an episode with; None gives each prompt one answer.

        Optional. It is called as often as episodes are played side by side. Reward functions get
        `info`, what each episode's last `step` said, beside the data set's columns.
        """
        return None

    def get_eval_dataset(self, config: Mapping[str, Any]) -> "Dataset":
        """Returns the evaluation set: a `prompt` column, best an `id`, and what metrics need."""
        raise _missing(self, "get_eval_dataset")

    def compute_metrics(
        self,
        prompts: list[Any],
        completions: list[str],
        dataset_rows: list[dict[str, Any]],
        config: Mapping[str, Any],
        tokenizer: Any,
    ) -> dict[str, Any]:
        """Returns flat metrics, or `{"metrics": {…}, "detailed_results": [one dict a row]}`.

        Per-row numbers are what makes paired comparisons of two models possible.
        """
        raise _missing(self, "compute_metrics")

    def get_lower_is_better(self, config: Mapping[str, Any]) -> Collection[str]:
        """Returns the names of per-row numbers of which less is better; of all others more is.

        Optional. A comparison of two models calls a fall of these improved.
        """
        return ()

    def redact(self, text: str) -> str:
        """Returns what telemetry may keep of a text: a prompt, a completion, an expected answer.

        Optional. It is called before a text goes to the telemetry database or its spool. Files in
        the output folder hold the texts as they are: scores are made from them.
        """
        return text

    def get_base_model(self, config: Mapping[str, Any], name: str) -> Path:
        """Returns the folder of a model and tokenizer for `model.name: task:NAME`, made if missing.

        Optional: only a task that brings a model of its own needs it.
        """
        raise _missing(self, "get_base_model")


def check_hooks(task: Any, job_type: JobType, *, names_dataset: bool = False) -> None:
    """Refuses a task that lacks a hook which this kind of job needs.

    Args:
        task: The task.
        job_type: Kind of the job.
        names_dataset: Whether the rows come from a named data set, and need no hook.

    Raises:
        TaskLoadError: Names every hook that is missing.
    """
    needed = [h for h in REQUIRED_HOOKS[job_type] if not (names_dataset and h in DATA_HOOKS)]
    missing = [hook for hook in needed if not has_hook(task, hook)]
    if missing:
        raise TaskLoadError(
            f"Task {type(task).__name__} lacks {', '.join(missing)}, needed by a job of type "
            f"{job_type.value}.",
            hint="Define it on the class, or as a function of the module.",
        )


def has_hook(task: Any, name: str) -> bool:
    """Whether the task defines the hook itself, not only inherits TaskPlugin's."""
    hook = getattr(task, name, None)
    return callable(hook) and getattr(hook, "__func__", hook) is not vars(TaskPlugin).get(name)


def takes_dataset(task: Any, hook: str) -> bool:
    """Whether the task's own hook has a parameter `dataset`, for the rows of a named data set."""
    return has_hook(task, hook) and "dataset" in inspect.signature(getattr(task, hook)).parameters


def _missing(task: object, hook: str) -> TaskLoadError:
    return TaskLoadError(f"Task {type(task).__name__} does not define {hook}.")
