"""The memory that a run is estimated to need, beside what the machine has."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.jobs.sampling.engines import Choice
from tests.runtime.test_memory import GPT2, LLAMA_8B

torch = pytest.importorskip("torch")

from tenyson.jobs.limits import _memory_here  # noqa: E402
from tenyson.jobs.limits._memory_here import MemoryHere, memory_here, tell_memory  # noqa: E402


@pytest.fixture
def context() -> Any:
    warnings: list[str] = []
    return SimpleNamespace(
        job_type=JobType.SFT,
        config=parse_config({"model": {"name": "m"}, "adapter": {"kind": "full"}}),
        ranks=SimpleNamespace(is_main=True, size=1),
        warnings=warnings,
        engine=None,
        warn=warnings.append,
    )


def model_of(config: dict[str, Any], parameters: int) -> Any:
    return SimpleNamespace(
        config=SimpleNamespace(to_dict=lambda: config), num_parameters=lambda: parameters
    )


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(_memory_here, "_device_bytes", lambda on_gpu: 24 * 2**30)


def test_vllm_counts_with_the_share_of_the_gpu_that_it_is_given(context: Any, a_gpu: None) -> None:
    context.job_type, context.engine = JobType.RL, Choice("vllm", "asked for")

    found = memory_here(context, model_of(LLAMA_8B, 8_030_000_000), ranks=1)

    assert isinstance(found, MemoryHere)
    assert found.needed.vllm == int(0.3 * 24 * 2**30)
    assert found.needed.kv_cache == 0


def test_a_run_that_is_too_large_is_warned_of_with_a_remedy(context: Any, a_gpu: None) -> None:
    found = memory_here(context, model_of(LLAMA_8B, 8_030_000_000), ranks=1)

    assert isinstance(found, MemoryHere)
    assert " GiB of 24.0 (" in found.text
    assert found.warning is not None
    assert "per_device_train_batch_size" in found.warning


def test_a_run_that_fits_is_told_without_a_warning(
    context: Any, a_gpu: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tenyson"):
        tell_memory(context, model_of({**GPT2, "n_positions": 1024}, 124_000_000))

    assert "Memory: about" in caplog.text
    assert context.warnings == []


def test_the_warning_reaches_the_result(context: Any, a_gpu: None) -> None:
    tell_memory(context, model_of(LLAMA_8B, 8_030_000_000))

    assert len(context.warnings) == 1
    assert "more memory than this GPU has" in context.warnings[0]


def test_on_a_cpu_nothing_is_told(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tenyson"):
        tell_memory(context, model_of(LLAMA_8B, 8_030_000_000))

    assert caplog.text == ""
    assert context.warnings == []


def test_a_model_of_unknown_sizes_is_told_so_and_stops_nothing(
    context: Any, a_gpu: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tenyson"):
        tell_memory(context, model_of({"model_type": "odd"}, 1))

    assert "Memory: not estimated: " in caplog.text
