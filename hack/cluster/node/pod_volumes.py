"""The volumes of one pod: made before its containers, and kept fresh while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hack.cluster.node.api import ApiStatusError, ApiUnavailableError
from hack.cluster.node.context import NodeContext, log
from hack.cluster.node.errors import NotReadyError
from hack.cluster.node.pod_objects import PodObjects
from hack.cluster.node.volumes import Folder, make_volume, token_lifetimes

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.25, 3.0
_TOKEN_SHARE = 0.8
"""Of a token's lifetime, after which it is renewed, as a kubelet does."""


class PodVolumes:
    """The folders that the pod's volumes are on this machine."""

    def __init__(self, pod: Mapping[str, Any], folder: Path, context: NodeContext) -> None:
        self._pod = pod
        self._folder = folder / "volumes"
        self._context = context
        self._sources = PodObjects(pod, context).volume_sources()
        self._volumes: list[Mapping[str, Any]] = list(pod["spec"].get("volumes") or [])

    async def made(self, must_wait: Callable[[], None]) -> dict[str, Folder]:
        """Every volume by name, tried again until nothing is missing."""
        delay_seconds, said = _FIRST_DELAY_SECONDS, ""
        while True:
            try:
                return {volume["name"]: await self._make(volume) for volume in self._volumes}
            except (NotReadyError, ApiStatusError, ApiUnavailableError) as error:
                message = error.message if isinstance(error, NotReadyError) else str(error)
            must_wait()
            # The first failure is often a short race with whoever makes the object.
            if delay_seconds > _FIRST_DELAY_SECONDS and message != said:
                said = message
                await self._context.record_event(self._pod, "FailedMount", message, is_warning=True)
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, _LONGEST_DELAY_SECONDS)

    async def refresh_tokens(self) -> None:
        """Renew the volumes with tokens before the first of them expires, until cancelled."""
        lifetimes = token_lifetimes(self._volumes)
        while lifetimes:
            await asyncio.sleep(_TOKEN_SHARE * min(lifetimes.values()))
            for volume in self._volumes:
                if volume["name"] in lifetimes:
                    await self._renew(volume)

    async def _renew(self, volume: Mapping[str, Any]) -> None:
        try:
            await self._make(volume)
        except (NotReadyError, ApiStatusError, ApiUnavailableError) as error:
            log.warning("token not renewed", volume=volume["name"], error=str(error))

    async def _make(self, volume: Mapping[str, Any]) -> Folder:
        return await make_volume(volume, self._folder / volume["name"], self._sources)
