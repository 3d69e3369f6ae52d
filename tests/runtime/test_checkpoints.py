import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.layout import Place
from tenyson.checkpoints.mirror import Mirror, fetch_folder
from tenyson.checkpoints.rotation import Verified, surplus_in_mirror
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.errors import CheckpointError, CredentialsError, DependencyError, SupersededError
from tenyson.jobs.training.going_back import GoBack, expected_start, find_start


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


def test_a_saved_checkpoint_verifies_and_keeps_its_facts(store: CheckpointStore) -> None:
    save(store, 3)

    found = store.newest()

    assert found is not None
    assert (found.step, found.folder.name) == (3, "checkpoint-3")
    assert sorted(found.facts["files"]) == ["adapter.bin", "ref/adapter.bin"]
    assert found.facts["step"] == 3


def test_steps_are_ordered_by_number_not_by_name(store: CheckpointStore) -> None:
    for step in (900, 1000, 30):
        save(store, step)

    found = store.newest()

    assert found is not None
    assert found.step == 1000


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"files": ["adapter.bin"]},
        {"files": None},
        {"files": {"adapter.bin": 3}},
        {"files": {"adapter.bin": {"bytes": 3}}},
        {"files": {"adapter.bin": {"bytes": "3", "sha256": "0"}}},
    ],
    ids=str,
)
def test_a_manifest_of_another_shape_is_passed_over(store: CheckpointStore, content: Any) -> None:
    save(store, 3)
    path = save(store, 6) / File.CHECKPOINT_MANIFEST
    path.write_text(json.dumps(content), encoding="utf-8")

    found = store.newest()

    assert found is not None
    assert found.step == 3
    assert "cannot be read" in store.warnings[0]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no manifest", "bad manifest"])
def test_a_damaged_checkpoint_is_passed_over_and_said(store: CheckpointStore, damage: str) -> None:
    save(store, 3)
    newest = save(store, 6)
    path = newest / "adapter.bin"
    match damage:
        case "flip":
            path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "remove":
            path.unlink()
        case "no manifest":
            (newest / File.CHECKPOINT_MANIFEST).unlink()
        case "bad manifest":
            (newest / File.CHECKPOINT_MANIFEST).write_text("{", encoding="utf-8")

    found = store.newest()

    assert found is not None
    assert found.step == 3
    assert "checkpoint-6" in store.warnings[0]
    assert (store.folder / "attempt-0/broken-checkpoint-6").is_dir(), "nothing saved is destroyed"


def test_a_save_that_raises_leaves_the_old_checkpoint(store: CheckpointStore) -> None:
    save(store, 3, "first")

    def save_until_the_disk_is_full() -> None:
        with store.saving("checkpoint-3", step=3) as folder:
            (folder / "adapter.bin").write_text("half", encoding="utf-8")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_until_the_disk_is_full()

    assert (store.folder / "attempt-0/checkpoint-3/adapter.bin").read_text(
        encoding="utf-8"
    ) == "first 3"
    assert [p.name for p in (store.folder / "attempt-0").iterdir()] == ["checkpoint-3"]


def test_a_killed_save_is_swept_away_at_the_next_start(store: CheckpointStore) -> None:
    save(store, 3)
    killed = store.folder / "attempt-0/.saving-killed"
    killed.mkdir()
    (killed / "adapter.bin").touch()

    again = open_store(store.folder, keep=3)

    assert [p.name for p in (again.folder / "attempt-0").iterdir()] == ["checkpoint-3"]


