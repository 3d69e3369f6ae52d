"""Checkpoints in the mirror: gone up in order, come back whole, and no reason to stop."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints.layout import Place
from tenyson.checkpoints.mirror import Mirror, fetch_folder
from tenyson.checkpoints.rotation import surplus_in_mirror
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.errors import CredentialsError, DependencyError
from tests.runtime.stored import open_store, save, steps
from tests.runtime.stored import store as store  # a fixture


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(f"file://{tmp_path}/bucket/run", pause_seconds=0)


def test_a_new_machine_goes_on_from_the_mirror(tmp_path: Path, mirror: Mirror) -> None:
    first = open_store(tmp_path / "first", keep=2, mirror=mirror)
    for step in (1, 2, 3):
        save(first, step)

    found = open_store(tmp_path / "second", keep=2, mirror=mirror).newest()

    assert found is not None
    assert found.step == 3
    assert found.folder == tmp_path / "second/attempt-0/checkpoint-3"
    assert mirror.finished_folders() == [
        "attempt-0/checkpoint-2",
        "attempt-0/checkpoint-3",
    ]


def test_a_half_uploaded_checkpoint_does_not_count(tmp_path: Path, mirror: Mirror) -> None:
    first = open_store(tmp_path / "first", keep=3, mirror=mirror)
    save(first, 1)
    save(first, 2)
    remote = tmp_path / "bucket/run/attempt-0/checkpoint-2"
    (remote / File.CHECKPOINT_MANIFEST).unlink()

    found = open_store(tmp_path / "second", keep=3, mirror=mirror).newest()

    assert found is not None
    assert found.step == 1


def test_a_checkpoint_damaged_in_the_mirror_is_passed_over(tmp_path: Path, mirror: Mirror) -> None:
    first = open_store(tmp_path / "first", keep=3, mirror=mirror)
    save(first, 1)
    save(first, 2)
    (tmp_path / "bucket/run/attempt-0/checkpoint-2/adapter.bin").write_text(
        "weightz 2", encoding="utf-8"
    )
    second = open_store(tmp_path / "second", keep=3, mirror=mirror)

    found = second.newest()

    assert found is not None
    assert found.step == 1
    assert "SHA-256" in second.warnings[0]


class _RecordedFiles:
    """A storage that notes the order in which files arrive."""

    protocol = "s3"

    def __init__(self) -> None:
        self.put: list[str] = []

    def makedirs(self, path: str, exist_ok: bool) -> None:
        pass

    def exists(self, path: str) -> bool:
        return False

    def put_file(self, local: str, remote: str) -> None:
        self.put.append(remote)


def test_the_manifest_is_uploaded_last(store: CheckpointStore, mirror: Mirror) -> None:
    folder = save(store, 1)
    files: Any = _RecordedFiles()
    mirror._files = files

    mirror.upload_folder(folder)

    assert files.put[-1].endswith(File.CHECKPOINT_MANIFEST)
    assert len(files.put) == 3


def test_training_goes_on_while_the_storage_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = Mirror(f"file://{tmp_path}/bucket/run", pause_seconds=0)
    store = open_store(tmp_path / "run", mirror=away)
    shutil.rmtree(tmp_path / "bucket")
    (tmp_path / "bucket").write_text("a file where the folder should be", encoding="utf-8")

    with caplog.at_level(logging.WARNING):
        save(store, 1)

    assert store.newest() is not None
    assert "only in the output folder" in store.warnings[0]


class NoCredentialsError(Exception):
    """Named as botocore's."""


class EndpointConnectionError(Exception):
    """Named as botocore's."""


class _FailingFiles:
    """A storage whose library raises its own errors."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (NoCredentialsError("Unable to locate credentials"), CredentialsError),
        (PermissionError("Access Denied"), CredentialsError),
        (EndpointConnectionError("Could not connect"), DependencyError),
        (TimeoutError("slow"), DependencyError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_errors_of_a_storages_own_are_known_and_stop_no_training(
    error: Exception, becomes: type[Exception], store: CheckpointStore, mirror: Mirror
) -> None:
    files: Any = _FailingFiles(error)
    mirror._files = files
    store._mirror = mirror

    with pytest.raises(becomes):
        mirror.exists("checkpoint-1")
    save(store, 1)

    assert steps(store) == [1]
    assert "only in the output folder" in store.warnings[0]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("file:///nowhere/at/all", "nothing at"),
        ("s4://bucket/run", "no URI that fsspec knows"),
        ("gs://bucket/run", "gcsfs"),
    ],
)
def test_a_uri_that_cannot_be_used_says_why(tmp_path: Path, uri: str, says: str) -> None:
    with pytest.raises(DependencyError) as raised:
        fetch_folder(uri, tmp_path / "adapter")

    assert says in str(raised.value)


def test_in_the_mirror_the_newest_finished_ones_stay() -> None:
    places = [Place(0, step) for step in (1, 2, 3)]

    assert surplus_in_mirror(places[::-1], 1, pinned_step=None) == places[:2]
    assert surplus_in_mirror(places, 1, pinned_step=1) == places[1:2]
    assert surplus_in_mirror(places, 5, pinned_step=None) == []
