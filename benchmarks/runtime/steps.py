"""Time of a training step of a Tenyson job over that of the same TRL trainer without Tenyson.

Both have the same model, data and arguments, metrics of every step, and Tenyson's side telemetry
into SQLite. Times are from the end of a trainer's first step to the end of its last. The processor
time is of all threads, those that write telemetry too; what else runs here disturbs it less.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.small_model import SumTask, digit_reward, make_model, rows

BATCH = 64


def sft(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each pair of SFT runs."""
    return _pairs("sft", steps=30 if quick else 100, pairs=2 if quick else 7)


def rl(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each pair of GRPO runs."""
    return _pairs("rl", steps=10 if quick else 40, pairs=2 if quick else 7)


def _pairs(kind: str, steps: int, pairs: int) -> list[dict[str, float]]:
    found = []
    with tempfile.TemporaryDirectory() as root:
        model = make_model(Path(root) / "model")
        config = configuration(model, steps, BATCH)
        for pair in range(-1, pairs):  # the first one warms up and does not count
            order = [with_tenyson, with_trl_alone][:: 1 if pair % 2 else -1]
            watches = {run: run(kind, config, _folder(root, kind, pair, run)) for run in order}
            if pair >= 0:
                ours, theirs = watches[with_tenyson], watches[with_trl_alone]
                found.append(_figures(ours, theirs, steps - 1))
    return found


def _figures(ours: "Stopwatch", theirs: "Stopwatch", steps: int) -> dict[str, float]:
    return {
        "ms": 1000 * ours.wall / steps,
        "trl_ms": 1000 * theirs.wall / steps,
        "overhead_percent": 100 * (ours.wall / theirs.wall - 1),
        "cpu_overhead_percent": 100 * (ours.cpu / theirs.cpu - 1),
    }


def _folder(root: str, kind: str, pair: int, run: Callable[..., Any]) -> Path:
    folder = Path(root) / f"{kind}-{pair}-{run.__name__}"
    folder.mkdir()
    return folder


class Stopwatch:
    """Measures a training from its first step's end to its last's."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def callback(self) -> Any:
        """Returns the trainer callback that starts and stops the watch."""
        from transformers import TrainerCallback

        watch = self

        class Watch(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step == 1:
                    watch.wall, watch.cpu = time.perf_counter(), time.process_time()

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch.wall = time.perf_counter() - watch.wall
                watch.cpu = time.process_time() - watch.cpu

        return Watch()


def configuration(model: Path, steps: int, batch: int) -> dict[str, Any]:
    return {
        "model": {"name": str(model)},
        "adapter": {"r": 16},
        "data": {"max_length": 64},
        "training": {
            "max_steps": steps,
            "per_device_train_batch_size": batch,
            "learning_rate": 1e-3,
        },
        "rl": {"num_generations": 8, "max_completion_length": 8},
    }


def with_tenyson(kind: str, config: dict[str, Any], folder: Path) -> Stopwatch:
    from transformers import Trainer

    from tenyson.jobs.rl import RLJob
    from tenyson.jobs.sft import SFTJob

    watch = Stopwatch()
    train = Trainer.train

    def watched(trainer: Any, *arguments: Any, **options: Any) -> Any:
        trainer.add_callback(watch.callback())
        return train(trainer, *arguments, **options)

    Trainer.train = watched
    config = {**config, "telemetry": {"db_url": f"sqlite:///{folder}/telemetry.db"}}
    job = SFTJob if kind == "sft" else RLJob
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            job(config, SumTask(), output_dir=folder / "run").run()
    finally:
        Trainer.train = train
    return watch


def with_trl_alone(kind: str, config: dict[str, Any], folder: Path) -> Stopwatch:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    watch = Stopwatch()
    model = AutoModelForCausalLM.from_pretrained(config["model"]["name"], dtype=torch.float32)
    on_gpu = torch.cuda.is_available()
    shared: dict[str, Any] = {
        **config["training"],
        "output_dir": str(folder),
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "gradient_checkpointing": on_gpu,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    common: dict[str, Any] = {
        "model": model,
        "processing_class": AutoTokenizer.from_pretrained(config["model"]["name"]),
        "peft_config": LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        "callbacks": [watch.callback()],
    }
    if kind == "sft":
        trainer = SFTTrainer(
            args=SFTConfig(**shared, **config["data"]),
            train_dataset=Dataset.from_list(rows(6400)),
            **common,
        )
    else:
        trainer = GRPOTrainer(
            args=GRPOConfig(**shared, **config["rl"]),
            train_dataset=Dataset.from_list(rows(1600)),
            reward_funcs=[digit_reward],
            **common,
        )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    return watch
