"""What a finished training leaves: the last evaluation, `checkpoint-final`, metrics, artifacts."""

from typing import Any

from peft import PeftModel

from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.files import sha256_of_file
from tenyson.jobs.context import RunContext
from tenyson.jobs.models._models import ADAPTER_WEIGHTS
from tenyson.jobs.outcome.finished import finished_facts, list_artifacts
from tenyson.jobs.training._sharded import whole_state
from tenyson.numbers import is_number


def finish(context: RunContext, trainer: Any, store: CheckpointStore) -> None:
    """Evaluates a last time, saves `checkpoint-final` and fills the result."""
    result = context.result
    if trainer.eval_dataset is not None and not _is_evaluated(trainer.state):
        trainer.evaluate()
    whole = whole_state(trainer.model, keep=context.ranks.is_main)  # all ranks give their parts
    context.ranks.part()
    if not context.ranks.is_main:
        return
    state = {} if whole is None else {"state_dict": whole}
    result.metrics = final_metrics(trainer.state.log_history)
    facts = {**trainer.checkpoint_facts, **finished_facts(context)}
    with store.saving(File.FINAL_CHECKPOINT, **facts) as folder:
        if isinstance(trainer.model, PeftModel):
            trainer.model.save_pretrained(str(folder), selected_adapters=["default"], **state)
            (folder / "README.md").unlink(missing_ok=True)
            result.adapter_sha256 = sha256_of_file(folder / ADAPTER_WEIGHTS)
        else:
            trainer.model.save_pretrained(str(folder), **state)
        trainer.processing_class.save_pretrained(str(folder))
    result.artifacts = list_artifacts(context.output_dir, result.adapter_sha256)


def _is_evaluated(state: Any) -> bool:
    """Whether the last step was evaluated already, as `eval_steps` may have it."""
    return any(
        row.get("step") == state.global_step and "eval_loss" in row for row in state.log_history
    )


def final_metrics(log_history: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the last value of everything logged, over all attempts, and the mean loss."""
    metrics: dict[str, float] = {}
    losses = [row["loss"] for row in log_history if is_number(row.get("loss"))]
    for row in log_history:
        metrics |= {n: float(v) for n, v in row.items() if n not in ("step",) and is_number(v)}
    metrics.pop("total_flos", None)
    if losses:
        metrics["train_loss"] = sum(losses) / len(losses)
    return metrics
