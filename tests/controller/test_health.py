"""When the liveness probe fails, and what does not make it fail."""

import asyncio
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml

from tenyson.controller import handlers
from tenyson.controller.controller import Controller
from tenyson.controller.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for an API server that is not there."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Settings(progress_port=0, progress_bind="127.0.0.1", metrics_port=0)


def probe(controller: Controller) -> Any:
    return handlers.probe(memo=kopf.Memo(controller=controller))


async def test_an_absent_api_server_does_not_fail_the_probe_at_once(settings: Settings) -> None:
    controller = Controller(settings)
    start = asyncio.create_task(controller.start())
    await asyncio.sleep(0.2)
    assert {"child_age_seconds", "pod_age_seconds"} <= set(probe(controller))
    start.cancel()
    await controller.stop()


async def test_a_part_that_has_ended_fails_the_probe(settings: Settings) -> None:
    controller = Controller(settings)

    async def crash() -> None:
        raise ValueError("a bug")

    controller._spawn("workers", crash())
    await asyncio.sleep(0)
    with pytest.raises(kopf.PermanentError, match="workers"):
        probe(controller)
    await controller.stop()


async def test_a_watch_that_stands_still_for_long_fails_the_probe(settings: Settings) -> None:
    controller = Controller(settings)
    jobs, pods = controller._informers[0], controller._informers[-1]
    jobs._moved_at -= 2 * settings.relist_seconds - 10
    probe(controller)
    pods._moved_at -= 2 * settings.relist_seconds + 1
    with pytest.raises(kopf.PermanentError, match="pod informer"):
        probe(controller)
    await controller.stop()
