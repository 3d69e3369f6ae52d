"""How Argo CD compares what is in Git with what is in the cluster."""

from typing import Any


def different(wanted: Any, live: Any, path: str = "") -> list[str]:
    """Returns where a merge patch of what is wanted would change what is there.

    So Argo CD compares custom resources by default: objects key by key, and lists whole.
    """
    if not isinstance(wanted, dict) or not isinstance(live, dict):
        return [] if wanted == live else [path]
    return [
        found
        for key, value in wanted.items()
        for found in different(value, live.get(key), f"{path}.{key}")
    ]
