"""What a kept answer follows from: only where all of it is the same does the answer count."""

from collections.abc import Mapping
from typing import Any

from tenyson.config import JobConfig
from tenyson.evaluation.completions import Sampling
from tenyson.manifest import sha256_of_json


def answers_recipe(
    manifest: Mapping[str, Any],
    config: JobConfig,
    adapter_sha256: str | None,
    sampling: Sampling,
    engine: Mapping[str, Any],
) -> str:
    """Returns what names everything that a completion follows from, beside its prompt.

    Args:
        manifest: The attempt's.
        config: The attempt's.
        adapter_sha256: Of the adapter that answers; None for the base model.
        sampling: How completions are drawn.
        engine: What generates and on what; `max_turns` is there for episodes alone, whose
            completions also follow from the row and from the task's game.
    """
    facts = {
        "model": model_identity(manifest["model"]),
        "adapter": adapter_sha256,
        "sampling": vars(sampling),
        "loader": config.model.loader,
        "four_bits": config.adapter.kind == "qlora",
        "attention": config.model.attn_implementation,
        **engine,
    }
    if engine.get("max_turns") is not None:
        facts["game"] = {
            "rows": manifest["datasets"]["eval"]["fingerprint"],
            "task": manifest["task"]["fingerprint"],
            "config": manifest["config"]["task"],
        }
    return sha256_of_json(facts)[:16]


def model_identity(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what tells a model from others; the folder it lies in does not, if its hash does."""
    if "weights_sha256" in model:
        return {"weights_sha256": model["weights_sha256"]}
    return {name: model.get(name) for name in ("name", "source", "revision")}
