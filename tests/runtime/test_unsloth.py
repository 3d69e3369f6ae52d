"""`model.loader: unsloth`: refused where it cannot be, and called by its documented names.

Unsloth itself needs a GPU: what is marked `gpu` runs it; the rest puts a stand-in in its place
whose functions have Unsloth's parameters, and load and adapt by transformers and PEFT.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import ExitCode, JobType
from tenyson.errors import ConfigError
from tenyson.jobs.models import loaders
from tenyson.jobs.sft import SFTJob

UNSLOTH = {"loader": "unsloth"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes Unsloth look installed, on a machine with a GPU or without."""

    def pretend(*, has_gpu: bool) -> None:
        found = loaders.find_spec
        monkeypatch.setattr(
            loaders, "find_spec", lambda name: object() if name == "unsloth" else found(name)
        )
        monkeypatch.setattr(loaders, "_has_gpu", lambda: has_gpu)

    return pretend


def test_without_unsloth_it_says_how_to_install_it(run_runner: Any, make_config: Any) -> None:
    done = run_runner(make_config(model=UNSLOTH))

    assert done.code == done.result.exit_code == ExitCode.DEPENDENCY
    assert done.result.failure.message == (
        "model.loader: unsloth needs Unsloth, which is not installed."
    )
    assert "pip install unsloth" in done.result.failure.hint
    assert "model.loader: transformers" in done.result.failure.hint


def test_without_a_gpu_it_is_refused(installed: Any, make_config: Any) -> None:
    installed(has_gpu=False)

    with pytest.raises(ConfigError, match=r"model\.loader: unsloth needs a GPU"):
        loaders.import_loader(parse_config(make_config(model=UNSLOTH)))


@pytest.mark.parametrize(
    ("sections", "path"),
    [
        ({"adapter": {"kind": "dora"}}, "adapter.kind"),
        ({"training": {"fsdp": True}}, "training.fsdp"),
        ({"model": {**UNSLOTH, "attn_implementation": "sdpa"}}, "model.attn_implementation"),
    ],
)
def test_what_unsloth_does_not_do_is_refused_by_its_path(
    sections: dict[str, Any], path: str, make_config: Any
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(make_config(**{"model": UNSLOTH, **sections}), JobType.SFT)

    assert [problem.path for problem in raised.value.problems] == [path]


def test_nothing_is_imported_for_transformers(make_config: Any) -> None:
    loaders.import_loader(parse_config(make_config()))

    assert "unsloth" not in sys.modules


@pytest.mark.train
def test_the_arguments_follow_the_configuration(make_config: Any) -> None:
    from tenyson.jobs.models._unsloth import adapter_arguments, loading_arguments

    config = parse_config(
        make_config(
            model={**UNSLOTH, "name": "org/model", "revision": "v1"},
            adapter={"kind": "qlora", "r": 8, "modules_to_save": ["lm_head"]},
            data={"max_length": 512},
            training={"seed": 7},
        )
    )

    loading = loading_arguments(config, "org/model", JobType.SFT)
    adapting = adapter_arguments(config)

    assert (loading["model_name"], loading["revision"]) == ("org/model", "v1")
    assert (loading["max_seq_length"], loading["load_in_4bit"]) == (512, True)
    assert loading["full_finetuning"] is False
    assert loading["use_exact_model_name"] is True
    assert (adapting["r"], adapting["lora_alpha"], adapting["random_state"]) == (8, 16, 7)
    assert adapting["target_modules"][0] == "q_proj"
    assert adapting["modules_to_save"] == ["lm_head"]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, installed: Any) -> list[str]:
    """Unsloth's two functions, with its parameters' names; returns the calls made."""
    calls = []

    class FastLanguageModel:
        @staticmethod
        def from_pretrained(
            *,
            model_name: str,
            max_seq_length: int,
            dtype: Any,
            load_in_4bit: bool,
            full_finetuning: bool,
            revision: str,
            trust_remote_code: bool,
            use_exact_model_name: bool,
            fix_tokenizer: bool,
            random_state: int,
        ) -> Any:
            from transformers import AutoModelForCausalLM

            calls.append("from_pretrained")
            return AutoModelForCausalLM.from_pretrained(model_name, dtype=dtype), None

        @staticmethod
        def get_peft_model(
            model: Any,
            *,
            r: int,
            lora_alpha: float,
            lora_dropout: float,
            target_modules: list[str],
            modules_to_save: list[str] | None,
            bias: str,
            use_gradient_checkpointing: Any,
            random_state: int,
        ) -> Any:
            from peft import LoraConfig, get_peft_model

            calls.append("get_peft_model")
            config = LoraConfig(
                r=r, lora_alpha=lora_alpha, target_modules=target_modules, task_type="CAUSAL_LM"
            )
            return get_peft_model(model, config)

    module = ModuleType("unsloth")
    module.FastLanguageModel = FastLanguageModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "unsloth", module)
    installed(has_gpu=True)
    return calls


@pytest.mark.train
def test_a_run_loads_trains_and_goes_on_from_an_adapter_through_it(
    stand_in: list[str], make_config: Any, sum_task: Any, tmp_path: Path, weights_of: Any
) -> None:
    config = make_config(model=UNSLOTH, training={"max_steps": 2})
    SFTJob(config, sum_task, output_dir=tmp_path / "one").run()

    further = make_config(
        model=UNSLOTH,
        adapter={"path": str(tmp_path / "one")},
        training={"max_steps": 1, "learning_rate": 1e-6},
    )
    SFTJob(further, sum_task, output_dir=tmp_path / "two").run()

    assert stand_in == ["from_pretrained", "get_peft_model"] * 2
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-4


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("unsloth") is None, reason="Unsloth is missing")
@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_unsloth_trains_a_model(kind: str, make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(
        model={**UNSLOTH, "name": "unsloth/Qwen3-0.6B"},
        adapter={"kind": kind},
        training={"max_steps": 4, "learning_rate": 1e-4},
    )

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert (result.status, result.global_step) == ("success", 4)
    assert result.adapter_sha256
