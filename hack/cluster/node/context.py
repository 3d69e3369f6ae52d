"""What every part of the node agent shares."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from hack.cluster.node.api import Api, ApiStatusError, ApiUnavailableError
from hack.cluster.node.downward import Allocatable
from hack.cluster.node.images import Images

log = structlog.get_logger()


@dataclass(frozen=True)
class NodeContext:
    """The node, its machine and its apiserver."""

    api: Api
    name: str
    state_dir: Path
    bwrap: str
    """The sandbox program's path; a container's own PATH must not decide it."""
    images: Images
    env: Mapping[str, str]
    """Variables under every container's own, as an image brings them."""
    shared: Sequence[str]
    """Paths that containers see even where they lie in /tmp, /var/tmp or /run."""
    allocatable: Allocatable
    services: dict[tuple[str, str], str] = field(default_factory=dict)
    """The address of each Service, by namespace and name; kept by the `ServiceProxy`."""

    def pod_folder(self, uid: str) -> Path:
        """Where everything of a pod lies."""
        return self.state_dir / "pods" / uid

    async def record_event(
        self, pod: Mapping[str, Any], reason: str, message: str, *, is_warning: bool
    ) -> None:
        """Write an Event about the pod; one that cannot be written is only logged."""
        metadata = pod["metadata"]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}."},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if is_warning else "Normal",
            "source": {"component": "kubelet", "host": self.name},
            "firstTimestamp": _now(),
            "lastTimestamp": _now(),
            "count": 1,
        }
        try:
            await self.api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
        except (ApiStatusError, ApiUnavailableError) as error:
            log.warning("event not written", pod=metadata["name"], reason=reason, error=str(error))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
