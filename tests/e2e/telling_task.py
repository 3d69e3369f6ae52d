"""A task that tells its secrets, in each way in which a task may do so by mistake."""

import logging
import os
import sys
from typing import Any


def _told(config: Any) -> str:
    """What an exception of a client might quote: address, key, and the answer to both."""
    known = (os.environ["JUDGE_KEY"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["HF_TOKEN"])
    url = os.environ["TENYSON_TELEMETRY_DB_URL"]
    return f"401 from {url} for {', '.join(known)} and {config['task']['judge_api_key']}"


class TellingTask:
    """Tells by the way that `config["task"]["tells"]` names."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        how, told = config["task"]["tells"], _told(config)
        if how == "says":
            print("printed", told)  # noqa: T201 - as tasks do
            print("printed", told, file=sys.stderr)  # noqa: T201
            logging.getLogger("judge").warning("logged %s", told)
        if how == "raises":
            raise ValueError(told)
        if how == "exits":
            print(told, file=sys.stderr, flush=True)  # noqa: T201
            os._exit(1)
        return [
            {"prompt": f"{a}+{b}=", "completion": str(a + b)} for a in range(5) for b in range(5)
        ]

    def get_sft_data_collator(self, config: Any, tokenizer: Any) -> Any:
        if config["task"]["tells"] != "trains":
            return None

        def fail_in_training(examples: Any) -> Any:
            raise RuntimeError(_told(config))  # no error that Tenyson knows

        return fail_in_training
