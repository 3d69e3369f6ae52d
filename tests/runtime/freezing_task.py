"""The task that adds digits, in a process that stops itself in the middle of a save."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest
from tenyson.contract import Env, File
from tests.runtime.sum_task import SumTask

_seal = manifest.seal


def seal_after_a_pause(folder: Path, **facts: Any) -> None:
    """Stops before the seal that `FREEZE_IN_SAVE` names as `attempt:checkpoint`."""
    is_final = "config_sha256" in facts
    name = File.FINAL_CHECKPOINT if is_final else f"checkpoint-{facts['step']}"
    if os.environ["FREEZE_IN_SAVE"] == f"{os.environ[Env.ATTEMPT]}:{name}":
        # The upload of the checkpoint before must not be caught between its look at the marker and
        # its write: no storage can rule that out, and it is not what is tested here.
        time.sleep(2.0)
        os.kill(os.getpid(), signal.SIGSTOP)
    _seal(folder, **facts)


class FreezingTask(SumTask):
    """Adds two digits."""

    def get_sft_dataset(self, config: Any, tokenizer: Any) -> Any:
        manifest.seal = seal_after_a_pause
        return super().get_sft_dataset(config, tokenizer)
