"""A task for tests: adds two digits. Tests choose variants by the configuration's task section."""

import os
import random
import signal
import time
from typing import Any

from tenyson.contract import Env


def rows(count: int = 64, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    pairs = [(rng.randint(0, 4), rng.randint(0, 4)) for _ in range(count)]
    return [
        {"id": f"r{i}", "prompt": f"{a}+{b}=", "completion": str(a + b)}
        for i, (a, b) in enumerate(pairs)
    ]


class SumTask:
    """Adds two digits: every hook, each taken from `config["task"]` where a test wants another."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        from datasets import Dataset

        seed = int(os.environ.get("RANK", "0")) if config["task"].get("unseeded") else 0
        return Dataset.from_list(config["task"].get("sft_rows", rows(seed=seed)))

    def get_sft_data_collator(self, config: Any, tokenizer: Any) -> Any:
        wanted = config["task"].get("collator")
        return COLLATORS.get(wanted, Collator)(tokenizer) if wanted else None

    def get_sft_formatting_func(self, config: Any, tokenizer: Any) -> Any:
        return (lambda row: row["prompt"]) if config["task"].get("formats") else None

    def get_sft_eval_dataset(self, config: Any, tokenizer: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(rows(8, seed=1)) if config["task"].get("sft_eval") else None

    def get_rl_dataset(self, config: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(config["task"].get("rl_rows", rows()))

    def get_reward_funcs(self, config: Any, tokenizer: Any) -> list[Any]:
        names = config["task"].get("rewards")
        names = names or ["digit_reward", config["task"].get("reward", "length_reward")]
        return [REWARDS[name] for name in names]

    def get_reward_weights(self, config: Any) -> Any:
        return config["task"].get("weights")

    def get_lower_is_better(self, config: Any) -> Any:
        return config["task"].get("lower_is_better", ())

    def make_env(self, config: Any) -> Any:
        kind = config["task"].get("environment")
        return ENVIRONMENTS[kind]() if kind else None

    def get_base_model(self, config: Any, name: str) -> Any:
        return config["task"]["base_models"][name]

    def get_eval_dataset(self, config: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list(config["task"].get("eval_rows", rows(10, seed=2)))

    def compute_metrics(
        self, prompts: Any, completions: Any, dataset_rows: Any, config: Any, tokenizer: Any
    ) -> dict[str, Any]:
        if "metrics" in config["task"]:
            return dict(config["task"]["metrics"])
        pairs = list(zip(completions, dataset_rows, strict=True))
        correct = [float(c == row["completion"]) for c, row in pairs]
        return {
            "metrics": {"accuracy": sum(correct) / len(correct)},
            "detailed_results": [{"correct": value} for value in correct],
        }


def digit_reward(completions: list[str], **columns: Any) -> list[float]:
    return [sum(ch.isdigit() for ch in c) / max(1, len(c)) for c in completions]


def length_reward(completions: list[str], **columns: Any) -> list[float]:
    return [len(c) / 8 for c in completions]


def raising_reward(completions: list[str], **columns: Any) -> list[float]:
    raise KeyError("no such word")


def short_reward(completions: list[str], **columns: Any) -> list[float]:
    return [1.0]


def nan_reward(completions: list[str], **columns: Any) -> list[float]:
    return [float("nan") for _ in completions]


def signalling_reward(completions: list[str], trainer_state: Any, **columns: Any) -> list[float]:
    """Ends its own process in the step and by the signal that the test wants for this attempt.

    `SUM_TASK_SIGNALS` holds `attempt:step:signal`, separated by spaces.
    """
    for entry in os.environ.get("SUM_TASK_SIGNALS", "").split():
        attempt, step, name = entry.split(":")
        if attempt == os.environ[Env.ATTEMPT] and int(step) == trainer_state.global_step:
            os.kill(os.getpid(), signal.Signals[name])
    return length_reward(completions)


def stalling_reward(completions: list[str], trainer_state: Any, **columns: Any) -> list[float]:
    """Hangs in the attempt and step that `SUM_TASK_HANGS` names, `0:2`."""
    if os.environ.get("SUM_TASK_HANGS") == f"{os.environ[Env.ATTEMPT]}:{trainer_state.global_step}":
        time.sleep(600)
    return length_reward(completions)


def rank_1_raises(completions: list[str], **columns: Any) -> list[float]:
    if os.environ.get("RANK") == "1":
        raise KeyError("no such word")
    return length_reward(completions)


def memory_reward(completions: list[str], **columns: Any) -> list[float]:
    raise MemoryError("no room for the rewards")


def same_reward(completions: list[str], **columns: Any) -> list[float]:
    return [1.0 for _ in completions]


def never_applies(completions: list[str], **columns: Any) -> list[None]:
    return [None for _ in completions]


def hanging_reward(completions: list[str], **columns: Any) -> list[float]:
    time.sleep(600)
    return [1.0 for _ in completions]


def hard_prompts_reward(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
    """Tells completions apart for sums of 5 and more only; the others all earn the same."""
    return [
        len(set(text)) / 8 if sum(int(c) for c in prompt if c.isdigit()) >= 5 else 0.0
        for text, prompt in zip(completions, prompts, strict=True)
    ]


def info_reward(completions: list[str], info: list[dict[str, Any]], **columns: Any) -> list[float]:
    return [one["digits"] / 8 for one in info]


class Adding:
    """Asks for one more sum in each of three turns; `digits` counts those said so far."""

    def reset(self, row: dict[str, Any]) -> str:
        self.turns = self.digits = 0
        return str(row["question"])

    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        self.turns += 1
        self.digits += sum(ch.isdigit() for ch in text)
        return "+1=", self.turns == 3, {"digits": self.digits}


class Stopping(Adding):
    """Over as soon as a digit was said, so that episodes end apart."""

    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        observation, _, info = super().step(text)
        return observation, info["digits"] > 0, {**info, "turns": self.turns}


class Raising(Adding):
    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        raise KeyError("no such move")


class Wordless(Adding):
    def step(self, text: str) -> Any:
        return None, False


ENVIRONMENTS = {
    "adding": Adding,
    "stopping": Stopping,
    "raising": Raising,
    "wordless": Wordless,
    "none": object,
}
REWARDS = {
    f.__name__: f
    for f in (
        digit_reward,
        length_reward,
        raising_reward,
        short_reward,
        nan_reward,
        signalling_reward,
        stalling_reward,
        rank_1_raises,
        memory_reward,
        same_reward,
        never_applies,
        hanging_reward,
        hard_prompts_reward,
        info_reward,
    )
}


class Collator:
    """TRL's own collator, brought by the task; counts its batches."""

    def __init__(self, tokenizer: Any) -> None:
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

        self._collate = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id)

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        Collator.batches += 1
        return self._collate(examples)

    batches = 0


class MaskingPadding(Collator):
    """As transformers' own for language models: labels are the ids, padding ids are masked."""

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        batch = self._collate(examples)
        labels = batch["input_ids"].clone()
        labels[labels == self._collate.pad_token_id] = -100
        return {**batch, "labels": labels}


class MaskingAll(Collator):
    """Masks every label."""

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        batch = self._collate(examples)
        return {**batch, "labels": batch["labels"].fill_(-100)}


class ForgettingLabels(Collator):
    """Makes batches without labels."""

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        return {"input_ids": self._collate(examples)["input_ids"]}


class NoisyCollator(Collator):
    """Leaves tokens out of the loss at random, by each of the global sources in turn."""

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        import numpy
        import torch

        batch = super().__call__(examples)
        draws = (random.random, numpy.random.random, lambda: torch.rand(1).item())
        kept = [draws[row % 3]() for row in range(len(examples))]
        batch["labels"][torch.tensor(kept) < 0.3] = -100
        batch["labels"][0] = batch["input_ids"][0]  # one row at least is trained
        return batch


COLLATORS = {
    "noisy": NoisyCollator,
    "masks_padding": MaskingPadding,
    "masks_all": MaskingAll,
    "forgets_labels": ForgettingLabels,
}
