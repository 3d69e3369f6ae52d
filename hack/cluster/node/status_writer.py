"""Writes one pod's status whenever it has changed, and again until the apiserver has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hack.cluster.node.api import STRATEGIC_MERGE, Api, ApiStatusError, ApiUnavailableError
from hack.cluster.node.context import log
from hack.cluster.node.statuses import PodView, pod_status

_RETRY_SECONDS = 0.5


class StatusWriter:
    """Only the newest status is ever written; those between two writes are left out."""

    def __init__(self, api: Api, path: str, view: Callable[[], PodView]) -> None:
        self._api = api
        self._path = path
        self._view = view
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent: dict[str, Any] | None = None

    def write(self) -> None:
        """Something may have changed."""
        self._idle.clear()
        self._wanted.set()

    async def flushed(self, is_gone: Callable[[], bool]) -> None:
        """Return once the apiserver has the newest status, or the pod is gone."""
        while not self._idle.is_set() and not is_gone():
            try:
                await asyncio.wait_for(self._idle.wait(), 0.5)
            except TimeoutError:
                continue

    async def run(self) -> None:
        """Write whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._write_newest()
            except ApiUnavailableError:
                self._wanted.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except ApiStatusError as error:
                # The pod is gone, or has been made anew under its name: its worker will hear.
                log.warning("status not written", pod=self._path, error=str(error))
            if not self._wanted.is_set():
                self._idle.set()

    async def _write_newest(self) -> None:
        view = self._view()
        status = pod_status(view, time.time())
        if status != self._sent:
            # The uid makes the apiserver refuse a pod of the same name that came later.
            body = {"metadata": {"uid": view.pod["metadata"]["uid"]}, "status": status}
            await self._api.patch(f"{self._path}/status", body, STRATEGIC_MERGE)
            self._sent = status
