"""Time of a training step of a Tenyson job over that of the same TRL trainer without Tenyson.

Both sides do the same work, and a pair that did not is an error, not a figure: they have the same
model, adapter, data, order, optimiser and arguments, and log metrics on every step. SFT must end
with the same loss on both. GRPO draws other completions on each, so each must have as many tokens:
they are kept from ending early, or the policy that learns to be brief would look fast. What is
different is Tenyson, with telemetry into SQLite.

Times are from the end of a trainer's first step to the end of its last. `wall` is what a user
waits. The processor time is that of the training thread, and that of the whole process, whose other
threads write telemetry; what else runs on the machine disturbs both less than `wall`.
"""

import contextlib
import io
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.small_model import SumTask, digit_reward, make_model, rows

BATCH = 64
SEED = 42
MAX_NEW_TOKENS = 8


def sft(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each pair of SFT runs."""
    return _pairs("sft", steps=40 if quick else 80, pairs=3 if quick else 11)


def rl(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each pair of GRPO runs."""
    return _pairs("rl", steps=15 if quick else 40, pairs=3 if quick else 11)


def _pairs(kind: str, steps: int, pairs: int) -> list[dict[str, float]]:
    found = []
    with tempfile.TemporaryDirectory() as root:
        model = make_model(Path(root) / "model")
        config = configuration(model, steps, BATCH)
        for pair in range(-1, pairs):  # the first one warms up and does not count
            order = [with_tenyson, with_trl_alone][:: 1 if pair % 2 else -1]
            watches = {run: run(kind, config, _folder(root, kind, pair, run)) for run in order}
            ours, theirs = watches[with_tenyson], watches[with_trl_alone]
            require_equal_work(kind, ours, theirs)
            if pair >= 0:
                found.append(_figures(ours, theirs, steps - 1))
    return found


def _figures(ours: "Stopwatch", theirs: "Stopwatch", steps: int) -> dict[str, float]:
    return {
        "ms": 1000 * ours.wall / steps,
        "trl_ms": 1000 * theirs.wall / steps,
        "overhead_percent": 100 * (ours.wall / theirs.wall - 1),
        "thread_overhead_percent": 100 * (ours.thread / theirs.thread - 1),
        "cpu_overhead_percent": 100 * (ours.cpu / theirs.cpu - 1),
    }


def _folder(root: str, kind: str, pair: int, run: Callable[..., Any]) -> Path:
    folder = Path(root) / f"{kind}-{pair}-{run.__name__}"
    folder.mkdir()
    return folder


class Stopwatch:
    """Measures a training from its first step's end to its last's, and keeps what it logged."""

    def __init__(self) -> None:
        self.wall = self.thread = self.cpu = 0.0
        self.logged: list[dict[str, float]] = []

    def callback(self) -> Any:
        """Returns the trainer callback that starts and stops the watch."""
        from transformers import TrainerCallback

        watch = self

        class Watch(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step == 1:
                    watch.wall, watch.thread, watch.cpu = _clocks()

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                wall, thread, cpu = _clocks()
                watch.wall, watch.thread = wall - watch.wall, thread - watch.thread
                watch.cpu = cpu - watch.cpu
                watch.logged = [row for row in state.log_history if "loss" in row]

        return Watch()


def _clocks() -> tuple[float, float, float]:
    return time.perf_counter(), time.thread_time(), time.process_time()


def require_equal_work(kind: str, ours: Stopwatch, theirs: Stopwatch) -> None:
    """Refuses a pair whose times say nothing, since the two sides did not do the same."""
    assert len(ours.logged) == len(theirs.logged), "both log on every step"
    if kind == "sft":
        pairs = [(a["loss"], b["loss"]) for a, b in zip(ours.logged, theirs.logged, strict=True)]
        assert all(math.isclose(a, b, rel_tol=1e-3) for a, b in pairs), f"other losses: {pairs[-1]}"
    else:
        for row in (*ours.logged, *theirs.logged):
            assert row["completions/mean_length"] == MAX_NEW_TOKENS, "a completion ended early"


def configuration(model: Path, steps: int, batch: int) -> dict[str, Any]:
    """Returns the sections that both sides take their settings from."""
    return {
        "model": {"name": str(model)},
        "adapter": {"r": 16},
        "data": {"max_length": 64, "packing": False},
        "training": {
            "max_steps": steps,
            "per_device_train_batch_size": batch,
            "learning_rate": 1e-3,
            "optim": "adamw_torch_fused",  # the default of transformers
            "seed": SEED,
            "logging_steps": 1,
        },
        "rl": {"num_generations": 8, "max_completion_length": MAX_NEW_TOKENS},
    }


GENERATION = {"generation_kwargs": {"min_new_tokens": MAX_NEW_TOKENS}}


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
    if kind == "rl":
        config["trainer_args"] = GENERATION
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
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    watch = Stopwatch()
    base = AutoModelForCausalLM.from_pretrained(config["model"]["name"], dtype=torch.float32)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    set_seed(SEED)  # the adapter's first matrices are drawn at random
    on_gpu = torch.cuda.is_available()
    shared: dict[str, Any] = {
        **config["training"],
        "data_seed": SEED,
        "output_dir": str(folder),
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "gradient_checkpointing": on_gpu,
        "dataloader_pin_memory": on_gpu,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    common: dict[str, Any] = {
        "model": get_peft_model(base, lora),
        "processing_class": AutoTokenizer.from_pretrained(config["model"]["name"]),
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
            args=GRPOConfig(**shared, **config["rl"], **GENERATION),
            train_dataset=Dataset.from_list(rows(1600)),
            reward_funcs=[digit_reward],
            **common,
        )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    return watch
