"""A task whose training begins when the test lets it: a run that lasts as long as it is wanted."""

import os
import time
from pathlib import Path
from typing import Any


class GatedTask:
    """Adds two digits, once the file that `GATE` names is there."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        """Returns the sums, after a wait."""
        from datasets import Dataset

        while not Path(os.environ["GATE"]).exists():
            time.sleep(0.1)
        digits = [(a, b) for a in range(5) for b in range(5)]
        return Dataset.from_list(
            [{"prompt": f"{a}+{b}=", "completion": str(a + b)} for a, b in digits]
        )
