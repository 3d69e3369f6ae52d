"""Adapters as runs save them, and the numbers that models give with them."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import TenysonError
from tenyson.jobs.result import JobResult


def base_of(folder: str) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def logits_of(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([[5, 6, 7, 8, 9]])).logits


def saved_adapter(folder: Path) -> Any:
    from tenyson.files import sha256_of_file
    from tenyson.jobs.models._models import ADAPTER_WEIGHTS, Adapter

    final = folder / File.FINAL_CHECKPOINT
    return Adapter(final, sha256_of_file(final / ADAPTER_WEIGHTS))


def refused(job: Any, config: Any, task: Any, folder: Path) -> tuple[TenysonError, JobResult]:
    with pytest.raises(TenysonError) as raised:
        job(config, task, output_dir=folder).run()
    result = JobResult.load(folder / File.JOB_RESULT)
    assert result.failure is not None
    assert result.failure.message == raised.value.message
    assert result.exit_code == raised.value.exit_code
    return raised.value, result
