"""Time of a training step of a Tenyson job over that of the same TRL trainer without Tenyson.

Both sides do the same work, and a comparison that did not is an error, not a figure: they have the
same model, adapter, data, order, optimiser and arguments, and log metrics on every step. SFT must
end with the same loss on both. GRPO draws other completions on each, so each must have as many
tokens: they are kept from ending early, or the policy that learns to be brief would look fast. What
is different is Tenyson, with telemetry into SQLite.

Both train at once and take turns, a step each (`turns.py`), so that a machine that becomes slower
does so for both. A run gives the median of the steps' ratios; whole trainings one after the other
differed by 4 % from pair to pair on a machine that did nothing else.
"""

import contextlib
import io
import math
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.runtime.turns import Side, figures, take_turns
from benchmarks.small_model import SumTask, digit_reward, make_model, rows

BATCH = 64
SEED = 42
MAX_NEW_TOKENS = 8


def sft(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each run of two SFT trainings."""
    return _runs("sft", steps=60 if quick else 150, runs=2 if quick else 10)


def rl(quick: bool) -> list[dict[str, float]]:
    """Returns the figures of each run of two GRPO trainings."""
    return _runs("rl", steps=20 if quick else 60, runs=2 if quick else 8)


def _runs(kind: str, steps: int, runs: int) -> list[dict[str, float]]:
    found = []
    with tempfile.TemporaryDirectory() as root:
        model = make_model(Path(root) / "model")
        config = configuration(model, steps, BATCH)
        for run in range(runs):
            ours, theirs = take_turns()
            sides = [(with_tenyson, "tenyson", ours), (with_trl_alone, "trl", theirs)]
            # The first to load has the better of the memory, by some per cent, so they take turns
            # in that too; and the main thread's allocator is slower than any other's.
            with ThreadPoolExecutor(2) as threads:
                trainings = [
                    threads.submit(train, kind, config, _folder(root, kind, run, name), side)
                    for train, name, side in sides[:: 1 if run % 2 else -1]
                ]
                for training in trainings:
                    training.result()
            require_equal_work(kind, ours, theirs)
            found.append(figures(ours, theirs))
    return found


def _folder(root: str, kind: str, run: int, side: str) -> Path:
    folder = Path(root) / f"{kind}-{run}-{side}"
    folder.mkdir()
    return folder


def require_equal_work(kind: str, ours: Side, theirs: Side) -> None:
    """Refuses a run whose times say nothing, since the two sides did not do the same."""
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


def with_tenyson(kind: str, config: dict[str, Any], folder: Path, side: Side) -> None:
    """Trains with a Tenyson job, in turn with the other side."""
    from transformers import Trainer

    from tenyson.jobs.rl import RLJob
    from tenyson.jobs.sft import SFTJob

    train, own_thread = Trainer.train, threading.get_ident()

    def watched(trainer: Any, *arguments: Any, **options: Any) -> Any:
        if threading.get_ident() == own_thread:
            trainer.add_callback(side.callback())
        return train(trainer, *arguments, **options)

    Trainer.train = watched
    config = {**config, "telemetry": {"db_url": f"sqlite:///{folder}/telemetry.db"}}
    if kind == "rl":
        config["trainer_args"] = GENERATION
    job = SFTJob if kind == "sft" else RLJob
    try:
        side.load()
        with contextlib.redirect_stderr(io.StringIO()):
            job(config, SumTask(), output_dir=folder / "run").run()
    finally:
        side.end()
        Trainer.train = train


def with_trl_alone(kind: str, config: dict[str, Any], folder: Path, side: Side) -> None:
    """Trains with TRL's own trainer, in turn with the other side."""
    try:
        side.load()
        with contextlib.redirect_stdout(io.StringIO()):
            trl_trainer(kind, config, folder, side).train()
    finally:
        side.end()


def trl_trainer(kind: str, config: dict[str, Any], folder: Path, side: Side) -> Any:
    """Returns the same trainer as a user of TRL would make it."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

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
        "callbacks": [side.callback()],
    }
    if kind == "sft":
        return SFTTrainer(
            args=SFTConfig(**shared, **config["data"]),
            train_dataset=Dataset.from_list(rows(6400)),
            **common,
        )
    return GRPOTrainer(
        args=GRPOConfig(**shared, **config["rl"], **GENERATION),
        train_dataset=Dataset.from_list(rows(1600)),
        reward_funcs=[digit_reward],
        **common,
    )
