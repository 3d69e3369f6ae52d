"""When the liveness probe fails, and what does not make it fail."""

import asyncio
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml

from tenyson.controller import handlers
from tenyson.controller.announcements import Announcement
from tenyson.controller.controller import Controller
from tenyson.controller.events import Announcer
from tenyson.controller.settings import Settings
from tests.controller.builders import make_job


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
    return Settings(progress_port=0, progress_bind="127.0.0.1")


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


async def test_a_watch_that_hears_nothing_for_long_fails_the_probe(settings: Settings) -> None:
    controller = Controller(settings)
    children, pods = (i for i in controller._informers(None) if i.kind != "job")
    controller._informers_all = [children, pods]
    children.heard_at -= 2 * settings.relist_seconds - 10
    probe(controller)
    pods.heard_at -= 2 * settings.relist_seconds + 1
    with pytest.raises(kopf.PermanentError, match="pod informer"):
        probe(controller)
    await controller.stop()


async def test_an_event_that_cannot_be_posted_does_not_silence_the_next() -> None:
    posted: list[str] = []

    class Fake:
        async def post_event(self, namespace: str, body: Any) -> None:
            posted.append(body["reason"])
            if len(posted) == 1:
                raise KeyError("surprise")

    announcer = Announcer(Fake())  # type: ignore[arg-type]
    for reason in ("First", "Second"):
        announcer.announce(make_job(), Announcement("Normal", reason, "m"))
    task = asyncio.create_task(announcer.run())
    await asyncio.sleep(0.05)
    task.cancel()
    assert posted == ["First", "Second"]