def test_what_killed_older_attempts_left_half_done_is_swept_away(tmp_path: Path) -> None:
    older = open_store(tmp_path, attempt=0, keep=3)
    for step in (3, 6):
        save(older, step)
    (save(older, 9) / File.CHECKPOINT_MANIFEST).unlink()  # the newest: no rotation takes that
    (older.folder / "attempt-0/checkpoint-3" / File.CHECKPOINT_MANIFEST).unlink()
    for name in ("attempt-0/.saving-killed", "attempt-0/.fetched-final", "attempt-2/.saving-x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "attempt-0/replaced-checkpoint-final").mkdir()

    open_store(tmp_path, attempt=1)

    kept = ["checkpoint-6", "checkpoint-9", "replaced-checkpoint-final"]
    assert sorted(p.name for p in (tmp_path / "attempt-0").iterdir()) == kept
    assert (tmp_path / "attempt-2/.saving-x").is_dir(), "a newer attempt's are not ours"

    (tmp_path / File.FINAL_CHECKPOINT).mkdir()
    open_store(tmp_path, attempt=1)
    assert not (tmp_path / "attempt-0/replaced-checkpoint-final").exists()


def test_an_attempt_whose_save_is_swept_away_learns_that_it_is_superseded(tmp_path: Path) -> None:
    older = open_store(tmp_path, attempt=0)

    def save_late() -> None:
        with older.saving("checkpoint-3", step=3) as folder:
            open_store(tmp_path, attempt=1)
            (folder / "adapter.bin").write_text("weights", encoding="utf-8")

    with pytest.raises(SupersededError, match="attempt 1"):
        save_late()


def test_saving_a_step_again_replaces_it(store: CheckpointStore) -> None:
    save(store, 3, "first")
    save(store, 3, "second")

    assert (store.folder / "attempt-0/checkpoint-3/adapter.bin").read_text(
        encoding="utf-8"
    ) == "second 3"
    assert steps(store) == [3]


def test_only_the_newest_are_kept(store: CheckpointStore) -> None:
    for step in range(1, 6):
        save(store, step)

    assert steps(store) == [3, 4, 5]


def test_checkpoints_to_be_trained_again_are_set_aside(store: CheckpointStore) -> None:
    for step in (2, 4, 6):
        save(store, step)

    store.set_aside_after(2)

    assert steps(store) == [2]
    assert (store.folder / "attempt-0/superseded-checkpoint-6").is_dir()


def test_a_step_without_a_checkpoint_names_those_with_one(store: CheckpointStore) -> None:
    save(store, 4)

    with pytest.raises(CheckpointError, match="no checkpoint of step 5") as raised:
        store.at_step(5)

    assert "4" in raised.value.hint


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


def test_a_manifest_lists_every_file_with_size_and_hash(store: CheckpointStore) -> None:
    folder = save(store, 1)

    content = json.loads((folder / File.CHECKPOINT_MANIFEST).read_text(encoding="utf-8"))

    assert content["files"]["adapter.bin"]["bytes"] == len("weights 1")
    assert len(content["files"]["adapter.bin"]["sha256"]) == 64
    assert manifest.verify(folder) == content


def test_a_file_that_is_gone_when_it_is_looked_at_ends_no_training(
    store: CheckpointStore,
) -> None:
    """Network file systems list what is gone by then: such a checkpoint counts as none."""
    save(store, 1)
    folder = save(store, 2)
    (folder / "gone").symlink_to(folder / "nowhere")

    assert not Verified()(folder)
    for step in (3, 4):
        save(store, step)

    assert steps(store) == [1, 2, 3, 4], "two and the oldest verify, and three are to be kept"


def test_in_the_mirror_the_newest_finished_ones_stay() -> None:
    places = [Place(0, step) for step in (1, 2, 3)]

    assert surplus_in_mirror(places[::-1], 1, pinned_step=None) == places[:2]
    assert surplus_in_mirror(places, 1, pinned_step=1) == places[1:2]
    assert surplus_in_mirror(places, 5, pinned_step=None) == []


@pytest.mark.parametrize(
    ("resume", "back", "step"),
    [
        ("auto", None, 6),
        ("never", None, 0),
        (4, None, 4),
        (5, None, None),
        ("auto", GoBack(before_step=6), 4),
        ("auto", GoBack(before_step=1), 0),
        (6, GoBack(before_step=6), 4),
        ("never", GoBack(), 6),
    ],
)
def test_where_a_training_will_start_is_told_by_names_alone(
    resume: Any, back: GoBack | None, step: int | None, tmp_path: Path
) -> None:
    store = open_store(tmp_path / "run", mirror=Mirror(f"file://{tmp_path}/bucket"))
    for saved in (2, 4, 6):
        save(store, saved)
    shutil.rmtree(tmp_path / "run" / "attempt-0" / "checkpoint-6")  # the mirror has it
    (tmp_path / "run" / "attempt-0" / "checkpoint-8").mkdir()  # never finished

    assert expected_start(store, resume, back) == step

    found = find_start(store, resume, back) if step is not None else None
    assert (found.step if found else 0) == (step or 0), "and so it does"


def test_where_a_training_will_start_is_not_known_while_the_storage_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "run", mirror=Mirror(f"file://{tmp_path}/bucket"))
    save(store, 2)

    def away(_: Any) -> list[str]:
        raise DependencyError("The storage does not answer.")

    monkeypatch.setattr(Mirror, "finished_folders", away)
    assert expected_start(store, "auto", None) is None
