"""Which runs an adapter or a model comes from: SFT, then RL on it, then their evaluation."""

from collections.abc import Mapping
from typing import Any

ANCESTORS = 16
"""Parents that a manifest holds, the nearest ones."""


def parent_runs(checkpoint_facts: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Returns the runs behind a checkpoint, the nearest first; none for weights of elsewhere.

    Args:
        checkpoint_facts: Manifest of the checkpoint that the weights are; None without one.
    """
    if not checkpoint_facts or "run_id" not in checkpoint_facts:
        return []
    own = {
        name: checkpoint_facts.get(name)
        for name in ("run_id", "job_type", "step", "attempt", "model", "config_sha256")
    }
    earlier = checkpoint_facts.get("parent_runs") or []
    return [own, *earlier][:ANCESTORS]
