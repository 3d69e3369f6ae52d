"""How long the demo's evaluation takes: its model, its prompts, greedy and sampled."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any


def evaluation(quick: bool) -> list[dict[str, float]]:
    """Returns, run by run, the time from the loaded model to the scores.

    The demo's base model is made on the first run (40 s) and kept in the task's cache.
    """
    with tempfile.TemporaryDirectory() as root:
        return [_run(Path(root) / str(run)) for run in range(1 if quick else 5)]


def _run(folder: Path) -> dict[str, float]:
    from tenyson.examples.wordle.wordle_task import WordleTask
    from tenyson.jobs.eval import EvalJob

    config: dict[str, Any] = {
        "model": {"name": "task:tiny", "dtype": "float32"},
        "evaluation": {
            "batch_size": 512,
            "max_new_tokens": 9,
            "temperature": 1.0,
            "num_samples": 4,
            "include_greedy": True,
        },
        "task": {"words": "default", "max_turns": 2, "format": "compact", "eval_rows": 512},
    }
    with contextlib.redirect_stderr(io.StringIO()):
        result = EvalJob(config, WordleTask(), output_dir=folder).run()
    phases = result.phase_seconds
    assert result.tokens_per_second is not None
    return {
        "evaluate_s": phases["generate"] + phases["reward"],
        "tokens_per_s": result.tokens_per_second,
    }
