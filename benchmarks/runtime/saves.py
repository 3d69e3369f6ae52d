"""What a LoRA checkpoint costs: of a model whose adapter has a size that people train."""

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.small_model import SumTask, make_model
from tenyson.config.checkpoint import CheckpointConfig


def saves(quick: bool) -> list[dict[str, float]]:
    """Returns, run by run, the mean time of a save, and its share of the default interval."""
    runs = 1 if quick else 3
    with tempfile.TemporaryDirectory() as root:
        model = make_model(Path(root) / "model", hidden=768, layers=12)
        return [_run(model, Path(root) / str(run)) for run in range(runs)]


def _run(model: Path, folder: Path) -> dict[str, float]:
    from tenyson.jobs.sft import SFTJob

    config: dict[str, Any] = {
        "model": {"name": str(model)},
        "adapter": {"r": 16},
        "data": {"max_length": 64},
        "training": {"max_steps": 5, "per_device_train_batch_size": 1},
        "checkpoint": {"every_steps": 1},
    }
    with contextlib.redirect_stderr(io.StringIO()):
        result = SFTJob(config, SumTask(), output_dir=folder).run()
    # Five checkpoints and the final one; the last is smaller, so a save is rather overestimated.
    save = result.phase_seconds["save"] / 5
    interval = CheckpointConfig().every_seconds
    assert interval is not None
    checkpoint = folder / "attempt-0/checkpoint-5/checkpoint_manifest.json"
    files = json.loads(checkpoint.read_text(encoding="utf-8"))["files"]
    size = sum(entry["bytes"] for entry in files.values())
    return {
        "save_s": save,
        "share_percent": 100 * save / (save + interval),
        "megabytes": size / 1e6,
    }
