"""A task whose data does not fit into the memory that its pod may use."""

from typing import Any


class GreedyTask:
    """Takes 4 GiB, and writes to all of it."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_list([{"text": str(len(b"x" * (4 << 30)))}])
