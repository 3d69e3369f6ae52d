"""Time per training step of a Tenyson job over that of the same TRL trainer without Tenyson.

    python benchmarks/trainer_overhead.py [--pairs 5] [--sft-steps 60] [--rl-steps 30]

Runs come in pairs, in turn one first and then the other, with the same model, data and arguments,
metrics every step and telemetry into SQLite on Tenyson's side. Each pair's ratio is of seconds
between the trainer's first and last step; the CPU ratio is of processor seconds, which other
programs on the machine disturb less. The bar is a median ratio of 1.02.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from small_model import SumTask, digit_reward, make_model, rows


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
    from tenyson.jobs import _training
    from tenyson.jobs.rl import RLJob
    from tenyson.jobs.sft import SFTJob

    watch = Stopwatch()
    train_from = _training._train_from

    def watched(trainer: Any, checkpoint: Any) -> None:
        trainer.add_callback(watch.callback())
        train_from(trainer, checkpoint)

    _training._train_from = watched
    config = {**config, "telemetry": {"db_url": f"sqlite:///{folder}/telemetry.db"}}
    job = SFTJob if kind == "sft" else RLJob
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            job(config, SumTask(), output_dir=folder / "run").run()
    finally:
        _training._train_from = train_from
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--sft-steps", type=int, default=60)
    parser.add_argument("--rl-steps", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        model = make_model(Path(root) / "model")
        for kind, steps in (("sft", options.sft_steps), ("rl", options.rl_steps)):
            config = configuration(model, steps, batch=64)
            wall, cpu = [], []
            for pair in range(-1, options.pairs):  # the first one warms up and does not count
                runs = {}
                order = [with_tenyson, with_trl_alone][:: 1 if pair % 2 else -1]
                for run in order:
                    folder = Path(root) / f"{kind}-{pair}-{run.__name__}"
                    folder.mkdir()
                    runs[run] = run(kind, config, folder)
                ours, theirs = runs[with_tenyson], runs[with_trl_alone]
                if pair < 0:
                    continue
                wall.append(ours.wall / theirs.wall)
                cpu.append(ours.cpu / theirs.cpu)
                print(
                    f"{kind} pair {pair + 1}: tenyson {1000 * ours.wall / (steps - 1):.1f} ms/step,"
                    f" trl {1000 * theirs.wall / (steps - 1):.1f} ms/step,"
                    f" ratio {wall[-1]:.3f} (CPU {cpu[-1]:.3f})",
                    flush=True,
                )
            print(
                f"{kind}: median ratio {statistics.median(wall):.3f} wall, "
                f"{statistics.median(cpu):.3f} CPU, over {len(wall)} pairs\n"
            )


if __name__ == "__main__":
    main()
