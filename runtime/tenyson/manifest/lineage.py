"""Which runs an adapter comes from: SFT, then RL on top of it, then their evaluation."""

from collections.abc import Mapping
from typing import Any

ANCESTORS = 16
"""Parents that a manifest holds, the nearest ones."""


def parent_runs(adapter_facts: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Returns the runs behind an adapter, the nearest first; none for an adapter of elsewhere.

    Args:
        adapter_facts: Manifest of the checkpoint that the adapter is; None where it has none.
    """
    if not adapter_facts or "run_id" not in adapter_facts:
        return []
    own = {
        name: adapter_facts.get(name)
        for name in ("run_id", "job_type", "step", "attempt", "model", "config_sha256")
    }
    earlier = adapter_facts.get("parent_runs") or []
    return [own, *earlier][:ANCESTORS]
