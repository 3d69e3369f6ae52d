"""Reward functions, and calls of them as TRL's trainer makes them."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

PROMPTS = ["2+2=", "2+2=", "3+3=", "3+3="]
COMPLETIONS = ["4", "5", "6", "seven"]
TARGETS = ["4", "4", "6", "6"]


def call(func: Any, step: int = 3, **columns: Any) -> Any:
    """Calls a reward as TRL does."""
    inputs: dict[str, Any] = {
        "prompts": PROMPTS,
        "completions": COMPLETIONS,
        "completion_ids": [[1, 2]] * 4,
        "target": TARGETS,
        "trainer_state": SimpleNamespace(global_step=step),
    }
    answer = func(**(inputs | columns))
    return asyncio.run(answer) if inspect.isawaitable(answer) else answer


def exact(completions: list[str], target: list[str], **columns: Any) -> list[float]:
    """Whether the answer is the target."""
    return [float(c == t) for c, t in zip(completions, target, strict=True)]


async def slow(prompts: list[str], completions: list[str], **columns: Any) -> list[float | None]:
    return [None if p == "3+3=" else len(c) for p, c in zip(prompts, completions, strict=True)]
