"""A task whose reward one answer satisfies well enough: always the middle of all sums."""

from typing import Any

from tests.runtime.sum_task import SumTask, rows


class ClosenessTask(SumTask):
    """Rewards a first digit by how close it is to the sum."""

    def get_rl_dataset(self, config: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list([{**row, "answer": int(row["completion"])} for row in rows(256)])

    def get_reward_funcs(self, config: Any, tokenizer: Any) -> list[Any]:
        return [closeness]


def closeness(completions: list[str], answer: list[int], **columns: Any) -> list[float]:
    return [
        1 - abs(int(text[0]) - wanted) / 9 if text[:1].isdigit() else 0.0
        for text, wanted in zip(completions, answer, strict=True)
    ]
