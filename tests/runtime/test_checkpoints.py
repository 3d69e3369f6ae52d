import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.rotation import Verified
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.errors import CheckpointError, DependencyError, SupersededError
from tenyson.jobs.training.going_back import GoBack, expected_start, find_start
from tests.runtime.stored import open_store, save, steps
from tests.runtime.stored import store as store  # a fixture


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
