"""A store of checkpoints, and small ones to keep in it."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.store import CheckpointStore


def save(store: CheckpointStore, step: int, text: str = "weights") -> Path:
    with store.saving(f"checkpoint-{step}", step=step) as folder:
        (folder / "adapter.bin").write_text(f"{text} {step}", encoding="utf-8")
        (folder / "ref").mkdir()
        (folder / "ref" / "adapter.bin").write_text("reference", encoding="utf-8")
    assert store._uploads.wait(30)
    return store.folder / f"attempt-{store._fence.attempt}/checkpoint-{step}"


def open_store(
    folder: Path, *, attempt: int = 0, keep: int = 3, mirror: Mirror | None = None, **options: Any
) -> CheckpointStore:
    """Returns the store of an attempt that has just started."""
    fence = Fence(folder, attempt, mirror)
    fence.claim()
    return CheckpointStore(fence, keep=keep, mirror=mirror, **options)


def steps(store: CheckpointStore) -> list[int]:
    return [place.step for place in store.places()]


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return open_store(tmp_path / "run")
