"""Stage: where TRL's trainer has episodes played in place of single completions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import call_hook
from tenyson.jobs.sampling._episodes import Episode, play, reset
from tenyson.jobs.sampling._generations import INFO
from tenyson.numbers import is_number


def environment_of(context: RunContext) -> Any:
    """Returns an environment of the task's; None where each prompt gets one answer.

    Raises:
        TaskError: `make_env` returned something else than an environment.
        ConfigError: The weights are split over ranks.
    """
    environment = call_hook(context, "make_env", context.plain_config)
    if environment is None:
        return None
    refuse_no_environment(environment)
    if context.config.training.fsdp:
        problem = Problem(
            "training.fsdp", "ranks that share weights must sample alike, and episodes end apart"
        )
        raise ConfigError([problem], hint="Train a task with make_env without it.")
    return environment


def stage_of(context: RunContext, first: Any, context_length: int | None) -> "Stage | None":
    """Returns the stage of a task with environments, of which `first` is one, if there is one."""
    if first is None:
        return None
    rl = context.config.rl
    return Stage(
        lambda: environment_of(context),
        [first],
        max_turns=rl.max_turns,
        max_new_tokens=rl.max_completion_length,
        context_length=context_length,
        goes_on=lambda mine: context.ranks.any_of(mine)[0],
    )


def refuse_no_environment(made: Any) -> None:
    """Refuses what has no `reset` and `step`."""
    missing = [name for name in ("reset", "step") if not callable(getattr(made, name, None))]
    if missing:
        raise TaskError(
            f"make_env returned {type(made).__name__}, which lacks {' and '.join(missing)}.",
            hint="Return an object with reset(row) -> prompt and step(text) -> (observation, "
            "done, info), or None for a task of single answers.",
        )


class Stage:
    """Environments, each used again and again, and the episodes played with them.

    TRL calls it as a `rollout_func`. An environment may keep nothing from one episode to the
    next: a resumed run starts with new ones.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        environments: Sequence[Any] = (),
        *,
        max_turns: int,
        max_new_tokens: int,
        context_length: int | None,
        goes_on: Callable[[bool], bool] = bool,
    ) -> None:
        """Takes how to make an environment, those that are there, and the limits of `play`."""
        self._make = make
        self._environments = list(environments)
        self._limits: dict[str, Any] = {
            "max_turns": max_turns,
            "max_new_tokens": max_new_tokens,
            "context_length": context_length,
            "goes_on": goes_on,
        }

    def reset(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Returns the rows with the prompts that the environments give for them."""
        while len(self._environments) < len(rows):
            self._environments.append(self._make())
        return [
            {**row, "prompt": reset(environment, row)}
            for row, environment in zip(rows, self._environments, strict=False)
        ]

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """Returns the episodes of the rows reset last, as TRL takes them from a `rollout_func`."""

        def generate(places: list[int], ids: list[list[int]]) -> Any:
            return trainer._generate_single_turn(ids, None, {}, num_generations=1)

        environments = self._environments[: len(prompts)]
        episodes = play(generate, trainer._tokenizer, environments, prompts, **self._limits)
        _log(trainer, episodes)
        has_logprobs = all(e.logprobs for e in episodes)
        return {
            "prompt_ids": [e.prompt_ids for e in episodes],
            "completion_ids": [e.completion_ids for e in episodes],
            "logprobs": [e.logprobs for e in episodes] if has_logprobs else None,
            "env_mask": [e.env_mask for e in episodes],
            INFO: [e.info for e in episodes],
        }


def _log(trainer: Any, episodes: Sequence[Episode]) -> None:
    """Logs how long and how they ended, and the mean of each number in what was said last."""
    metrics = trainer._metrics["train" if trainer.model.training else "eval"]
    for name, value in episode_metrics(episodes).items():
        metrics[f"episodes/{name}"].append(value)


def episode_metrics(episodes: Sequence[Episode]) -> dict[str, float]:
    """Returns means over episodes: turns, share ended by the environment, numbers of `info`."""
    count = len(episodes)
    means = {
        "turns": sum(len(e.texts) for e in episodes) / count,
        "done_share": sum(e.is_done for e in episodes) / count,
        "cut_share": sum(e.is_cut for e in episodes) / count,
    }
    for name in sorted({name for e in episodes for name in e.info}):
        values = [e.info[name] for e in episodes if name in e.info]
        numbers = [float(v) for v in values if isinstance(v, bool) or is_number(v)]
        if len(numbers) == len(values):
            means[name] = sum(numbers) / len(numbers)
    return means
