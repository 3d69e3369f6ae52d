"""An attempt that was cut off, went on, and wakes up beside the next one."""

import os
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import final
from tenyson.checkpoints.fence import Fence, next_attempt, read_marker
from tenyson.checkpoints.final import upload_final
from tenyson.checkpoints.mirror import fetch_folder
from tenyson.contract import File
from tenyson.errors import SupersededError
from tests.runtime.fenced_attempts import Attempt, contents


def test_a_checkpoint_that_slips_through_never_gets_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Attempt(tmp_path, 0)
    for step in (2, 3):
        older.save(f"checkpoint-{step}")
    newer = Attempt(tmp_path, 1)
    newer.save("checkpoint-4")
    older.is_deaf(monkeypatch)

    for step in (7, 8, 9):
        older.save(f"checkpoint-{step}")

    newest = Attempt(tmp_path, 2).store.newest()
    assert newest is not None
    assert newest.place.name == "attempt-1/checkpoint-4"


def test_a_final_that_slips_through_is_stopped_by_the_newer_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Attempt(tmp_path, 0)
    Attempt(tmp_path, 1).finish()
    before = contents(tmp_path)
    older.is_deaf(monkeypatch)

    with pytest.raises(SupersededError, match="is of attempt 1"):
        older.save(File.FINAL_CHECKPOINT)

    assert contents(tmp_path) == before


@pytest.mark.parametrize("was_there", [False, True], ids=["no final yet", "an old final"])
def test_a_final_that_comes_between_a_look_and_a_rename_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    older = Attempt(tmp_path, 0)
    if was_there:
        older.save(File.FINAL_CHECKPOINT)
    rename = os.rename
    seen: dict[str, dict[str, str]] = {}

    def sleep_before_it(source: Any, target: Any) -> None:
        monkeypatch.setattr(final.os, "rename", rename)
        Attempt(tmp_path, 1).finish()
        seen["before"] = contents(tmp_path)
        rename(source, target)

    def save() -> None:
        with older.saving(File.FINAL_CHECKPOINT):
            monkeypatch.setattr(final.os, "rename", sleep_before_it)

    with pytest.raises(SupersededError):
        save()

    assert contents(tmp_path, without="attempt-0") == {
        name: value for name, value in seen["before"].items() if not name.startswith("attempt-0/")
    }


def test_a_late_upload_that_damages_the_final_in_the_mirror_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    older = Attempt(tmp_path / "a", 0, bucket)
    older.save(File.FINAL_CHECKPOINT)
    newer = Attempt(tmp_path / "b", 1, bucket)
    newer.finish()
    older.is_deaf(monkeypatch)
    assert older.mirror is not None
    assert newer.mirror is not None

    # One file was on its way when the attempt fell asleep.
    older.mirror._put(tmp_path / "a/checkpoint-final/a.bin", "checkpoint-final/a.bin")

    fetched = fetch_folder(f"file://{bucket}/checkpoint-final", tmp_path / "adapter")
    assert (fetched / "a.bin").read_text(encoding="utf-8") == "checkpoint-final of 1"
    upload_final(newer.folder / File.FINAL_CHECKPOINT, 1, newer.mirror)
    assert (bucket / "checkpoint-final/a.bin").read_bytes() == (fetched / "a.bin").read_bytes()


def test_an_attempt_that_starts_after_a_newer_one_does_nothing(tmp_path: Path) -> None:
    Attempt(tmp_path, 3).finish()
    before = contents(tmp_path)

    with pytest.raises(SupersededError, match="Attempt 2 is superseded"):
        Attempt(tmp_path, 2)

    assert contents(tmp_path) == before


def test_two_processes_of_one_number_do_not_share_it(tmp_path: Path) -> None:
    first = Attempt(tmp_path, 0)
    Attempt(tmp_path, 0)

    with pytest.raises(SupersededError):
        first.save("checkpoint-1")


def test_an_older_marker_written_late_does_not_last(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    newer = Attempt(tmp_path / "run", 1, bucket)
    older = Fence(tmp_path / "run", 0, newer.mirror)
    older._write()
    (bucket / File.NEWEST_ATTEMPT).write_text(older._own.to_json(), encoding="utf-8")

    newer.save("checkpoint-1")

    for folder in (tmp_path / "run", bucket):
        marker = read_marker(folder)
        assert marker is not None
        assert marker.attempt == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempt": "x"}'])
def test_a_marker_that_cannot_be_read_stops_nobody(tmp_path: Path, text: str) -> None:
    attempt = Attempt(tmp_path, 0)
    (tmp_path / File.NEWEST_ATTEMPT).write_text(text, encoding="utf-8")

    attempt.finish()

    assert next_attempt(tmp_path) == 1, "its folder tells"


def test_checkpoints_of_all_attempts_are_kept_by_number(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    first = Attempt(tmp_path / "run", 0, bucket)
    for step in (2, 4, 6):
        first.save(f"checkpoint-{step}")
    second = Attempt(tmp_path / "run", 1, bucket)

    second.save("checkpoint-8")

    kept = ["attempt-0/checkpoint-6", "attempt-1/checkpoint-8"]
    assert [place.name for place in second.store.places()] == kept
    assert second.mirror is not None
    assert second.mirror.finished_folders() == kept


def test_checkpoints_of_runs_without_attempt_folders_are_read(tmp_path: Path) -> None:
    writer = Attempt(tmp_path, 0)
    for step in (2, 4):
        writer.save(f"checkpoint-{step}")
        os.rename(tmp_path / f"attempt-0/checkpoint-{step}", tmp_path / f"checkpoint-{step}")
    attempt = Attempt(tmp_path, 1)

    found = attempt.store.newest()
    assert found is not None
    assert found.place.name == "checkpoint-4"
    attempt.save("checkpoint-6")

    assert [p.name for p in attempt.store.places()] == ["checkpoint-4", "attempt-1/checkpoint-6"]


def test_the_mirror_is_asked_where_it_has_something_newer(tmp_path: Path) -> None:
    """A node's own disk, met again after another node has trained on."""
    bucket = tmp_path / "bucket"
    Attempt(tmp_path / "node-a", 0, bucket).save("checkpoint-2")
    Attempt(tmp_path / "node-b", 1, bucket).save("checkpoint-4")

    found = Attempt(tmp_path / "node-a", 2, bucket).store.newest()

    assert found is not None
    assert found.place.name == "attempt-1/checkpoint-4"
