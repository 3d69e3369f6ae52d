"""Tests of the vLLM engine: `make test-vllm` runs them where vLLM is."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.files import sha256_of_file
from tenyson.jobs.sft import SFTJob
from tests.tiny_model import make_tiny_model

os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # else it takes every core

RANK = 4


@dataclass(frozen=True)
class Trained:
    """A base model and two adapters on it, all of them trained a little."""

    base: str
    adapters: dict[str, Path]


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory, build_config: Any, sum_task: Any) -> Any:
    """Makes a model of a family, trains it whole, and trains adapters on it."""

    def train_family(family: str) -> Trained:
        folder = tmp_path_factory.mktemp(family)
        make_tiny_model(folder / "random", family, hidden_size=64)

        def sft(name: str, model: Path, steps: int, **sections: Any) -> Path:
            training = {"max_steps": steps, "learning_rate": 0.01}
            config = build_config(model={"name": str(model)}, training=training, **sections)
            SFTJob(config, sum_task, output_dir=folder / name).run()
            return folder / name / File.FINAL_CHECKPOINT

        base = sft("base", folder / "random", 15, adapter={"kind": "full"})
        return Trained(
            str(base),
            {
                "long": sft("long", base, 40, adapter={"r": RANK}),
                "short": sft("short", base, 4, adapter={"r": RANK}),
            },
        )

    return train_family


@pytest.fixture
def serve() -> Any:
    """Returns a folder's adapter as the engine takes it."""
    from tenyson.evaluation.engines.vllm_start import ServedAdapter

    def served(folder: Path) -> ServedAdapter:
        return ServedAdapter(folder, sha256_of_file(folder / File.ADAPTER_WEIGHTS), RANK)

    return served
