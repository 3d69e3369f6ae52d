"""What is trained: every kind of adapter, or all; saved, loaded again, merged, gone on from."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import ConfigError
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tests.runtime.trained_adapters import base_of, logits_of, refused, saved_adapter

pytestmark = pytest.mark.train
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "lora"},
    "dora": {"kind": "dora"},
    "lora, layers of its own": {"kind": "lora", "modules_to_save": ["lm_head"]},
    "named layers": {"kind": "lora", "target_modules": ["q_proj", "v_proj"]},
}


@pytest.mark.parametrize("name", KINDS)
def test_an_adapter_trains_saves_loads_merges_and_is_gone_on_from(
    name: str, make_config: Any, sum_task: Any, tmp_path: Path, tiny_model: str, weights_of: Any
) -> None:
    import torch

    from tenyson.jobs.models._models import put_adapter

    config = make_config(adapter=KINDS[name], training={"max_steps": 3})
    result = SFTJob(config, sum_task, output_dir=tmp_path / "sft").run()

    tensors = weights_of(tmp_path / "sft")
    assert result.adapter_sha256
    assert any("lora_magnitude_vector" in key for key in tensors) == (name == "dora")
    if "modules_to_save" in KINDS[name]:
        head = base_of(tiny_model).lm_head.weight
        assert (tensors["base_model.model.lm_head.weight"] - head).abs().max() > 1e-3
    if "target_modules" in KINDS[name]:
        assert {key.split(".")[-3] for key in tensors} == {"q_proj", "v_proj"}

    loaded = put_adapter(base_of(tiny_model), saved_adapter(tmp_path / "sft"), is_trainable=False)
    with_it = logits_of(loaded)
    assert (with_it - logits_of(base_of(tiny_model))).abs().max() > 1e-3
    assert torch.allclose(with_it, logits_of(loaded.merge_and_unload()), atol=1e-5)

    further = {**KINDS[name], "path": str(tmp_path / "sft")}
    config = make_config(adapter=further, training={"max_steps": 1, "learning_rate": 1e-3})
    RLJob(config, sum_task, output_dir=tmp_path / "rl").run()
    trained = weights_of(tmp_path / "rl")
    assert trained.keys() == tensors.keys()
    assert all(torch.allclose(trained[key], tensors[key], atol=0.01) for key in tensors)


def test_a_saved_adapter_of_another_kind_is_refused(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(adapter={"kind": "dora"}, training={"max_steps": 1})
    SFTJob(config, sum_task, output_dir=tmp_path / "dora").run()

    config = make_config(adapter={"kind": "lora", "path": str(tmp_path / "dora")})
    with pytest.raises(ConfigError, match="is of the kind dora"):
        SFTJob(config, sum_task, output_dir=tmp_path / "next").run()


def test_layers_that_the_model_has_not_are_refused(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(adapter={"modules_to_save": ["score"]})

    error, result = refused(SFTJob, config, sum_task, tmp_path)

    assert result.exit_code == ExitCode.CONFIG
    assert "adapter.modules_to_save: the model has no layer 'score'" in error.message
    assert "lm_head" in error.hint


def test_qlora_without_a_gpu_says_what_to_use(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    error, result = refused(SFTJob, make_config(adapter={"kind": "qlora"}), sum_task, tmp_path)

    assert result.exit_code == ExitCode.CONFIG
    assert "adapter.kind: qlora holds the base in 4 bits, which needs a GPU" in error.message
    assert "Use lora" in error.hint


def test_qlora_without_bitsandbytes_says_what_to_install(
    make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tenyson.config import parse_config
    from tenyson.errors import DependencyError
    from tenyson.jobs.models import _quantization

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(_quantization, "find_spec", lambda name: None)

    with pytest.raises(DependencyError, match="needs bitsandbytes") as raised:
        _quantization.four_bits(parse_config(make_config(adapter={"kind": "qlora"})))
    assert "pip install" in raised.value.hint


def test_the_manifest_tells_the_adapter_and_its_base(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(adapter={"kind": "dora"}, training={"max_steps": 1})
    SFTJob(config, sum_task, output_dir=tmp_path).run()

    final = tmp_path / File.FINAL_CHECKPOINT / File.CHECKPOINT_MANIFEST
    facts = json.loads(final.read_text(encoding="utf-8"))

    assert facts["adapter"]["kind"] == "dora"
    assert len(facts["base_fingerprint"]) == 64


def test_an_adapter_in_bfloat16_is_gone_on_from_in_bfloat16(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    weights_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TRL keeps an adapter over a base of 4 bits so; PEFT's loading makes float32 of it."""
    import torch

    from tenyson.jobs.training import _sft

    make = _sft.model_to_train

    def in_bfloat16(*args: Any) -> Any:
        model, adapter = make(*args)
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.data = tensor.data.to(torch.bfloat16)
        return model, adapter

    monkeypatch.setattr(_sft, "model_to_train", in_bfloat16)
    constant = {"lr_scheduler_type": "constant", "warmup_steps": 0}
    sections = {"checkpoint": {"every_steps": 2}}

    def run(folder: str, steps: int) -> Any:
        config = make_config(**sections, training={**constant, "max_steps": steps})
        return SFTJob(config, sum_task, output_dir=tmp_path / folder).run()

    run("whole", 4)
    run("parts", 2)
    resumed = run("parts", 4)

    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert resumed.resumed_from_step == 2
    assert {tensor.dtype for tensor in whole.values()} == {torch.bfloat16}
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.gpu
@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is missing"
)
def test_qlora_trains_over_a_base_of_four_bits_and_serves_over_the_whole_one(
    make_config: Any, sum_task: Any, tmp_path: Path, tiny_model: str
) -> None:
    from tenyson.jobs.models._models import put_adapter

    config = make_config(adapter={"kind": "qlora"}, training={"max_steps": 3})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert (result.status, result.global_step) == ("success", 3)
    loaded = put_adapter(base_of(tiny_model), saved_adapter(tmp_path), is_trainable=False)
    assert (logits_of(loaded) - logits_of(base_of(tiny_model))).abs().max() > 1e-4
