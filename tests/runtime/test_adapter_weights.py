"""Weights that an adapter cannot be trained from: another base's, or some that are no numbers."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import CheckpointError
from tenyson.jobs.sft import SFTJob
from tests.runtime.trained_adapters import base_of, refused

pytestmark = pytest.mark.train


def test_an_adapter_of_another_base_with_the_same_shape_is_refused(
    make_config: Any, sum_task: Any, tmp_path: Path, tiny_model: str
) -> None:
    import torch
    from transformers import AutoTokenizer

    SFTJob(make_config(training={"max_steps": 1}), sum_task, output_dir=tmp_path / "sft").run()
    other = base_of(tiny_model)
    with torch.no_grad():
        other.model.layers[0].mlp.up_proj.weight.mul_(1.1)
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "other")
    config = make_config(
        model={"name": str(tmp_path / "other")}, adapter={"path": str(tmp_path / "sft")}
    )

    error, result = refused(SFTJob, config, sum_task, tmp_path / "out")

    assert isinstance(error, CheckpointError)
    assert result.exit_code == ExitCode.TASK
    assert f"trained on another base model ({tiny_model})" in error.message


def test_the_type_of_the_weights_does_not_make_another_base(tiny_model: str) -> None:
    import torch
    from peft import get_peft_model

    from tenyson.config import parse_config
    from tenyson.jobs.models._models import new_lora
    from tenyson.jobs.models._weights import base_fingerprint

    base = base_of(tiny_model)
    plain = base_fingerprint(base)
    config = parse_config({"model": {"name": "x"}, "adapter": {"modules_to_save": ["lm_head"]}})

    assert plain is not None
    assert base_fingerprint(base_of(tiny_model).to(torch.bfloat16)) == plain
    assert base_fingerprint(base_of(tiny_model).half()) is None
    assert base_fingerprint(get_peft_model(base, new_lora(config))) == plain


def test_weights_with_nan_are_refused_before_a_step(
    make_config: Any, sum_task: Any, tmp_path: Path, tiny_model: str
) -> None:
    import torch
    from transformers import AutoTokenizer

    broken = base_of(tiny_model)
    with torch.no_grad():
        broken.model.norm.weight[3] = float("nan")
    broken.save_pretrained(tmp_path / "broken")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "broken")

    config = make_config(model={"name": str(tmp_path / "broken")})
    error, result = refused(SFTJob, config, sum_task, tmp_path / "out")

    assert result.exit_code == ExitCode.TASK
    assert "1 of the 32 values of model.norm.weight are NaN or infinite" in error.message
    assert not (tmp_path / "out" / File.METRICS).exists()


def test_an_adapter_with_nan_is_refused(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    SFTJob(make_config(training={"max_steps": 1}), sum_task, output_dir=tmp_path / "sft").run()
    final = tmp_path / "sft" / File.FINAL_CHECKPOINT
    (final / File.CHECKPOINT_MANIFEST).unlink()
    tensors = load_file(final / File.ADAPTER_WEIGHTS)
    next(iter(tensors.values()))[0, 0] = float("inf")
    save_file(tensors, final / File.ADAPTER_WEIGHTS)

    config = make_config(adapter={"path": str(final)})
    error, result = refused(SFTJob, config, sum_task, tmp_path / "out")

    assert result.exit_code == ExitCode.TASK
    assert "holds NaN or an infinity" in error.message
